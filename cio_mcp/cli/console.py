"""Makes the operator's page that is shown beside a server."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio

from cio_mcp import __version__
from cio_mcp.agents.token_store import TokensUnavailable
from cio_mcp.cli.checked import say
from cio_mcp.cli.team import Team
from cio_mcp.console.chain_check import ChainCheck, verifying
from cio_mcp.console.pages import Pages
from cio_mcp.console.sign_in import Doorkeeper, Unrecognizable
from cio_mcp.console.watch import Watch
from cio_mcp.ledger import Ledger
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.ledger.late import LateLedger
from cio_mcp.ledger.office import FileOffice, Office
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.settings import Settings, SettingsError
from cio_mcp.transports.http.beside import serving_beside
from cio_mcp.transports.http.exposure import Exposure
from cio_mcp.transports.http.serving import listening, url_of


@asynccontextmanager
async def console(settings: Settings, served: Team, host: str, port: int) -> AsyncIterator[None]:
    """Show the operator's page as long as the block runs; raises SettingsError."""
    try:
        exposure = _exposure(settings, host)
        listener = listening(exposure.address, port)
        allowed = exposure.allow_list(listener.getsockname()[1])
    except ValueError as error:
        raise SettingsError(f"--console: {error}") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SettingsError(f"--console: port {port} cannot be used ({reason}); choose another") from None
    now, reach = SteadyClock().now, partial(_office, served.ledger)
    check = ChainCheck(verifying(reach), now=now)
    watch = Watch(pipelines=served.pipelines, reach=reach, check=check, server=_facts(settings, served), now=now)
    with listener:
        async with (
            _doorkeeper(settings, served) as doorkeeper,
            anyio.create_task_group() as checking,
            serving_beside(
                Pages(watch=watch, doorkeeper=doorkeeper, port=listener.getsockname()[1]).routes(),
                listener=listener,
                allowed=allowed,
            ),
        ):
            say(f"cio-mcp shows the operator's page at {url_of(listener)}/")
            checking.start_soon(check.run)
            yield
            checking.cancel_scope.cancel()


@asynccontextmanager
async def _doorkeeper(settings: Settings, served: Team) -> AsyncIterator[Doorkeeper]:
    """Open what knows operators: by the key, and by their tokens where agents have tokens."""
    if "tokens" not in (settings.auth or ()):
        yield Doorkeeper(settings.console_key)
        return
    from cio_mcp.cli.token_place import token_authenticator  # noqa: PLC0415 - only where there are tokens

    async with token_authenticator(settings, served.database) as tokens:

        async def operator(token: str) -> str | None:
            try:
                agent = await tokens.agent(token)
            except TokensUnavailable:
                raise Unrecognizable from None
            return agent.name if agent and agent.is_operator else None

        yield Doorkeeper(settings.console_key, operators=operator)


def _exposure(settings: Settings, host: str) -> Exposure:
    """Return who may reach the page by which names; raises ValueError if it would be anybody."""
    exposure = Exposure(host=host, hosts=None, origins=None)
    if settings.console_key is None:
        if not exposure.is_loopback:
            raise ValueError(
                f"{host!r} is not a loopback address, so other machines can call. That needs CIO_MCP_CONSOLE_KEY and "
                "--allowed-hosts; for this machine alone use 127.0.0.1"
            )
        return exposure  # whatever a proxy lets through to the MCP endpoint has no business here
    hosts = settings.allowed_hosts or ()
    if not exposure.is_loopback and not hosts:
        raise ValueError(f"{host!r} is not a loopback address: --allowed-hosts must say by which names it is reached")
    origins = [f"{scheme}://{name}" for name in hosts for scheme in ("http", "https")]
    return Exposure(host=host, hosts=hosts, origins=origins)


def _office(ledger: Ledger) -> Office:
    """Return a ledger as its operator sees it; raises Unrecorded as long as it cannot be opened."""
    if isinstance(ledger, LateLedger):
        ledger = ledger.reached()
    if isinstance(ledger, SqliteLedger):
        return FileOffice(ledger)
    if not isinstance(ledger, Office):
        raise TypeError(f"{type(ledger).__name__} has no operator")
    return ledger


def _facts(settings: Settings, served: Team) -> dict[str, object]:
    return {
        "version": __version__,
        "agent": settings.agent,
        "workspaces": list(served.pipelines),
        "confirm": settings.confirm,
        "sandbox": settings.sandbox,
        "read_only": settings.read_only,
    }
