"""The words of permission, `area:permission` and `area:tool`, and what each covers."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from cio_mcp.catalog.endpoint import Endpoint

PERMISSIONS = ("read", "write", "send", "destructive")
"""What a tool can need."""
PERSONAL = "personal"
"""Not needed to call a tool: without it, personal data in results is masked."""
ANY = "*"


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A permission in an area, written `area:permission`; `*` stands for all of either.

    In a grants file the second word may also be a tool's name, which stands for all that the tool needs.
    """

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
        return self.names(endpoint.area, (endpoint.permission,))

    def names(self, area: str, words: Collection[str]) -> bool:
        """Say whether this names one of `words`, permissions or tools, in an area."""
        return self.area in (area, ANY) and (self.permission == ANY or self.permission in words)
