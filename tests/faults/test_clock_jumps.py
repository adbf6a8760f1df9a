"""The wall clock may jump by days while calls run: neither limits nor deadlines nor repeats go by it."""

import ast
import itertools
import time
from pathlib import Path
from typing import Final

import anyio
import pytest

import cio_mcp
from cio_mcp.breaker import FAILURES, FIRST_COOLDOWN, Breakers
from tests.faults.arguments import ARGUMENTS
from tests.faults.raw import raw_server, sends, whole
from tests.faults.rig import rigged, settings_of

PACKAGE = Path(cio_mcp.__file__).parent
DAY: Final = 86_400.0
# The ledger and the sandbox keep dates; the commands hand clocks to everything else.
KEEPERS: Final = ("ledger", "sandbox", "cli")
WALL_CLOCK: Final = {"time", "time_ns", "localtime", "gmtime", "ctime"}
DATES: Final = {"now", "utcnow", "today"}


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look at the wall clock find it a day away from the last one."""
    true_time, days = time.time, itertools.cycle((DAY, -DAY, 0.0))
    monkeypatch.setattr(time, "time", lambda: true_time() + next(days))


@pytest.mark.anyio
@pytest.mark.usefixtures("jumping")
async def test_limits_hold_and_waits_end_while_the_clock_jumps() -> None:
    answer = sends(whole(200, b'{"segments": []}'))
    async with raw_server(answer) as server, rigged(settings_of(server.url, CIO_MCP_LIMIT_APP="2/0.4")) as house:
        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(house.call, "list_segments")
        took = time.monotonic() - began
    assert [record["ending"] for record in house.outcomes] == ["ok"] * 6
    assert 0.8 <= took < 5


@pytest.mark.anyio
@pytest.mark.usefixtures("jumping")
async def test_deadlines_and_cool_downs_hold_while_the_clock_jumps() -> None:
    answers = (*(sends(whole(503, b"")),) * FAILURES, sends(whole(200, b'{"segments": []}')))
    async with raw_server(*answers) as server, rigged(settings_of(server.url), breakers=Breakers()) as house:
        began = time.monotonic()
        for _ in range(FAILURES):
            await house.call("send_email", ARGUMENTS["send_email"])
        while (await house.call("list_segments")).code:
            assert time.monotonic() - began < 5
            await anyio.sleep(0.02)
    assert time.monotonic() - began >= 0.9 * FIRST_COOLDOWN
    assert {record["ending"] for record in house.outcomes} == {"unknown", "failed", "ok"}


def _looks(tree: ast.Module) -> list[str]:
    """Name every place that reads the wall clock, or takes hold of what does."""
    looks = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr=attr) if attr in WALL_CLOCK:
                looks.append(f"line {node.lineno}: time.{attr}")
            case ast.Attribute(value=ast.Name(id="datetime" | "date"), attr=attr) if attr in DATES:
                looks.append(f"line {node.lineno}: {attr}")
            case ast.ImportFrom(module="time", names=names):
                looks += [f"line {node.lineno}: {name.name}" for name in names if name.name in WALL_CLOCK]
    return looks


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_those_who_keep_dates_read_the_wall_clock(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] not in KEEPERS:
        assert _looks(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    ["time.time()", "now = time.time", "time.time_ns()", "from time import time", "datetime.now(UTC)", "date.today()"],
)
def test_a_look_at_the_wall_clock_would_be_seen(source: str) -> None:
    assert _looks(ast.parse(source))
