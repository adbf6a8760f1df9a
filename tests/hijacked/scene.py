"""Servers started as a situation says, each with its client, in front of one Customer.io that a test watches."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint
from mcp import Client, types
from mcp.client import ClientRequestContext

from cio_mcp.cli.wiring import workspace
from cio_mcp.gateway import Gateway, new_client
from cio_mcp.insight.tools import insight_tools
from cio_mcp.ledger.clock import read
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.store import Store
from cio_mcp.native import rate_budget
from cio_mcp.operations import operation_tools
from cio_mcp.pipeline import Pipeline
from cio_mcp.sandbox import InProcess
from cio_mcp.server import build_server
from cio_mcp.settings import load
from cio_mcp.webhooks.setup import Setup
from cio_mcp.webhooks.tools import webhook_tools
from tests.conftest import own_tools_beside
from tests.faults.rig import KEYS
from tests.hijacked.situations import Situation
from tests.hijacked.witness import Witness

SANDBOX = "http://127.0.0.1"
"""Never connected to."""
MORNING = 1_780_293_600.0
"""2026-06-01T06:00:00Z, when every run begins."""
LIMITS = {f"CIO_MCP_LIMIT_{name}": "100000/1" for name in ("APP", "EMAIL", "TRANSACTIONAL", "BROADCAST", "TRACK")}
REPLIES = {
    "yes": types.ElicitResult(action="accept", content={"confirm": True}),
    "no": types.ElicitResult(action="decline"),
}


class Clock:
    """The time of a run, in seconds since 1970."""

    def __init__(self) -> None:
        self.seconds = MORNING

    def now(self) -> float:
        """Return the time."""
        return self.seconds


@dataclass(slots=True, kw_only=True)
class Served:
    """A server that serves one agent, and how often its person has said yes while a call waited."""

    agent: str
    client: Client
    yeses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that a run needs."""

    situation: Situation
    clock: Clock
    stop_file: Path
    witness: Witness
    ledger: SqliteLedger
    served: list[Served] = field(default_factory=list[Served])


@asynccontextmanager
async def opened(situation: Situation, folder: Path, mode: str, *, careless: bool = False) -> AsyncIterator[Scene]:
    """Start a server for each agent, on one Customer.io; `careless` starts them without any of their rules."""
    clock, stop_file = Clock(), folder / "stop"
    stop_file.unlink(missing_ok=True)
    async with AsyncExitStack() as stack:
        ledgers = {agent: _ledger(situation, folder, clock, stop_file) for agent in situation.rules}
        for ledger in ledgers.values():
            stack.callback(ledger.close)
        first = next(iter(ledgers.values()))
        witness = Witness(clock.now, lambda: first.head().seq)
        scene = Scene(situation=situation, clock=clock, stop_file=stop_file, witness=witness, ledger=first)
        for agent, ledger in ledgers.items():
            settings = _settings(situation, folder, agent, careless=careless)
            made = await stack.enter_async_context(workspace(load(settings), ledger))
            pipeline = _in_this_world(made, ledger, clock, witness)
            stack.push_async_callback(pipeline.exchange.delivery.gateway.aclose)
            scene.served.append(await stack.enter_async_context(_client(pipeline, agent, situation.person, mode)))
        yield scene


def _ledger(situation: Situation, folder: Path, clock: Clock, stop_file: Path) -> SqliteLedger:
    if situation.shared_file:
        return SqliteLedger.open(folder / "ledger.sqlite3", now=clock.now, stop_file=stop_file)
    return SqliteLedger(Store.open(None, read(clock.now, None)), now=clock.now, stop_file=stop_file)


def _settings(situation: Situation, folder: Path, agent: str, *, careless: bool) -> dict[str, str]:
    common = {"CUSTOMERIO_TRACK_URL": SANDBOX, "CUSTOMERIO_APP_URL": SANDBOX, **KEYS, **LIMITS}
    # In so little time no call waits for an operator.
    common |= {"CIO_MCP_LEDGER": "memory", "CIO_MCP_AGENT": agent, "CIO_MCP_TIME_BUDGET": "10"}
    if careless:
        return common | {"CIO_MCP_CONFIRM": "off", "CIO_MCP_REPEAT_WINDOW": "0"}
    if situation.grants:
        file = folder / "grants.toml"
        file.write_text(situation.grants)
        file.chmod(0o600)
        common |= {"CIO_MCP_GRANTS": str(file)}
    return {**common, **situation.settings}


def _in_this_world(made: Pipeline, ledger: SqliteLedger, clock: Clock, witness: Witness) -> Pipeline:
    """Return a pipeline as it was wired, with this Customer.io, and without waits between attempts."""
    gateway = Gateway(partial(new_client, InProcess(witness), loopback=True))
    effects = replace(made.exchange.delivery.effects, jitter=lambda: 0.0, sleep=_at_once)
    exchange = replace(made.exchange, delivery=replace(made.exchange.delivery, gateway=gateway, effects=effects))
    operations = operation_tools(
        ledger=ledger, exchange=exchange, workspace=made.workspace, now=clock.now, recollection=made.recollection
    )
    told = webhook_tools(
        made.policy,
        events=None,
        exchange=exchange,
        result_tokens=made.result_tokens,
        setup=Setup,
        now=clock.now,
    )
    insight = insight_tools(made.policy, exchange=exchange, result_tokens=made.result_tokens, now=clock.now)
    native = (rate_budget(exchange.budgets), *operations, *told, *insight)
    gatekeeper = replace(made.clearance.gatekeeper, now=clock.now)
    return replace(
        made,
        exchange=exchange,
        clearance=replace(made.clearance, exchange=exchange, gatekeeper=gatekeeper),
        now=clock.now,
        native={answered.tool.name: answered for answered in native},
    )


async def _at_once(_seconds: float) -> None:
    await checkpoint()


@asynccontextmanager
async def _client(pipeline: Pipeline, agent: str, person: str, mode: str) -> AsyncIterator[Served]:
    """Connect a client; it says that it can ask its person, unless it cannot."""
    served: list[Served] = []

    async def asked(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        del context, params
        if person == "nothing":
            await anyio.sleep_forever()
        served[0].yeses += person == "yes"
        return REPLIES[person]

    callback = None if person == "cannot" else asked
    async with Client(build_server(pipeline), mode=mode, elicitation_callback=callback) as client:
        served.append(Served(agent=agent, client=client))
        yield served[0]


async def listed_wrongly(scene: Scene) -> list[str]:
    """Say of which tools each agent is shown too many or too few."""
    wrong: list[str] = []
    for served in scene.served:
        permitted = scene.situation.rules[served.agent].tools()
        right = permitted | own_tools_beside(permitted)
        names = {tool.name for tool in (await served.client.list_tools()).tools}
        wrong += [f"{served.agent} is shown {name}" for name in sorted(names - right)]
        wrong += [f"{served.agent} is not shown {name}" for name in sorted(right - names)]
    return wrong
