"""The echo server over HTTP as a process: `http_server.py JSON`, whose members are what `serve_http` takes.

`limits` is an object, `authentication` a bearer token, `checks` a file: its check passes while it holds `ok`, fails
while it is missing, and hangs otherwise. `/greeting` is a route beside `/mcp`, `/broken` one that fails,
`/waiting` one that takes a second; with `alone` there is nothing but routes.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cio_mcp.transports import serve_http
from cio_mcp.transports.http import Limits, serve_routes
from tests.transports.echo_server import _say as say
from tests.transports.echo_server import build


def _guard(token: str) -> Callable[[ASGIApp], ASGIApp]:
    def around(app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if Request(scope).headers.get("authorization") == f"Bearer {token}":
                await app(scope, receive, send)
            else:
                await PlainTextResponse("who are you?", 401, {"WWW-Authenticate": "Bearer"})(scope, receive, send)

        return guarded

    return around


def _check(file: str) -> Callable[[], Any]:
    async def check() -> str:
        say("checked")
        if Path(file).read_text(encoding="utf-8") != "ok":  # noqa: ASYNC240 - a byte in the page cache
            await anyio.sleep(600)
        return ""

    return check


async def _greeting(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"hello, {len(await request.body())} bytes")


async def _waiting(_request: Request) -> PlainTextResponse:
    say("waiting")
    await anyio.sleep(1.0)
    return PlainTextResponse("waited")


async def _broken(_request: Request) -> PlainTextResponse:
    raise RuntimeError("canary-secret in an exception text")


def main() -> int:
    """Serve until told to stop."""
    given = json.loads(sys.argv[1])
    given["limits"] = Limits(**given.get("limits", {}))
    if "authentication" in given:
        given["authentication"] = _guard(given["authentication"])
    if "checks" in given:
        given["checks"] = {"canary-store": _check(given["checks"])}
    routes = [
        Route("/greeting", _greeting, methods=["GET", "POST"]),
        Route("/broken", _broken),
        Route("/waiting", _waiting),
    ]
    settings = {"host": "127.0.0.1", "port": 0, "ready": say} | given
    if settings.pop("alone", False):
        anyio.run(partial(serve_routes, routes, **settings))
    else:
        anyio.run(partial(serve_http, build(), routes=routes, **settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
