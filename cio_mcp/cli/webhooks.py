"""`cio-mcp webhooks serve`: receive Customer.io's events, and nothing else."""

import argparse
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import anyio

from cio_mcp.cli.beside import beside
from cio_mcp.cli.checked import log_to_stderr, say
from cio_mcp.cli.events import event_routes, events_of, receiver_of
from cio_mcp.cli.keeping import database_of
from cio_mcp.cli.parser import address
from cio_mcp.cli.team import Renewal, sites_of
from cio_mcp.cli.watching import watching
from cio_mcp.credentials import Credentials
from cio_mcp.settings import MEMORY, Settings, SettingsError, add_flags, flags_given, load
from cio_mcp.telemetry.spool import run_spooled
from cio_mcp.transports.http import serve_routes
from cio_mcp.webhooks.receiver import Receiver
from cio_mcp.webhooks.setup import KEY_SETTING, PATH
from cio_mcp.webhooks.store import EventsUnavailable

WHERE = "Data & Integrations, Integrations, Reporting Webhooks"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what to do, where to listen, and the settings."""
    command.add_argument("action", metavar="serve", choices=("serve",), help="receive events until stopped")
    command.add_argument(
        "--listen",
        metavar="[HOST:]PORT",
        type=address,
        default=("127.0.0.1", 8026),
        help="where to listen (default: 127.0.0.1:8026). Any address will do, for every request is signed; Customer.io "
        "must reach it, by https best",
    )
    add_flags(command)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    settings = load(os.environ, flags_given(arguments))
    log_to_stderr(settings.log_level, settings.log_format)
    if settings.ledger == MEMORY:
        raise SettingsError("--ledger memory would lose every event, and no other process could read them")
    return run_spooled(partial(anyio.run, _serve, settings, *arguments.listen))


async def _serve(settings: Settings, host: str, port: int) -> int:
    receivers: dict[str, Receiver] = {}
    held: list[Credentials] = []
    async with AsyncExitStack() as stack:
        watch = await stack.enter_async_context(watching(settings, logs_calls=False))
        database = await stack.enter_async_context(database_of(settings))
        for site in sites_of(settings):
            if site.settings.webhook_signing_key is None:
                continue
            _check_known(site.settings)
            store = await stack.enter_async_context(events_of(site.settings, workspace=site.name, database=database))
            held.append(Credentials(site.settings, reread=site.reread, workspace=site.name))
            if store and (receiver := receiver_of(site.settings, store, held[-1], watch.observer)):
                receivers[site.name] = receiver
        if not receivers:
            raise SettingsError(
                f"{KEY_SETTING} is not set, and without it anybody could write events: Customer.io shows the key under "
                f"{WHERE}"
            )
        renewal = Renewal(held)
        async with beside(renewal.run):
            several = settings.workspaces is not None
            await _received(receivers, host, port, several=several, on_hangup=renewal.soon)
    return 0


def _check_known(settings: Settings) -> None:
    """See that it can be told whose events these are."""
    if not (settings.sandbox or settings.workspace_id or settings.site_id or settings.app_api_key):
        raise SettingsError(
            "it cannot be told whose events these are: set what the server has, its credentials or "
            "CUSTOMERIO_WORKSPACE_ID, so that both mean the same workspace"
        )


async def _received(
    receivers: dict[str, Receiver], host: str, port: int, *, several: bool, on_hangup: Callable[[], None]
) -> None:
    routes = event_routes(receivers, several=several)
    checks = {f"events of {name}": receiver.intake.store.standing for name, receiver in receivers.items()}
    path = f"{PATH}/{{{','.join(receivers)}}}" if several else PATH
    try:
        for check in checks.values():
            await check()  # a store that cannot be used is told now, not with the first event
        await serve_routes(
            routes,
            host=host,
            port=port,
            checks=checks,
            ready=lambda url: _announce(url + path),
            on_hangup=on_hangup,
        )
    except EventsUnavailable as problem:
        raise SettingsError(str(problem)) from None
    except ValueError as error:
        raise SettingsError(f"--listen: {error}") from None
    except OSError as error:
        raise SettingsError(f"--listen: {host}:{port} cannot be used ({os.strerror(error.errno or 0)})") from None


def _announce(where: str) -> None:
    say(f"cio-mcp receives Customer.io's events at {where}")
