"""What this server tells of itself to whoever needs a token for it (RFC 9728)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cio_mcp.agents.urls import checked

WELL_KNOWN = "/.well-known/oauth-protected-resource"
"""RFC 9728, section 3."""
_PUBLIC = {
    # A client in a browser reads it from a page of its own; there is nothing in it that is not for everybody.
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "MCP-Protocol-Version",
    "Cache-Control": "public, max-age=300",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedResource:
    """This server as a resource of OAuth.

    `url` is that of the MCP endpoint, as clients write it: what tokens must be made out for. `issuers` are those whose
    tokens are accepted, `scopes` those a client asks for at first (the rest follows with a challenge), `name` is shown
    to people. Raises `ValueError` for a URL that is neither https nor on a loopback address, or has no path.
    """

    url: str
    issuers: Sequence[str]
    scopes: Sequence[str]
    name: str = "cio-mcp"

    def __post_init__(self) -> None:
        if not checked(self.url).path.strip("/"):
            # Clients and issuers disagree whether the bare name of a host ends in a slash, and audiences are compared.
            raise ValueError("must be the URL of the MCP endpoint with its path, as https://mcp.example.com/mcp")

    @property
    def metadata_url(self) -> str:
        """Where the metadata lies: the well-known part comes before the path (RFC 9728, section 3.1)."""
        parts = checked(self.url)
        return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path}"

    def document(self) -> dict[str, Any]:
        """Return the metadata (RFC 9728, section 2), without an empty list of scopes (section 3.2)."""
        return {
            "resource": self.url,
            "authorization_servers": list(self.issuers),
            **({"scopes_supported": list(self.scopes)} if self.scopes else {}),
            "bearer_methods_supported": ["header"],
            "resource_name": self.name,
        }

    def routes(self) -> list[Route]:
        """Return where the metadata is served: with the endpoint's path, and without, where some clients look."""
        paths = (WELL_KNOWN, WELL_KNOWN + checked(self.url).path)
        return [Route(path, self._answer, methods=["GET", "HEAD", "OPTIONS"]) for path in paths]

    async def _answer(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_PUBLIC)
        return JSONResponse(self.document(), headers=_PUBLIC)
