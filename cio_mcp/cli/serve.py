"""`cio-mcp serve`: the MCP server, over stdio or streamable HTTP."""

import argparse
import gc
import os
import sys

import anyio

from cio_mcp.cli.wiring import log_to_stderr, settings_of, workspace
from cio_mcp.server import build_server
from cio_mcp.settings import Settings, SettingsError, flags_given, strangers
from cio_mcp.transports import serve_http, serve_stdio


def run(arguments: argparse.Namespace) -> int:
    """Serve until the client is gone or a signal comes."""
    settings = settings_of(flags_given(arguments))
    log = log_to_stderr(settings.log_level)
    if settings.sandbox:
        log.info("sandbox: nothing leaves this machine")
    return anyio.run(_stdio, settings) if arguments.http is None else anyio.run(_http, settings, *arguments.http)


async def _stdio(settings: Settings) -> int:
    async with workspace(settings) as pipeline:
        _warn(settings, pipeline.exchange.credentials.names)
        if sys.stdin is not None and sys.stdin.isatty():
            _say(
                "cio-mcp: serving MCP over stdio and waiting for a client; Ctrl-C ends it, `cio-mcp --help` tells more"
            )
        server = build_server(pipeline)
        _settle_memory()
        return await serve_stdio(server, give_up=pipeline.exchange.delivery.gateway.abandon)


async def _http(settings: Settings, host: str, port: int) -> int:
    problem = ""
    async with workspace(settings) as pipeline:
        _warn(settings, pipeline.exchange.credentials.names)
        server = build_server(pipeline)
        _settle_memory()
        try:
            await serve_http(
                server,
                host=host,
                port=port,
                ready=lambda url: _say(f"cio-mcp serves MCP at {url}"),
                give_up=pipeline.exchange.delivery.gateway.abandon,
            )
        except ValueError as error:  # raised in here, either would come wrapped in exception groups
            problem = str(error)
        except OSError as error:
            problem = f"port {port} cannot be used ({os.strerror(error.errno or 0)}); choose another"
    if problem:
        raise SettingsError(f"--http: {problem}")
    return 0


def _settle_memory() -> None:
    """Keep the collector away from what lives as long as the process: its full runs cost tens of milliseconds.

    Nothing is collected first: that takes longer than the little there is would ever cost.
    """
    gc.freeze()


def _warn(settings: Settings, names: tuple[str, ...]) -> None:
    for name, meant in strangers(os.environ).items():
        _say(f"cio-mcp: {name} is no setting of this server (did you mean {meant}?)")
    if not names:
        _say("cio-mcp: no credential is set, so every call will say which one it needs; see `cio-mcp doctor`")
    if settings.service_account_token and settings.workspace_id is None:
        _say("cio-mcp: CUSTOMERIO_SERVICE_ACCOUNT_TOKEN also needs CUSTOMERIO_WORKSPACE_ID")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
