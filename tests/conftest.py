"""Fixtures that many tests share: a recording server, and calls of our tools through a real MCP client."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import pytest
from mcp import Client

from cio_mcp.cli.wiring import workspace
from cio_mcp.server import META, build_server
from cio_mcp.settings import Settings, load
from tests.recording import Received, Recorder, running

KEYS = {
    "CUSTOMERIO_SITE_ID": "canary-site-id",
    "CUSTOMERIO_TRACK_API_KEY": "canary-track-key",
    "CUSTOMERIO_APP_API_KEY": "canary-app-key",
}
SERVICE_ACCOUNT = {
    "CUSTOMERIO_SERVICE_ACCOUNT_TOKEN": "sa_live_canary",
    "CUSTOMERIO_WORKSPACE_ID": "77",
}
# Tests of requests are no tests of limits: nothing here should wait.
NO_WAITS = {f"CIO_MCP_LIMIT_{name}": "10000/1" for name in ("APP", "EMAIL", "TRANSACTIONAL", "BROADCAST", "TRACK")}
# Nor of what stands before a request: that has its own.
UNGUARDED = {"CIO_MCP_CONFIRM": "off", "CIO_MCP_REPEAT_WINDOW": "0", "CIO_MCP_LEDGER": "memory"}
OWN_TOOLS = (
    "get_rate_budget", "get_operation", "list_unknown_operations", "reconcile_operation", "get_delivery_timeline",
    "list_delivery_events", "wait_for_delivery", "get_webhook_setup", "why_no_message", "preflight_broadcast",
    "person_overview",
)  # fmt: skip
"""What this server answers itself, as it is listed after the catalogue."""
_OF_PEOPLE = ("get_person_attributes", "list_person_messages", "list_person_segments")
_NEEDED = {
    "get_delivery_timeline": ("list_person_messages",),
    "list_delivery_events": ("list_person_messages",),
    "wait_for_delivery": ("list_person_messages",),
    "why_no_message": _OF_PEOPLE,
    "person_overview": (*_OF_PEOPLE, "list_person_activities"),
    "preflight_broadcast": ("get_broadcast", "list_broadcast_triggers", "list_broadcast_actions"),
}


def own_tools_beside(tools: Collection[str]) -> set[str]:
    """Return what this server answers itself for an agent that may use these tools of the catalogue."""
    return {name for name in OWN_TOOLS if all(needed in tools for needed in _NEEDED.get(name, ()))}


# From the first import on, because some tests list the tools while they are collected:
# the ledger and the stored keys of whoever runs the tests are out of their reach, and out of that of what they start.
STATE = TemporaryDirectory(prefix="cio-mcp-tests-")
os.environ.update(XDG_STATE_HOME=STATE.name, XDG_CONFIG_HOME=STATE.name, LOCALAPPDATA=STATE.name)


# How long an example takes is the machine's affair, in CI and elsewhere.
hypothesis.settings.register_profile("untimed", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Remove the state directory at the end."""
    config.add_cleanup(STATE.cleanup)


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio, which the MCP SDK's servers need."""
    return "asyncio"


@pytest.fixture(scope="session")
def recording_server() -> Iterator[tuple[Recorder, str]]:
    """One server for the whole run: starting one takes longer than most tests."""
    recorder = Recorder()
    with running(recorder) as url:
        yield recorder, url


@pytest.fixture
def recorder(recording_server: tuple[Recorder, str]) -> Recorder:
    """Empty the recording server."""
    recorder, _ = recording_server
    recorder.requests.clear()
    recorder.replies.clear()
    recorder.default = type(recorder.default)()
    return recorder


@pytest.fixture
def settings_for(recorder: Recorder, recording_server: tuple[Recorder, str]) -> Callable[..., Settings]:
    """Make settings that point at the recording server."""
    assert recorder is recording_server[0]
    hosts = {"CUSTOMERIO_TRACK_URL": recording_server[1], "CUSTOMERIO_APP_URL": recording_server[1]}

    def make(credentials: Mapping[str, str] = KEYS, **more: str) -> Settings:
        return load({**hosts, **NO_WAITS, **UNGUARDED, **credentials, **more})

    return make


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """What a call put on the wire, and what the client got."""

    requests: list[Received]
    is_error: bool
    result: dict[str, Any]
    meta: dict[str, Any]


Wire = Callable[..., Awaitable[Wired]]
Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def connected(settings_for: Callable[..., Settings]) -> Connect:
    """Open an MCP client of our server; calls go to the recording server."""

    @asynccontextmanager
    async def connect(credentials: Mapping[str, str] = KEYS, **more: str) -> AsyncIterator[Client]:
        async with workspace(settings_for(credentials, **more)) as pipeline, Client(build_server(pipeline)) as client:
            yield client

    return connect


@pytest.fixture
def wire(connected: Connect, recorder: Recorder) -> Wire:
    """Call a tool through a real MCP client and return what left for Customer.io."""

    async def call(tool: str, arguments: dict[str, Any], credentials: str = "keys", **more: str) -> Wired:
        async with connected({"keys": KEYS, "service_account": SERVICE_ACCOUNT}[credentials], **more) as client:
            before = len(recorder.requests)
            result = await client.call_tool(tool, arguments)
        return Wired(
            requests=recorder.requests[before:],
            is_error=bool(result.is_error),
            result=result.structured_content or {},
            meta=(result.meta or {}).get(META, {}),
        )

    return call
