"""Makes the objects that everything else is handed."""

import logging
import random
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import httpx2
from ulid import ULID

from cio_mcp.budgets import Budgets
from cio_mcp.catalog import CATALOG
from cio_mcp.clearance import Clearance
from cio_mcp.cli.checked import policy_of
from cio_mcp.cli.events import delivery_tools, setup_of
from cio_mcp.cli.keeping import recording
from cio_mcp.cli.sharing import Sharer, limits_shared, unshared
from cio_mcp.credentials import Credentials
from cio_mcp.delivery import Delivery, Effects
from cio_mcp.exchange import Exchange
from cio_mcp.gatekeeper import Gatekeeper
from cio_mcp.gateway import Gateway, new_client
from cio_mcp.insight.tools import insight_tools
from cio_mcp.ledger import Ledger
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.native import Answered, rate_budget
from cio_mcp.observing import UNOBSERVED, Observer
from cio_mcp.operations import operation_tools
from cio_mcp.pipeline import Pipeline
from cio_mcp.policy import Policy
from cio_mcp.recollection import Recollection
from cio_mcp.secret import Secret, digest
from cio_mcp.settings import Settings, credentials_reread, is_customer_io
from cio_mcp.under_way import Departure
from cio_mcp.webhooks.store import EventStore

SANDBOX_URL = "http://127.0.0.1"
"""Never connected to: with --sandbox, requests are answered in this process."""


HANDLE_BYTES = 24
"""Of a confirmation's handle: 192 bits cannot be guessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """A way to Customer.io, or to the sandbox in its place, and the settings that fit it."""

    settings: Settings
    gateway: Gateway


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[Wiring]:
    """Open the way to Customer.io, and close it again."""
    async with AsyncExitStack() as stack:
        transport: httpx2.AsyncBaseTransport | None = None
        if settings.sandbox:
            settings, transport = await _sandboxed(settings, stack)
        loopback = not all(is_customer_io(url) for url in (settings.track_base, settings.app_base))
        gateway = Gateway(partial(new_client, transport, loopback=loopback))
        stack.push_async_callback(gateway.aclose)
        yield Wiring(settings=settings, gateway=gateway)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One workspace as it is wired: its settings, what stands for it in records, how its credentials are read anew.

    `named` says what an operator calls one of its variables.
    """

    settings: Settings
    name: str
    reread: Callable[[], Settings] | None = None
    named: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all workspaces of a server have in common: the record, its clock, and who watches."""

    ledger: Ledger
    clock: SteadyClock
    observer: Observer = UNOBSERVED
    departure: Departure = field(default_factory=Departure)


def only_site(settings: Settings) -> Site:
    """Return the one workspace whose credentials stand in the environment, or were stored."""
    elsewhere = (settings.credential_files or settings.login) and not settings.sandbox
    reread = partial(credentials_reread, settings) if elsewhere else None
    return Site(settings=settings, name=workspace_name(settings), reread=reread)


@asynccontextmanager
async def workspace(settings: Settings, ledger: Ledger | None = None) -> AsyncIterator[Pipeline]:
    """Open everything that calls of one workspace need, and close it again; a ledger that is given stays open."""
    clock = SteadyClock()
    async with AsyncExitStack() as stack:
        sharer: Sharer = unshared
        if ledger is None:
            ledger = await stack.enter_async_context(recording(settings, clock, None))
            sharer = await stack.enter_async_context(limits_shared(settings))
        yield await stack.enter_async_context(
            wired_site(only_site(settings), Common(ledger=ledger, clock=clock), sharer=sharer)
        )


@asynccontextmanager
async def wired_site(
    site: Site, common: Common, *, sharer: Sharer, events: EventStore | None = None
) -> AsyncIterator[Pipeline]:
    """Open what calls of a workspace need beside what is common: `sharer` says how its limits are shared."""
    record, clock, observer = common.ledger, common.clock, common.observer
    settings = site.settings
    async with wired(settings) as wiring:
        credentials = Credentials(wiring.settings, reread=site.reread, named=site.named, workspace=site.name)
        budgets = Budgets(settings.rates, shared=sharer(credentials.accounts))
        effects = Effects(mint=lambda: str(ULID()), jitter=random.random)
        delivery = Delivery(
            budgets=budgets,
            gateway=wiring.gateway,
            effects=effects,
            stopped=record.stopped,
            observer=observer,
            workspace=site.name,
        )
        exchange = Exchange(
            catalog=CATALOG,
            credentials=credentials,
            budgets=budgets,
            delivery=delivery,
            departure=common.departure,
        )
        recollection = Recollection()
        operations = operation_tools(
            ledger=record,
            exchange=exchange,
            workspace=site.name,
            now=clock.now,
            recollection=recollection,
        )
        own = (rate_budget(budgets), *operations)
        setup = partial(setup_of, settings, credentials, name=site.name, named=site.named)

        def natives(policy: Policy) -> Mapping[str, Answered]:
            told = delivery_tools(policy, events=events, exchange=exchange, settings=settings, setup=setup)
            insight = insight_tools(policy, exchange=exchange, result_tokens=settings.result_tokens, now=clock.now)
            return {answered.tool.name: answered for answered in (*own, *told, *insight)}

        policy = policy_of(settings)
        handle = partial(secrets.token_urlsafe, HANDLE_BYTES)
        gatekeeper = Gatekeeper(mode=settings.confirm, ledger=record, mint=handle, now=clock.now)
        yield Pipeline(
            catalog=CATALOG,
            policy=policy,
            exchange=exchange,
            ledger=record,
            clearance=Clearance(exchange=exchange, gatekeeper=gatekeeper, workspace=site.name),
            now=clock.now,
            native=natives(policy),
            natives=natives,
            recollection=recollection,
            principal=settings.agent,
            workspace=site.name,
            region=settings.region,
            time_budget=settings.time_budget,
            result_tokens=settings.result_tokens,
            confirm_above=settings.confirm_above,
            repeat_window=settings.repeat_window,
            log=logging.getLogger("cio_mcp.calls"),
            observer=observer,
        )


def workspace_name(settings: Settings) -> str:
    """Return what stands for the workspace in records and plans: its number, or a digest that tells no key."""
    if settings.sandbox:
        return "sandbox"
    if settings.workspace_id is not None:
        return f"{settings.region}-{settings.workspace_id}"
    key = settings.site_id or settings.app_api_key or settings.service_account_token
    return f"{settings.region}-{digest('workspace', key.reveal() if key else '')}"


async def _sandboxed(settings: Settings, stack: AsyncExitStack) -> tuple[Settings, httpx2.AsyncBaseTransport]:
    from cio_mcp.sandbox import InProcess, Keys, Limits, create_app  # noqa: PLC0415 - only those who use it pay for its import

    keys = Keys()
    # An account whose limits are those that the operator believes in.
    limits = Limits(**{bucket.value: (rate.limit, rate.window) for bucket, rate in settings.rates.items()})
    app = create_app(keys=keys, limits=limits, region=settings.region)
    await stack.enter_async_context(app.router.lifespan_context(app))
    inside = replace(
        settings,
        site_id=Secret(keys.site_id),
        track_api_key=Secret(keys.track_api_key),
        app_api_key=Secret(keys.app_api_key),
        service_account_token=None,
        workspace_id=None,
        track_url=SANDBOX_URL,
        app_url=SANDBOX_URL,
    )
    return inside, InProcess(app)
