"""Where the events of a workspace are kept, who receives them, and who tells of them: made from what was set."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio
from starlette.routing import BaseRoute, Route

from cio_mcp.cli.beside import beside
from cio_mcp.credentials import Credentials
from cio_mcp.exchange import Exchange
from cio_mcp.ledger.place import ledger_path
from cio_mcp.native import Answered
from cio_mcp.observing import UNOBSERVED, Observer
from cio_mcp.policy import Policy
from cio_mcp.postgres import Database
from cio_mcp.settings import Settings
from cio_mcp.webhooks.intake import Intake
from cio_mcp.webhooks.postgres import PostgresEvents
from cio_mcp.webhooks.receiver import Receiver
from cio_mcp.webhooks.room import Room
from cio_mcp.webhooks.setup import KEY_SETTING, Setup, path_of
from cio_mcp.webhooks.signature import Window
from cio_mcp.webhooks.sqlite import SqliteEvents, events_path
from cio_mcp.webhooks.store import EventStore, EventsUnavailable, Retention
from cio_mcp.webhooks.tools import webhook_tools

TENDED_EVERY = 600.0
"""Seconds between two looks for what is too old: events go when their time has come, whether others come or not."""


@asynccontextmanager
async def events_of(
    settings: Settings, *, workspace: str, database: Database | None, tended_every: float = TENDED_EVERY
) -> AsyncIterator[EventStore | None]:
    """Open the store of a workspace's events, and tend to it; None where none are received and none were.

    With a database they lie there, else beside the ledger. Without a signing key a file is still read if there is
    one: another process may receive.
    """
    store = _store(settings, workspace, database)
    if store is None:
        yield None
        return
    try:
        async with beside(partial(_tend, store, tended_every)):
            yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.aclose()


async def _tend(store: EventStore, every: float) -> None:
    while True:
        await anyio.sleep(every)
        with suppress(EventsUnavailable):  # whoever uses it is told so; what is too old goes another time
            await store.prune()


def _store(settings: Settings, workspace: str, database: Database | None) -> EventStore | None:
    keep = Retention(days=settings.events_days, megabytes=settings.events_megabytes)
    if database is not None:
        return PostgresEvents(database, workspace=workspace, keep=keep)
    path = None if settings.ledger_in_memory else events_path(ledger_path(settings.ledger))
    if settings.webhook_signing_key is None and (path is None or not path.exists()):
        return None
    return SqliteEvents(path, workspace=workspace, keep=keep, now=time.time)


def receiver_of(
    settings: Settings, store: EventStore, credentials: Credentials, *, room: Room, observer: Observer = UNOBSERVED
) -> Receiver | None:
    """Return what answers Customer.io, by the signing keys that the credentials hold then; None without one.

    All receivers of a process share one `room`.
    """
    if settings.webhook_signing_key is None:
        return None
    window = Window(past=settings.webhook_max_age, ahead=settings.webhook_max_ahead)
    return Receiver(
        intake=Intake(store=store),
        keys=credentials.signing_keys,
        window=window,
        now=time.time,
        observer=observer,
        room=room,
    )


def event_routes(receivers: Mapping[str, Receiver], *, several: bool) -> list[BaseRoute]:
    """Return where Customer.io posts its events: with several workspaces, each has a path of its own."""
    return [Route(path_of(name if several else None), receiver) for name, receiver in receivers.items()]


def delivery_tools(
    policy: Policy, *, events: EventStore | None, exchange: Exchange, settings: Settings, setup: Callable[[], Setup]
) -> tuple[Answered, ...]:
    """Return the tools that tell what became of messages, for whoever a policy is made for."""
    return webhook_tools(
        policy,
        events=events,
        exchange=exchange,
        result_tokens=settings.result_tokens,
        setup=setup,
        now=time.time,
    )


def setup_of(settings: Settings, credentials: Credentials, *, name: str, named: Callable[[str], str] | None) -> Setup:
    """Return what is set up for the workspace of a name now; `named` says what an operator calls a variable."""
    return Setup(
        url=settings.webhook_url,
        keys=len(credentials.signing_keys()) if settings.webhook_signing_key else 0,  # see `receiver_of`
        path=path_of(name if settings.workspaces else None),
        key_setting=named(KEY_SETTING) if named else KEY_SETTING,
    )
