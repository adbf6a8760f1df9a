"""`cio-mcp sandbox`: a Customer.io on this machine, over HTTP."""

import argparse
import sys
from contextlib import suppress

import anyio

from cio_mcp.cli.parser import LOOPBACK
from cio_mcp.sandbox import Keys, World, create_app, serve


def run(arguments: argparse.Namespace) -> int:
    """Serve the sandbox until interrupted."""
    app = create_app(world=World() if arguments.empty else None, region=arguments.region)
    try:
        anyio.run(serve, app, LOOPBACK, arguments.port, lambda url: _say(url, arguments.region, Keys()))
    except OSError as error:
        sys.stderr.write(f"cio-mcp: port {arguments.port} cannot be used: {error.strerror}; choose another --port\n")
        return 1
    return 0


def _say(url: str, region: str, keys: Keys) -> None:
    with suppress(BrokenPipeError):  # nobody reads it, which is no reason not to serve
        sys.stdout.write(
            f"Customer.io sandbox at {url} (Ctrl-C stops it). To use it:\n"
            f"  export CUSTOMERIO_TRACK_URL={url} CUSTOMERIO_APP_URL={url}\n"
            f"  export CUSTOMERIO_SITE_ID={keys.site_id} CUSTOMERIO_TRACK_API_KEY={keys.track_api_key}\n"
            f"  export CUSTOMERIO_APP_API_KEY={keys.app_api_key} CUSTOMERIO_REGION={region}\n"
        )
        sys.stdout.flush()
