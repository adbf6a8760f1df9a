"""Many calls through one MCP client from synchronous tests, and what every answer has to be."""

import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client

from cio_mcp.cli.wiring import workspace
from cio_mcp.errors import CioError
from cio_mcp.server import build_server
from cio_mcp.settings import load
from tests.conftest import KEYS, NO_WAITS, UNGUARDED
from tests.faults.rig import Unbroken
from tests.recording import Received, Recorder, Reply
from tests.told import text_faults

# One call on loopback; it runs out only when something hangs.
PATIENCE = 30.0
RESULT_BYTES = int(25_000 * 2.5)  # 25,000 tokens, the default of CIO_MCP_RESULT_TOKENS
MESSAGE_CHARACTERS = 1500
# Words of the libraries below, which say nothing to a model.
INTERNALS = (
    "pydantic",
    "validation error",
    "Input should",
    "input_value",
    "codec",
    "sys.",
    "Traceback",
    "object at 0x",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a call put on the wire, and what the client got."""

    requests: list[Received]
    is_error: bool
    result: dict[str, Any]
    text: str
    meta: dict[str, Any]

    @property
    def code(self) -> str | None:
        """The error's code, None for a result."""
        return self.result["error"]["code"] if self.is_error else None

    @property
    def message(self) -> str:
        """What the error says, its next step included."""
        return f"{self.result['error']['message']} {self.result['error']['next_step']}" if self.is_error else ""


class Driver:
    """Calls tools one after the other and collects what leaves for Customer.io."""

    def __init__(self, portal: BlockingPortal, client: Client, recorder: Recorder) -> None:
        self._portal = portal
        self._client = client
        self._recorder = recorder

    def call(self, tool: str, arguments: dict[str, Any], reply: Reply | None = None) -> Ended:
        """Call a tool; every request that it makes gets the same reply."""
        self._recorder.requests.clear()
        self._recorder.default = reply or Reply()
        result = self._portal.call(self._called, tool, arguments)
        [content] = result.content
        return Ended(
            requests=list(self._recorder.requests),
            is_error=bool(result.is_error),
            result=result.structured_content,
            text=content.text,
            meta=result.meta,
        )

    async def _called(self, tool: str, arguments: dict[str, Any]) -> Any:
        with anyio.fail_after(PATIENCE):
            return await self._client.call_tool(tool, arguments)


@contextmanager
def driving(url: str, recorder: Recorder) -> Iterator[Driver]:
    """Connect a client to a server of ours whose Customer.io is at `url`; retries do not wait."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_connected(url)) as client:
        yield Driver(portal, client, recorder)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Client]:
    hosts = {"CUSTOMERIO_TRACK_URL": url, "CUSTOMERIO_APP_URL": url}
    async with workspace(load({**hosts, **NO_WAITS, **UNGUARDED, **KEYS})) as pipeline:
        exchange = pipeline.exchange
        effects = replace(exchange.delivery.effects, jitter=lambda: 0.0)
        delivery = replace(exchange.delivery, effects=effects, breakers=Unbroken())
        at_once = replace(pipeline, exchange=replace(exchange, delivery=delivery))
        async with Client(build_server(at_once)) as client:
            yield client


def _codes(kind: type[CioError]) -> Iterator[str]:
    for below in kind.__subclasses__():
        yield below.code
        yield from _codes(below)


CODES = frozenset(_codes(CioError))


def faults(ended: Ended) -> list[str]:
    """Say what is wrong with an answer, whatever the call was: it is bounded JSON, carries nothing that breaks."""
    found = text_faults(ended.text, ended.result, is_error=ended.is_error, meta=ended.meta)
    if len(ended.text.encode()) > RESULT_BYTES:
        found.append(f"the result has {len(ended.text.encode()):,} bytes")
    found += [f"{leaf[:60]!a} would break or hide something" for leaf in texts(ended.result) if is_unsafe(leaf)]
    if ended.is_error and ended.code not in CODES:
        found.append(f"{ended.code} is no code of ours")
    if ended.is_error and len(ended.message) > MESSAGE_CHARACTERS:
        found.append(f"the message has {len(ended.message):,} characters")
    if ended.is_error and len(ended.message.splitlines()) != 1:
        found.append("the message has more than one line")
    return found


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, names of members too."""
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from texts(item)
        case dict():
            for name, member in value.items():
                yield name
                yield from texts(member)


def is_unsafe(text: str) -> bool:
    """Say whether a text holds a control character, half a character, or a tag character outside of a flag."""
    categories = {unicodedata.category(character) for character in text if character not in "\t\n\r"}
    tags = any("\U000e0000" <= character <= "\U000e007f" for character in text)
    return bool(categories & {"Cc", "Cs"}) or (tags and "\N{WAVING BLACK FLAG}" not in text)


def refusal_faults(ended: Ended, field: str, value: Any) -> list[str]:
    """Say what is wrong with the refusal of a value: nothing leaves, the field is named, the value is not repeated."""
    found = faults(ended)
    if ended.code != "invalid_arguments":
        found.append(f"it was not refused: {ended.code or 'accepted'}")
    found += [f"it speaks of {word!r}: {ended.message}" for word in INTERNALS if word in ended.message]
    if ended.requests:
        found.append(f"{len(ended.requests)} requests left")
    if ended.is_error and field not in ended.message:
        found.append(f"{field} is not named: {ended.message}")
    # Shorter values, and the names of the two booleans, stand in our own sentences by chance.
    if isinstance(value, str) and len(value) >= 4 and value not in ("true", "false") and value in ended.message:
        found.append("the value is repeated")
    return found
