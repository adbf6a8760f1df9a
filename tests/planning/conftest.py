"""Fixtures of the plans' tests: a sandbox on a socket, and looks at it through the real pipeline."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from cio_mcp.cli.wiring import workspace
from cio_mcp.planning import Look, Plan, Survey
from cio_mcp.sandbox import Limits, RunningSandbox, World, running_sandbox, seeded_world
from cio_mcp.settings import load
from tests.planning.looking import look_through, planned, surveyed

TRACK_KEYS = {"CUSTOMERIO_SITE_ID": "sandbox-site-id", "CUSTOMERIO_TRACK_API_KEY": "sandbox-track-key"}
APP_KEY = {"CUSTOMERIO_APP_API_KEY": "sandbox-app-key"}
WIDE = {f"CIO_MCP_LIMIT_{name}": "1000/0.05" for name in ("APP", "EMAIL", "TRANSACTIONAL", "BROADCAST", "TRACK")}
UNLIMITED = Limits(app=None, email=None, transactional=None, broadcast=None, track=None)

OpenLook = Callable[..., AbstractAsyncContextManager[Look]]
SurveyOf = Callable[..., Awaitable[Survey]]
PlanOf = Callable[..., Awaitable[Plan]]


@pytest.fixture(scope="session")
def planning_sandbox() -> Iterator[RunningSandbox]:
    """One sandbox for the whole run."""
    with running_sandbox(limits=UNLIMITED) as running:
        yield running


@pytest.fixture
def sandbox(planning_sandbox: RunningSandbox) -> RunningSandbox:
    """Return a sandbox without limits, as built."""
    state = planning_sandbox.app.state
    state.world = seeded_world(time.time)
    state.faults.clear()
    state.journal.clear()
    return planning_sandbox


@pytest.fixture
def world(sandbox: RunningSandbox) -> World:
    """Return the workspace that is looked at."""
    found: World = sandbox.app.state.world
    return found


@pytest.fixture
def open_look(sandbox: RunningSandbox) -> OpenLook:
    """Open a pipeline in front of the sandbox, with both keys unless told otherwise."""

    @asynccontextmanager
    async def opened(keys: dict[str, str] | None = None, **more: str) -> Any:
        hosts = {"CUSTOMERIO_TRACK_URL": sandbox.url, "CUSTOMERIO_APP_URL": sandbox.url}
        whole = {"CIO_MCP_RESULT_TOKENS": "1000000"}
        given = TRACK_KEYS | APP_KEY if keys is None else keys
        async with workspace(load({**hosts, **WIDE, **whole, **given, **more})) as pipeline:
            yield look_through(pipeline)

    return opened


async def _surveyed(open_look: OpenLook, tool: str, keys: dict[str, str] | None = None, **given: Any) -> Survey:
    async with open_look(keys) as look:
        return await surveyed(look, tool, **given)


async def _planned(open_look: OpenLook, tool: str, keys: dict[str, str] | None = None, **given: Any) -> Plan:
    async with open_look(keys) as look:
        return await planned(look, tool, **given)


@pytest.fixture
def survey_of(open_look: OpenLook) -> SurveyOf:
    """Survey a call against the sandbox."""
    return partial(_surveyed, open_look)


@pytest.fixture
def plan_of(open_look: OpenLook) -> PlanOf:
    """Plan a call against the sandbox."""
    return partial(_planned, open_look)
