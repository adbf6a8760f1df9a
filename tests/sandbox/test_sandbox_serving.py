"""Serving: loopback only, quiet, graceful; and the sandbox stands apart from the rest of the package."""

import ast
import asyncio
import sys
import threading
import time
from pathlib import Path

import anyio
import httpx2
import pytest

import cio_mcp.sandbox as sandbox_package
from cio_mcp.sandbox import Fault, World, create_app, running_sandbox, seeded_world, serve
from tests.sandbox.sandbox_talk import APP_HEADERS, START, TRACK_AUTH, ManualClock

THIRD_PARTY = {"anyio", "httpx2", "starlette", "uvicorn"}
FOLDER = Path(str(sandbox_package.__file__)).parent


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_a_module_imports_nothing_of_the_rest(path: Path) -> None:
    for name in imports(path):
        root = name.partition(".")[0]
        inside = name == "cio_mcp.sandbox" or name.startswith("cio_mcp.sandbox.")
        assert inside or root in THIRD_PARTY or root in sys.stdlib_module_names, name


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_a_module_stays_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.anyio
async def test_serve_tells_its_url_and_stops_when_cancelled(anyio_backend: str) -> None:
    assert anyio_backend == "asyncio"
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(serve, create_app(), "127.0.0.1", 0, url.set_result)
            base = await url
            async with httpx2.AsyncClient(base_url=base, trust_env=False) as client:
                assert (await client.get("/v1/segments", headers=APP_HEADERS)).status_code == 200
            group.cancel_scope.cancel()
        with pytest.raises(httpx2.ConnectError):
            async with httpx2.AsyncClient(trust_env=False) as client:
                await client.get(base)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104 - refused, that is the point
def test_only_loopback_is_listened_on(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        asyncio.run(serve(create_app(), host))


def test_a_hanging_request_does_not_hold_up_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    with running_sandbox() as running:
        running.app.state.faults.add(Fault(kind="hang", seconds=60))
        started = threading.Event()

        def call() -> None:
            started.set()
            with pytest.raises(httpx2.HTTPError):
                httpx2.get(f"{running.url}/v1/segments", headers=APP_HEADERS, trust_env=False, timeout=30)

        thread = threading.Thread(target=call)
        thread.start()
        started.wait(5)
        deadline = time.monotonic() + 5
        while not running.app.state.journal and time.monotonic() < deadline:
            thread.join(0.01)
        begun = time.monotonic()
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - begun < 5
    assert capfd.readouterr() == ("", "")


def test_serving_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with running_sandbox() as running:
        httpx2.get(f"{running.url}/v1/segments", headers=APP_HEADERS, trust_env=False)
        httpx2.put(f"{running.url}/api/v1/customers/1", content=b"{", auth=TRACK_AUTH, trust_env=False)
    assert capfd.readouterr() == ("", "")


def test_the_seeded_world_is_the_same_every_time() -> None:
    def shape(world: World) -> list[object]:
        return [
            [(p.cio_id, p.identifiers, p.attributes) for p in world.people],
            [(d.id, d.created, d.timeline) for d in world.deliveries],
            [s.as_json() for s in world.segments.by_id.values()],
        ]

    first, second = seeded_world(ManualClock(START)), seeded_world(ManualClock(START))
    assert shape(first) == shape(second) == shape(first.rebuild())
    assert len(first.people) == 29
    assert first.people.find("id", "ada-1") is first.people.find("email", "ADA@example.com")


def test_the_region_must_be_one_there_is() -> None:
    with pytest.raises(ValueError, match="region"):
        create_app(region="mars")
