"""Makes what a server of several workspaces or agents is handed: all of them on one ledger, and who may reach which."""

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio
from starlette.routing import BaseRoute

from cio_mcp.agents import Agent
from cio_mcp.budgets import Budgets
from cio_mcp.cli.checked import policy_of_agent
from cio_mcp.cli.events import event_routes, events_of, receiver_of
from cio_mcp.cli.keeping import database_of, recording
from cio_mcp.cli.sharing import limits_shared
from cio_mcp.cli.wiring import Common, Site, only_site, wired_site
from cio_mcp.credentials import Credentials
from cio_mcp.faces import Face, Reception
from cio_mcp.ledger import Ledger, Unrecorded
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.observing import UNOBSERVED, Observer
from cio_mcp.pipeline import Pipeline
from cio_mcp.postgres import Database
from cio_mcp.settings import Settings, settings_for
from cio_mcp.webhooks.receiver import Receiver
from cio_mcp.webhooks.room import Room
from cio_mcp.workspaces import Entry, WorkspacesFile

RENEWED_EVERY = 60.0
"""Seconds after which a credential that was changed where it lies is in use, at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Everything that is served: the workspaces by name, who is shown what of them, and the record of all of it."""

    settings: Settings
    pipelines: Mapping[str, Pipeline]
    reception: Reception
    ledger: Ledger
    database: Database | None
    """Where servers on several machines keep it together."""
    receivers: Mapping[str, Receiver]
    """Of the workspaces whose events are received here."""
    depart: Callable[[], None]
    """Has calls answer what they know that wait for a person or an event; called on the event loop, more than once."""
    renew_now: Callable[[], None]
    """Has the credentials of all workspaces read anew at once, without waiting for it; called on the event loop."""

    @property
    def own_agent(self) -> Agent:
        """The agent that this process itself was started for; one that no file binds may reach every workspace."""
        bound = self.settings.workspaces.bound if self.settings.workspaces else {}
        name = self.settings.agent
        return Agent(name=name, is_proven=False, workspaces=bound.get(name, frozenset(self.pipelines)))

    @property
    def face(self) -> Face:
        """What that agent is shown."""
        return self.reception.face(self.own_agent)

    @property
    def budgets(self) -> Mapping[str, Budgets]:
        """What is left of the limits, by workspace."""
        return {name: pipeline.exchange.budgets for name, pipeline in self.pipelines.items()}

    @property
    def credentials(self) -> tuple[str, ...]:
        """The names of the credentials that any workspace has."""
        return tuple({name for each in self.pipelines.values() for name in each.exchange.credentials.names})

    @property
    def event_routes(self) -> list[BaseRoute]:
        """Where Customer.io posts its events."""
        return event_routes(self.receivers, several=self.settings.workspaces is not None)

    async def without_store(self) -> str:
        """Say why the record cannot be read, nothing if it can."""
        try:
            await self.ledger.unknown(self.settings.agent, limit=1)
        except Unrecorded as problem:
            return str(problem)
        return ""

    async def without_credentials(self) -> str:
        """Say which workspaces have no credential; Customer.io is not asked, which would cost its limits."""
        bare = [name for name, pipeline in self.pipelines.items() if not pipeline.exchange.credentials.names]
        return f"none for {', '.join(bare)}" if bare else ""

    def abandon(self) -> None:
        """Wait no longer for any answer of Customer.io, and send nothing more."""
        for pipeline in self.pipelines.values():
            pipeline.exchange.delivery.gateway.abandon()


@asynccontextmanager
async def team(settings: Settings, observer: Observer = UNOBSERVED) -> AsyncIterator[Team]:
    """Open every workspace that the settings name on one ledger, and close them again; raises SettingsError."""
    clock = SteadyClock()
    sites = list(sites_of(settings))
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(settings))
        record = await stack.enter_async_context(recording(settings, clock, database))
        common = Common(ledger=record, clock=clock, observer=observer)
        sharer = await stack.enter_async_context(limits_shared(settings))
        pipelines: dict[str, Pipeline] = {}
        receivers: dict[str, Receiver] = {}
        room = Room()
        for site in sites:
            events = await stack.enter_async_context(events_of(site.settings, workspace=site.name, database=database))
            pipeline = await stack.enter_async_context(wired_site(site, common, sharer=sharer, events=events))
            pipelines[site.name] = pipeline
            held = pipeline.exchange.credentials
            if events and (receiver := receiver_of(site.settings, events, held, room=room, observer=observer)):
                receivers[site.name] = receiver
        bound = settings.workspaces.bound if settings.workspaces else {}
        reception = Reception(pipelines, bound=bound, policy=partial(policy_of_agent, settings))
        renewal = Renewal([pipeline.exchange.credentials for pipeline in pipelines.values()])
        renewing = await stack.enter_async_context(anyio.create_task_group())
        renewing.start_soon(renewal.run)
        yield Team(
            settings=settings,
            pipelines=pipelines,
            reception=reception,
            ledger=record,
            database=database,
            receivers=receivers,
            depart=common.departure.begin,
            renew_now=renewal.soon,
        )
        renewing.cancel_scope.cancel()


def sites_of(settings: Settings) -> Iterable[Site]:
    """Yield every workspace that the settings name; raises SettingsError if one cannot be read."""
    if settings.workspaces is None:
        yield only_site(settings)
        return
    for entry in settings.workspaces.entries:
        yield site_of(settings.workspaces, entry, settings)


def site_of(file: WorkspacesFile, entry: Entry, settings: Settings) -> Site:
    """Return one workspace of a file; raises SettingsError if its settings cannot be read."""
    read = partial(settings_for, entry, settings, os.environ, origin=file.origin)
    place = f"{file.origin}, workspaces.{entry.name}"
    return Site(
        settings=read(),
        name=entry.name,
        reread=None if settings.sandbox else read,
        named=partial(_named, place),
    )


def _named(place: str, variable: str) -> str:
    return f"{variable.removeprefix('CUSTOMERIO_').lower()} in {place}"


class Renewal:
    """Reads the credentials of workspaces anew, from time to time and whenever it is told to."""

    def __init__(self, credentials: Iterable[Credentials]) -> None:
        self._credentials = tuple(credentials)
        self._wanted = anyio.Event()

    def soon(self) -> None:
        """Have them read as soon as can be; what is being read just now may not be the newest, and is read again."""
        self._wanted.set()

    async def run(self) -> None:
        """Do so until cancelled."""
        while True:
            with anyio.move_on_after(RENEWED_EVERY):
                await self._wanted.wait()
            self._wanted = anyio.Event()
            for credentials in self._credentials:
                await credentials.renew()
