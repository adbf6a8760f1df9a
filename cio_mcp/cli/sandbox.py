"""`cio-mcp sandbox`: a Customer.io on this machine, over HTTP."""

import argparse
import sys

import anyio

from cio_mcp.sandbox import Keys, World, create_app, serve

HOST = "127.0.0.1"


def run(arguments: argparse.Namespace) -> int:
    """Serve the sandbox until interrupted."""
    app = create_app(world=World() if arguments.empty else None, region=arguments.region)
    try:
        anyio.run(serve, app, HOST, arguments.port, lambda url: _say(url, Keys()))
    except OSError as error:
        sys.stderr.write(f"cio-mcp: port {arguments.port} cannot be used: {error.strerror}; choose another --port\n")
        return 1
    return 0


def _say(url: str, keys: Keys) -> None:
    sys.stdout.write(
        f"Customer.io sandbox at {url} (Ctrl-C stops it). To use it:\n"
        f"  export CUSTOMERIO_TRACK_URL={url} CUSTOMERIO_APP_URL={url}\n"
        f"  export CUSTOMERIO_SITE_ID={keys.site_id} CUSTOMERIO_TRACK_API_KEY={keys.track_api_key}\n"
        f"  export CUSTOMERIO_APP_API_KEY={keys.app_api_key}\n"
    )
    sys.stdout.flush()
