"""The same endpoints as fastmcp serves them from an OpenAPI document.

    python benchmarks/peers/fastmcp_server.py document.json             # a client that is never used
    python benchmarks/peers/fastmcp_server.py document.json --sandbox   # calls are answered in this process
    python benchmarks/peers/fastmcp_server.py document.json --http      # stateless, JSON, the URL on standard error

The HTTP client is given the right credential by path, as an author of such a server would have to.
"""

import argparse
import json
import socket
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import uvicorn
from fastmcp import FastMCP

NOWHERE = "http://127.0.0.1"


class KeyByPath(httpx2.Auth):
    """Basic for the Track API, Bearer for the App API (Customer.io API references, "Authentication")."""

    def __init__(self, *, site_id: str, track_api_key: str, app_api_key: str) -> None:
        self._track = "Basic " + b64encode(f"{site_id}:{track_api_key}".encode()).decode()
        self._app = f"Bearer {app_api_key}"

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the header."""
        request.headers["Authorization"] = self._track if request.url.path.startswith("/api/") else self._app
        yield request


@asynccontextmanager
async def sandboxed() -> AsyncIterator[httpx2.AsyncClient]:
    """Open a client whose requests are answered by a sandbox without limits in this process."""
    from cio_mcp.sandbox import InProcess, Keys, Limits, create_app  # noqa: PLC0415 - without it, its import is not to be paid

    keys = Keys()
    app = create_app(keys=keys, limits=Limits(app=None, email=None, transactional=None, broadcast=None, track=None))
    auth = KeyByPath(site_id=keys.site_id, track_api_key=keys.track_api_key, app_api_key=keys.app_api_key)
    transport = InProcess(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=NOWHERE, auth=auth) as client,
    ):
        yield client


async def serve(document: dict[str, Any], *, sandbox: bool, over_http: bool) -> None:
    """Serve until standard input ends, or over HTTP until a signal comes."""
    async with sandboxed() if sandbox else httpx2.AsyncClient(base_url=NOWHERE) as client:
        server: FastMCP[Any] = FastMCP.from_openapi(document, client, name="fastmcp")
        await (serve_http(server) if over_http else server.run_stdio_async(show_banner=False))


async def serve_http(server: FastMCP[Any]) -> None:
    """Serve fastmcp's application on the same uvicorn as its peers."""
    app = server.http_app(path="/mcp", json_response=True, stateless_http=True)
    config = uvicorn.Config(app, http="h11", loop="asyncio", access_log=False, log_level="error")
    # With the protocol's number asyncio sends without delay, as it does on sockets of its own.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", file=sys.stderr, flush=True)
        await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document", type=Path, metavar="FILE", help="an OpenAPI document as JSON")
    parser.add_argument("--sandbox", action="store_true", help="answer calls from a sandbox in this process")
    parser.add_argument("--http", action="store_true", help="serve over HTTP")
    options = parser.parse_args()

    async def run() -> None:
        await serve(json.loads(options.document.read_bytes()), sandbox=options.sandbox, over_http=options.http)

    anyio.run(run)


if __name__ == "__main__":
    main()
