"""Who may call what: a pure decision over the declaration of a tool."""

from dataclasses import dataclass
from typing import Self

from cio_mcp.catalog.endpoint import Access, Endpoint
from cio_mcp.errors import NotPermitted

PERMISSIONS = ("read", "write", "send", "destructive")
ANY = "*"


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A permission in an area, written `area:permission`; `*` stands for all of either."""

    area: str
    permission: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `area:permission`; raises ValueError with the remedy."""
        area, colon, permission = text.partition(":")
        if not colon or not area or permission not in (*PERMISSIONS, ANY):
            raise ValueError(f"must be area:permission, with a permission of {', '.join((*PERMISSIONS, ANY))}")
        return cls(area, permission)

    def covers(self, endpoint: Endpoint) -> bool:
        """Say whether this grant permits the endpoint."""
        return self.area in (endpoint.area, ANY) and self.permission in (endpoint.permission, ANY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What this server serves. Every part can only narrow; `None` narrows nothing."""

    areas: frozenset[str] | None = None
    read_only: bool = False
    grants: frozenset[Grant] | None = None

    def refusal(self, endpoint: Endpoint) -> NotPermitted | None:
        """Return why the endpoint may not be called, or None if it may."""
        scope = f"{endpoint.area}:{endpoint.permission}"
        if self.areas is not None and endpoint.area not in self.areas:
            rule, remedy = (
                f"this server serves only the areas {_list(self.areas)}",
                f"--areas {endpoint.area}",
            )
        elif self.read_only and endpoint.access is not Access.READ:
            rule, remedy = "this server is read-only", "no --read-only"
        elif self.grants is not None and not any(grant.covers(endpoint) for grant in self.grants):
            rule, remedy = f"no grant covers {scope}", f"--grant {scope}"
        else:
            return None
        return NotPermitted(
            f"{endpoint.name} is not served: {rule}. Nothing was sent.",
            next_step=f"Ask the operator of this server whether it may be started with {remedy}.",
        )

    def permits(self, endpoint: Endpoint) -> bool:
        """Say whether the endpoint may be listed and called."""
        return self.refusal(endpoint) is None


def _list(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
