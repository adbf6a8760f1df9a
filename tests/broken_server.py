"""`cio-mcp serve` with a fault of ours behind it, as a process of its own: every request raises what holds a key."""

import os
import sys
from dataclasses import replace
from functools import partial

import anyio
import httpx2

from cio_mcp.cli.checked import log_to_stderr
from cio_mcp.cli.wiring import workspace
from cio_mcp.gateway import Gateway, new_client
from cio_mcp.server import build_server
from cio_mcp.settings import load
from cio_mcp.transports import serve_stdio


class Broken(httpx2.AsyncBaseTransport):
    """A way to Customer.io that fails as nobody expects, with the key in the text."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Fail."""
        raise RuntimeError(f"canary-secret {request.headers['authorization']} {request.url}")


async def _served() -> int:
    settings = load(os.environ)
    log_to_stderr(settings.log_level)
    async with workspace(settings) as made:
        gateway = Gateway(partial(new_client, Broken()))
        delivery = replace(made.exchange.delivery, gateway=gateway)
        pipeline = replace(made, exchange=replace(made.exchange, delivery=delivery))
        try:
            return await serve_stdio(build_server(pipeline))
        finally:
            await gateway.aclose()


if __name__ == "__main__":
    sys.exit(anyio.run(_served))
