"""`cio-mcp serve`: the MCP server, over stdio or streamable HTTP."""

import argparse
import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio

from cio_mcp.cli.checked import log_to_stderr, say, settings_of
from cio_mcp.cli.team import Team, team
from cio_mcp.cli.watching import watching
from cio_mcp.server import server_for, server_of
from cio_mcp.settings import Settings, SettingsError, flags_given, strangers, with_login
from cio_mcp.telemetry.spool import run_spooled
from cio_mcp.transports import serve_http, serve_stdio


def run(arguments: argparse.Namespace) -> int:
    """Serve until the client is gone or a signal comes."""
    settings = settings_of(flags_given(arguments))
    log = log_to_stderr(settings.log_level, settings.log_format)
    settings = with_login(settings, os.environ)
    if settings.sandbox:
        log.info("sandbox: nothing leaves this machine")
    serve = partial(_stdio, settings) if arguments.http is None else partial(_http, settings, *arguments.http)
    gc.disable()  # until memory is settled: what is made by then stays as long as the process, too
    try:
        return run_spooled(partial(anyio.run, serve))
    finally:
        gc.enable()


async def _stdio(settings: Settings) -> int:
    async with (
        watching(settings, logs_calls=False) as watch,
        team(settings, watch.observer) as served,
        _console(settings, served),
    ):
        watch.budgets.update(served.budgets)
        _warn(settings, served.credentials)
        if settings.auth:
            say("cio-mcp: --auth is for --http: over stdio nobody is asked who they are")
        if sys.stdin is not None and sys.stdin.isatty():
            say("cio-mcp: serving MCP over stdio and waiting for a client; Ctrl-C ends it, `cio-mcp --help` tells more")
        server = server_of(served.face, watch.observer)
        _settle_memory()
        return await serve_stdio(server, depart=served.depart, give_up=served.abandon, on_hangup=served.renew_now)


async def _http(settings: Settings, host: str, port: int) -> int:
    from cio_mcp.cli.doorway import doorway  # noqa: PLC0415 - what proves agents is not loaded over stdio

    async with (
        watching(settings, logs_calls=True) as watch,
        team(settings, watch.observer) as served,
        _console(settings, served),
        doorway(settings, served) as door,
    ):
        watch.budgets.update(served.budgets)
        _warn(settings, served.credentials)
        _settle_memory()
        try:
            await serve_http(
                server_for(door.face, is_shared=False, observer=watch.observer)
                if door
                else server_of(served.face, watch.observer),
                host=host,
                port=port,
                authentication=door.guard if door else None,
                insecure_loopback=settings.insecure_loopback,
                allowed_hosts=settings.allowed_hosts,
                allowed_origins=settings.allowed_origins,
                sessions=settings.sessions,
                routes=door.routes if door else (),
                proving=served.event_routes,
                checks={"store": served.without_store, "credentials": served.without_credentials},
                ready=lambda url: say(f"cio-mcp serves MCP at {url}"),
                depart=served.depart,
                give_up=served.abandon,
                on_hangup=served.renew_now,
            )
        except ValueError as error:
            raise SettingsError(f"--http: {error}; see --auth, --allowed-hosts and --allowed-origins") from None
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise SettingsError(f"--http: port {port} cannot be used ({reason}); choose another") from None
    return 0


@asynccontextmanager
async def _console(settings: Settings, served: Team) -> AsyncIterator[None]:
    """Show the operator's page beside the server, if it is wanted."""
    if settings.console is None:
        yield
        return
    from cio_mcp.cli.console import console  # noqa: PLC0415 - what serves HTTP is not loaded where nothing is shown

    async with console(settings, served, *settings.console):
        yield


def _settle_memory() -> None:
    """Keep the collector away from what lives as long as the process: its full runs cost tens of milliseconds.

    Nothing is collected first: that takes longer than the little there is would ever cost.
    """
    gc.freeze()
    gc.enable()


def _warn(settings: Settings, names: tuple[str, ...]) -> None:
    for name, meant in strangers(os.environ).items():
        say(f"cio-mcp: {name} is no setting of this server (did you mean {meant}?)")
    if not names:
        say("cio-mcp: no credential is set, so every call will say which one it needs; see `cio-mcp doctor`")
    if settings.service_account_token and settings.workspace_id is None:
        say("cio-mcp: CUSTOMERIO_SERVICE_ACCOUNT_TOKEN also needs CUSTOMERIO_WORKSPACE_ID")
