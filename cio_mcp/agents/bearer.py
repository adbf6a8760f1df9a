"""Pure: the bearer token in a request's head, and the challenges that answer for a missing one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from mcp import types
from starlette.responses import Response
from starlette.types import Scope

HEADER = b"authorization"
_QUERY = "access_token"  # RFC 6750, section 2.3; the MCP specification, "Access Token Usage", forbids it
_MOST_QUERY_FIELDS = 100
_SCHEME = re.compile(r"bearer(?: +|$)", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750, section 2.1: b64token


class MalformedCredentials(Exception):
    """A request that shows its token in more than one way, or in one that is not allowed."""


def token_of(scope: Scope) -> str | None:
    """Return the bearer token in a request's header, None if it has none; "" stands for one that cannot be read.

    Raises `MalformedCredentials` for two Authorization headers, since proxy and server might each read another, and
    for a token in the query, which ends up in logs on its way.
    """
    try:
        fields = parse_qsl(scope.get("query_string", b"").decode("latin-1"), True, max_num_fields=_MOST_QUERY_FIELDS)
    except ValueError:
        raise MalformedCredentials("The query has too many fields") from None
    if any(name == _QUERY for name, _ in fields):
        raise MalformedCredentials("A token belongs into the Authorization header, not into the query")
    values = [value for name, value in scope["headers"] if name == HEADER]
    if len(values) > 1:
        raise MalformedCredentials("There is more than one Authorization header")
    if not values:
        return None
    text = values[0].decode("latin-1")
    if not (scheme := _SCHEME.match(text)):
        return None
    return text[scheme.end() :] if _TOKEN.fullmatch(text, scheme.end()) else ""


def without_token(scope: Scope) -> Scope:
    """Return a request's scope without its Authorization header: nothing further in can pass the token on."""
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != HEADER]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """The answer to a request that needs a token, or a better one (RFC 6750, section 3).

    `metadata_url` tells an OAuth client where to learn who issues tokens, and is left out where nobody does. The body
    is a JSON-RPC error, since that is what an MCP client shows.
    """

    status: int
    message: str
    error: str | None = None
    scopes: Sequence[str] = ()
    metadata_url: str | None = None
    request_id: types.RequestId | None = None

    @property
    def header(self) -> str:
        """Return the value of WWW-Authenticate."""
        stated = {
            "error": self.error,
            "scope": " ".join(self.scopes) or None,
            "resource_metadata": self.metadata_url,  # RFC 9728, section 5.1
        }
        return ", ".join(f'{name}="{value}"' for name, value in stated.items() if value).join(("Bearer ", "")).strip()

    def response(self) -> Response:
        """Return the HTTP response."""
        return refusal(self.status, self.message, request_id=self.request_id, headers={"WWW-Authenticate": self.header})


def refusal(
    status: int, message: str, *, headers: dict[str, str], request_id: types.RequestId | None = None
) -> Response:
    """Return an HTTP response whose body is a JSON-RPC error."""
    error = types.ErrorData(code=types.INVALID_REQUEST, message=message)
    body = types.JSONRPCError(jsonrpc="2.0", id=request_id, error=error).model_dump_json(exclude_unset=True)
    return Response(body, status, headers={**headers, "Cache-Control": "no-store"}, media_type="application/json")
