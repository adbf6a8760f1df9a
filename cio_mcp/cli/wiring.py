"""Makes the objects that everything else is handed."""

import difflib
import logging
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import httpx2
from ulid import ULID

from cio_mcp.budgets import Budgets
from cio_mcp.catalog import CATALOG
from cio_mcp.credentials import Credentials
from cio_mcp.delivery import Delivery, Effects
from cio_mcp.gateway import Gateway, new_client
from cio_mcp.ledger import Ledger, LogLedger, RecordHandler
from cio_mcp.pipeline import Pipeline
from cio_mcp.policy import ANY, Policy
from cio_mcp.secret import Secret
from cio_mcp.settings import OPTIONS, Settings, SettingsError, is_customer_io, load, source_of

SANDBOX_URL = "http://127.0.0.1"
"""Never connected to: with --sandbox, requests are answered in this process."""


class _Discreet(logging.Formatter):
    """Names the kind of an exception; its text and its traceback may hold what was sent."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return f"({ei[0].__name__})"


RECORDS = "cio_mcp.calls"


def log_to_stderr(level: str, *, records: bool = False) -> logging.Logger:
    """Send our messages to standard error, and of libraries only what is wrong; return our logger.

    With `records`, every call's record goes there too, whatever the level: it is all that tells who sent what.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Discreet("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # the HTTP client would log whole URLs, with people's addresses, at info
    calls = logging.getLogger(RECORDS)
    calls.handlers[:] = [RecordHandler(sys.stderr)] if records else []
    calls.propagate = False
    calls.setLevel(logging.INFO if records else logging.CRITICAL)
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
        raise SettingsError("--areas, --read-only and --grant together leave no tool to serve: widen one of them")


def policy_of(settings: Settings) -> Policy:
    """Return what the settings permit."""
    return Policy(areas=settings.areas, read_only=settings.read_only, grants=settings.grant)


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
    async with wired(settings) as wiring:
        budgets = Budgets(settings.rates)
        effects = Effects(mint=lambda: str(ULID()), jitter=random.random)
        yield Pipeline(
            catalog=CATALOG,
            policy=policy_of(settings),
            credentials=Credentials(wiring.settings),
            budgets=budgets,
            delivery=Delivery(budgets=budgets, gateway=wiring.gateway, effects=effects),
            ledger=ledger or LogLedger(logging.getLogger(RECORDS)),
            time_budget=settings.time_budget,
            result_tokens=settings.result_tokens,
        )


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
