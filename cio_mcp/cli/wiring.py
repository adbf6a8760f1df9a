"""Makes the objects that everything else is handed."""

import difflib
import hashlib
import logging
import os
import random
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio
import httpx2
from ulid import ULID

from cio_mcp.budgets import Budgets, Sharing
from cio_mcp.catalog import CATALOG
from cio_mcp.clearance import Clearance
from cio_mcp.credentials import Credentials
from cio_mcp.delivery import Delivery, Effects
from cio_mcp.exchange import Exchange
from cio_mcp.gatekeeper import Gatekeeper
from cio_mcp.gateway import Gateway, new_client
from cio_mcp.ledger import Ledger, Unrecorded
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.ledger.late import LateLedger
from cio_mcp.ledger.place import ledger_path, stop_path
from cio_mcp.ledger.retention import Retention
from cio_mcp.ledger.schema import APPLICATION
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.limiter import SharedFile
from cio_mcp.native import rate_budget
from cio_mcp.operations import operation_tools
from cio_mcp.pipeline import Pipeline
from cio_mcp.policy import ANY, Policy
from cio_mcp.policy.options import policy_for
from cio_mcp.recollection import Recollection
from cio_mcp.secret import Secret
from cio_mcp.settings import MEMORY, OPTIONS, Settings, SettingsError, is_customer_io, load, source_of

SANDBOX_URL = "http://127.0.0.1"
"""Never connected to: with --sandbox, requests are answered in this process."""


HANDLE_BYTES = 24
"""Of a confirmation's handle: 192 bits cannot be guessed."""


class _Discreet(logging.Formatter):
    """Names the kind of an exception; its text and its traceback may hold what was sent."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return f"({ei[0].__name__})"


def log_to_stderr(level: str) -> logging.Logger:
    """Send our messages to standard error, and of libraries only what is wrong; return our logger."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Discreet("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # the HTTP client would log whole URLs, with people's addresses, at info
    ours = logging.getLogger("cio_mcp")
    ours.setLevel(level.upper())
    return ours


def settings_of(flags: Mapping[str, str]) -> Settings:
    """Read the settings of this process, and check that the areas named exist."""
    settings = load(os.environ, flags)
    named = {"areas": settings.areas or frozenset(), "grant": {grant.area for grant in settings.grant or ()} - {ANY}}
    known = sorted(area.name for area in CATALOG.areas)
    for option in OPTIONS:
        for area in sorted(named.get(option.name, set()) - set(known)):
            close = difflib.get_close_matches(area, known, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise SettingsError(
                f"{source_of(option, flags)} names an area that does not exist{hint}; the areas are {', '.join(known)}"
            )
    _check_that_something_is_served(settings)
    return settings


def _check_that_something_is_served(settings: Settings) -> None:
    """Refuse settings that leave no tool, and grants that permit none: somebody meant something else."""
    for grant in sorted(settings.grant or ()):
        if not any(grant.covers(endpoint) for endpoint in CATALOG.values()):
            has = sorted({endpoint.permission for endpoint in CATALOG.values() if endpoint.area == grant.area})
            raise SettingsError(
                f"--grant {grant}: no tool needs that; in {grant.area} the permissions are {', '.join(has)}"
            )
    policy = policy_of(settings)
    if not any(policy.permits(endpoint) for endpoint in CATALOG.values()):
        raise SettingsError(
            "--areas, --read-only, --grant and the grants file together leave no tool to serve: widen one of them"
        )


def policy_of(settings: Settings) -> Policy:
    """Return what the settings permit; raises SettingsError if they do not fit each other."""
    try:
        return policy_for(
            areas=settings.areas,
            read_only=settings.read_only,
            grants=settings.grant,
            file=settings.grants,
            agent=settings.agent,
            profile=settings.profile,
            test_recipients=settings.test_recipients,
        )
    except ValueError as error:
        raise SettingsError(str(error)) from None


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


@asynccontextmanager
async def workspace(settings: Settings, ledger: Ledger | None = None) -> AsyncIterator[Pipeline]:
    """Open everything that calls of one workspace need, and close it again."""
    clock = SteadyClock()
    async with wired(settings) as wiring, _recording(settings, clock, ledger) as record, AsyncExitStack() as stack:
        shared = None if ledger else _sharing(settings)
        if shared:
            stack.callback(shared.file.close)
        budgets = Budgets(settings.rates, shared=shared)
        effects = Effects(mint=lambda: str(ULID()), jitter=random.random)
        delivery = Delivery(budgets=budgets, gateway=wiring.gateway, effects=effects, stopped=record.stopped)
        credentials = Credentials(wiring.settings)
        exchange = Exchange(catalog=CATALOG, credentials=credentials, budgets=budgets, delivery=delivery)
        recollection = Recollection()
        operations = operation_tools(
            ledger=record,
            exchange=exchange,
            workspace=workspace_name(settings),
            now=clock.now,
            recollection=recollection,
        )
        native = (rate_budget(budgets), *operations)
        handle = partial(secrets.token_urlsafe, HANDLE_BYTES)
        gatekeeper = Gatekeeper(mode=settings.confirm, ledger=record, mint=handle, now=clock.now)
        yield Pipeline(
            catalog=CATALOG,
            policy=policy_of(settings),
            exchange=exchange,
            ledger=record,
            clearance=Clearance(exchange=exchange, gatekeeper=gatekeeper, workspace=workspace_name(settings)),
            now=clock.now,
            native={answered.tool.name: answered for answered in native},
            recollection=recollection,
            principal=settings.agent,
            workspace=workspace_name(settings),
            time_budget=settings.time_budget,
            result_tokens=settings.result_tokens,
            confirm_above=settings.confirm_above,
            repeat_window=settings.repeat_window,
            log=logging.getLogger("cio_mcp.calls"),
        )


@asynccontextmanager
async def _recording(settings: Settings, clock: SteadyClock, given: Ledger | None) -> AsyncIterator[Ledger]:
    record = given or open_ledger(settings, clock)
    try:
        yield record
    finally:
        if given is None:
            with anyio.CancelScope(shield=True):
                await record.aclose()


def open_ledger(settings: Settings, clock: SteadyClock) -> Ledger:
    """Open the ledger that the settings name; one that cannot be opened now is tried again with every call."""
    in_memory = settings.ledger == MEMORY or (settings.ledger is None and settings.sandbox)
    path = ledger_path(None if in_memory else settings.ledger)
    open_it = partial(
        SqliteLedger.open,
        None if in_memory else path,
        now=clock.now,
        boot=clock.boot,
        keep=Retention(days=settings.ledger_days, megabytes=settings.ledger_megabytes),
    )
    try:
        return open_it()
    except Unrecorded as problem:
        logging.getLogger("cio_mcp").warning("calls cannot be recorded, so nothing is written: %s", problem)
        return LateLedger(open_it, problem, stop_path(path))


def _sharing(settings: Settings) -> Sharing | None:
    """Return where processes share their limits: in the ledger's file, unless each has a Customer.io of its own."""
    if settings.sandbox or settings.ledger == MEMORY:
        return None
    keys = {
        "track": settings.track_api_key,
        "app": settings.app_api_key,
        "service_account": settings.service_account_token,
    }

    def account(credential: str) -> str:
        key = keys[credential]
        return _digest("account", key.reveal() if key else "")

    file = SharedFile(ledger_path(settings.ledger), application_id=APPLICATION)
    return Sharing(file=file, account=account)


def _digest(*parts: str) -> str:
    """Return twelve digits that are the same on every machine, and tell nothing of a key."""
    return hashlib.sha256(" ".join(("cio-mcp", *parts)).encode()).hexdigest()[:12]


def workspace_name(settings: Settings) -> str:
    """Return what stands for the workspace in records and plans: its number, or a digest that tells no key."""
    if settings.sandbox:
        return "sandbox"
    if settings.workspace_id is not None:
        return f"{settings.region}-{settings.workspace_id}"
    key = settings.site_id or settings.app_api_key or settings.service_account_token
    return f"{settings.region}-{_digest('workspace', key.reveal() if key else '')}"


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
