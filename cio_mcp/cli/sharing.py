"""Through what the processes that serve one account keep to its limits together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from cio_mcp.budgets import Accounts, EngineSharing, OwnSharing, Shares, Sharing
from cio_mcp.ledger.place import ledger_path
from cio_mcp.ledger.schema import APPLICATION
from cio_mcp.limiter import EngineLink, SharedFile, WindowLimiter
from cio_mcp.settings import Settings, SettingsError

Sharer = Callable[[Accounts], Shares | None]
"""Given the accounts of a workspace's credentials, returns how its limits are shared; None if every workspace
of every process has its own."""


def unshared(_accounts: Accounts) -> None:
    """Share nothing."""


@asynccontextmanager
async def limits_shared(settings: Settings) -> AsyncIterator[Sharer]:
    """Open what limits are shared through: an engine that is named, the store, or else the ledger's file.

    Where the record is in memory only, the workspaces of this process share them among themselves. With the sandbox
    nothing is shared: every workspace of every process has a Customer.io of its own.
    """
    engine = settings.limiter or settings.store
    if settings.sandbox:
        yield unshared
    elif engine is None and settings.ledger_in_memory:
        limiters: WeakValueDictionary[str, WindowLimiter] = WeakValueDictionary()
        yield lambda accounts: OwnSharing(limiters=limiters, accounts=accounts)
    elif engine is not None:
        async with _through_engine(settings, engine.reveal()) as link:
            yield lambda accounts: EngineSharing(link=link, accounts=accounts)
    else:
        file = SharedFile(ledger_path(settings.ledger), application_id=APPLICATION)
        try:
            yield lambda accounts: Sharing(file=file, accounts=accounts)
        finally:
            file.close()


@asynccontextmanager
async def _through_engine(settings: Settings, url: str) -> AsyncIterator[EngineLink]:
    from cio_mcp.limiter.engine.opening import opened  # noqa: PLC0415 - few use it, and all would wait for it

    try:
        engine = opened(url)
        async with (
            engine as at,
            EngineLink(at, replicas=settings.replicas, fail_closed=settings.limiter_strict) as link,
        ):
            yield link
    except ImportError as error:
        raise SettingsError(f"--limiter: {error}") from None
