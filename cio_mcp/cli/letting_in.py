"""What the head of an answer over HTTP tells of a call, where it is no result: who refused it, and whether it began."""

import json
import re
from http import HTTPStatus
from typing import Any

import anyio
import httpx2

from cio_mcp.errors import CioError, InvalidArguments, NotPermitted, Unavailable
from cio_mcp.scrub import one_line

_RESULTS = ("application/json", "text/event-stream")
"""In which a call is answered (MCP specification 2025-11-25, "Transports", Sending Messages to the Server, 5)."""
_SCOPE = re.compile(r'scope="([a-z_*: ]{1,200})"')
_NOBODY_HOME = "there is no MCP server at that address: is its path right (/mcp), and its name?"


class TurnedAway(Exception):
    """The server at a URL does not let the caller in."""


class NotTaken(Exception):
    """The call was not taken up, and nothing was sent; `error` says why."""

    def __init__(self, error: CioError) -> None:
        super().__init__(error.message)
        self.error = error


class Unanswered(Exception):
    """Something came in place of the server's answer, so that this tells nothing of the call; the text says what."""


async def let_in(begun: anyio.Event, response: httpx2.Response) -> None:
    """Stop at an answer that no call can mend, or that holds no result; `begun` is set once a call may have left.

    What it says besides is the server's own business.
    """
    is_call = _is_call(response.request)
    match response.status_code:
        case 401:
            raise TurnedAway("the server does not know you: set CIO_MCP_TOKEN to a token of it (cio-mcp token create)")
        case 403 if needed := _SCOPE.search(response.headers.get("www-authenticate", "")):
            raise NotTaken(_not_carried(needed[1]))
        case 403:
            raise TurnedAway("the server refuses this address")
        case 404 | 405 | 421:
            raise TurnedAway(_NOBODY_HOME)
        case 413:
            raise NotTaken(_too_large())
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # What is refused beside a call, which may be under way, says nothing of it.
            if (is_call or not begun.is_set()) and (said := await _put_off(response)):
                raise NotTaken(_busy(said))
            raise Unanswered(f"answered {status}")
        case status if is_call and response.is_client_error and not await _error_in(response):
            raise TurnedAway(f"the call was refused with {status} by something before the server; nothing was sent")
    holds_result = _media_type(response) in _RESULTS and response.status_code != HTTPStatus.ACCEPTED
    if is_call and response.is_success and not holds_result:
        raise Unanswered(f"answered {response.status_code}, but not as MCP has it,")


def _is_call(request: httpx2.Request) -> bool:
    return request.method == "POST" and json.loads(request.content).get("method") == "tools/call"


async def _put_off(response: httpx2.Response) -> str | None:
    """Return what the server says of a request that it has not taken up: it alone names a time to come again.

    Of those who may answer in its place, nginx names none; and who does has no error of JSON-RPC.
    """
    return await _error_in(response) if "retry-after" in response.headers else None


async def _error_in(response: httpx2.Response) -> str | None:
    """Return the text of an error of JSON-RPC."""
    if _media_type(response) != "application/json":
        return None
    try:
        said: Any = json.loads(await response.aread())
    except ValueError:
        return None
    match said:
        case {"jsonrpc": "2.0", "error": {"message": str(message)}}:
            return one_line(message, 200)
    return None


def _media_type(response: httpx2.Response) -> str:
    given: str = response.headers.get("content-type", "")
    return given.partition(";")[0].strip().lower()


def _not_carried(scope: str) -> NotPermitted:
    words = ",".join(scope.split())
    return NotPermitted(
        f"The token does not carry {words}.", next_step=f"Ask the operator for a token made with --grant {words}."
    )


def _too_large() -> InvalidArguments:
    return InvalidArguments(
        "The arguments are larger than the server takes in one request (413). Nothing was sent.",
        next_step="Send less at once, in several calls.",
    )


def _busy(said: str) -> Unavailable:
    return Unavailable(
        f"The server did not take the call up: {said}. Nothing was sent.", next_step="Call again in a few seconds."
    )
