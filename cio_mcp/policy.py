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

    def __str__(self) -> str:
        return f"{self.area}:{self.permission}"

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
        rules: dict[str, str] = {}
        if self.areas is not None and endpoint.area not in self.areas:
            rules[f"it serves only the areas {', '.join(sorted(self.areas))}"] = f"{endpoint.area} added to --areas"
        if self.read_only and endpoint.access is not Access.READ:
            rules["it is read-only"] = "--read-only taken away"
        if self.grants is not None and not any(grant.covers(endpoint) for grant in self.grants):
            rules[f"no grant covers {scope}"] = f"{scope} added to --grant"
        if not rules:
            return None
        return NotPermitted(
            f"This server does not serve {endpoint.name}: {', and '.join(rules)}. Nothing was sent.",
            next_step=f"Ask the operator of this server whether it may be started with {' and '.join(rules.values())}.",
        )

    def permits(self, endpoint: Endpoint) -> bool:
        """Say whether the endpoint may be listed and called."""
        return self.refusal(endpoint) is None
