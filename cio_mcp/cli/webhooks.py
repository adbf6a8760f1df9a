"""`cio-mcp webhooks serve`: receive Customer.io's events, and nothing else."""

import argparse
import os
from collections.abc import Callable, Collection
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
from cio_mcp.settings import MEMORY, Settings, SettingsError, add_flags, flags_given, load, with_login
from cio_mcp.telemetry.spool import run_spooled
from cio_mcp.transports.http import serve_routes
from cio_mcp.webhooks.receiver import Receiver
from cio_mcp.webhooks.room import Room
from cio_mcp.webhooks.setup import KEY_SETTING, path_of
from cio_mcp.webhooks.store import EventStore, EventsUnavailable

_MEANT_HERE = frozenset({
    "sandbox", "workspaces", "ledger", "store", "webhook_max_age", "webhook_max_ahead", "events_days",
    "events_megabytes", "log_level", "log_format", "metrics",
})  # fmt: skip
"""Settings that mean something to whoever only receives; variables are often shared with a server, flags are not."""
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
    add_flags(command, shown=_MEANT_HERE)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    flags = flags_given(arguments)
    _refuse_idle(flags)
    settings = load(os.environ, flags)
    log_to_stderr(settings.log_level, settings.log_format)
    settings = with_login(settings, os.environ)  # a server goes by it too, and both must mean the same workspace
    if settings.ledger == MEMORY:
        raise SettingsError("--ledger memory would lose every event, and no other process could read them")
    return run_spooled(partial(anyio.run, _serve, settings, *arguments.listen))


def _refuse_idle(flags: Collection[str]) -> None:
    """Refuse flags that would do nothing here, above all those that somebody may take for a protection."""
    idle = [f"--{name.replace('_', '-')}" for name in flags if name not in _MEANT_HERE]
    if idle:
        raise SettingsError(f"{', '.join(idle)}: events are received without it; leave that out, or give it to serve")


async def _serve(settings: Settings, host: str, port: int) -> int:
    receivers: dict[str, Receiver] = {}
    held: list[Credentials] = []
    room = Room()
    async with AsyncExitStack() as stack:
        watch = await stack.enter_async_context(watching(settings, logs_calls=False))
        database = await stack.enter_async_context(database_of(settings))
        for site in sites_of(settings):
            if site.settings.webhook_signing_key is None:
                continue
            _check_known(site.settings)
            store = await stack.enter_async_context(events_of(site.settings, workspace=site.name, database=database))
            held.append(Credentials(site.settings, reread=site.reread, workspace=site.name))
            if store and (receiver := receiver_of(site.settings, store, held[-1], room=room, observer=watch.observer)):
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
    stores = {f"events of {name}": receiver.intake.store for name, receiver in receivers.items()}
    path = path_of(f"{{{','.join(receivers)}}}" if several else None)
    try:
        for store in stores.values():
            await store.standing()  # a store that cannot be used is told now, not with the first event
        await serve_routes(
            routes,
            host=host,
            port=port,
            checks={name: partial(_unavailable, store) for name, store in stores.items()},
            ready=lambda url: _announce(url + path),
            on_hangup=on_hangup,
        )
    except EventsUnavailable as problem:
        raise SettingsError(str(problem)) from None
    except ValueError as error:
        raise SettingsError(f"--listen: {error}") from None
    except OSError as error:
        raise SettingsError(f"--listen: {host}:{port} cannot be used ({os.strerror(error.errno or 0)})") from None


async def _unavailable(store: EventStore) -> str:
    """Say why events cannot be kept, nothing if they can."""
    try:
        await store.standing()
    except EventsUnavailable as problem:
        return str(problem)
    return ""


def _announce(where: str) -> None:
    say(f"cio-mcp receives Customer.io's events at {where}")
