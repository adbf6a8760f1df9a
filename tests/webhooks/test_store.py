"""Both stores keep the same promises."""

import sqlite3
import stat
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest

from cio_mcp.cli.events import events_of
from cio_mcp.postgres import Database
from cio_mcp.settings import load
from cio_mcp.webhooks.events import Read, read
from cio_mcp.webhooks.postgres import PostgresEvents
from cio_mcp.webhooks.sqlite import STEP, SqliteEvents, events_path
from cio_mcp.webhooks.store import (
    ASIDE_KEPT,
    Arrival,
    Aside,
    EventStore,
    EventsUnavailable,
    Filter,
    Kept,
    Position,
    Received,
    Retention,
)
from tests.webhooks.receiving import body_of, event

pytestmark = pytest.mark.anyio
Open = Callable[..., EventStore]
_DAY = 86_400


def arrival(number: int, *, received_at: float | None = None, **members: object) -> Arrival:
    found = read(body_of(event(number, **members)), otherwise_at=0)
    assert isinstance(found, Read)
    return Arrival(event=found.event, digest=found.digest, received_at=received_at or time.time())


def aside(number: int) -> Aside:
    return Aside(body=b"x", digest=number.to_bytes(32), size=1, reason="no JSON", received_at=time.time())


@pytest.fixture(params=["sqlite", "postgres"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Open stores on one file, or on one database, each as another process would."""
    opened: list[EventStore | Database] = []
    url = ""
    if request.param == "postgres":
        pytest.importorskip("psycopg")
        url = request.getfixturevalue("postgres_url")

    def make(workspace: str = "test", keep: Retention | None = None) -> EventStore:
        if not url:
            store: EventStore = SqliteEvents(tmp_path / "events.sqlite3", workspace=workspace, keep=keep, now=time.time)
        else:
            database = Database(url)
            opened.append(database)
            store = PostgresEvents(database, workspace=workspace, keep=keep)
        opened.append(store)
        return store

    yield make
    for each in reversed(opened):
        await each.aclose()


async def times(store: EventStore, wanted: Filter | None = None) -> list[int]:
    return [each.event.at - 1_700_000_000 for each in await store.find(wanted or Filter(), limit=10_000)]


async def test_it_begins_empty(open_store: Open) -> None:
    store = open_store()
    assert await times(store) == []
    assert not await store.knows("x")
    standing = await store.standing()
    assert (sum(standing.counts.values()), standing.last_at, standing.refused) == (0, None, {})


async def test_of_each_in_a_batch_it_says_what_became_of_it(open_store: Open) -> None:
    store = open_store()
    batch: list[Received] = [arrival(1), aside(1), arrival(2), arrival(1), arrival(1, metric="bounced"), aside(1)]
    assert await store.put(batch) == [Kept.NEW, Kept.ASIDE, Kept.NEW, Kept.AGAIN, Kept.OTHERWISE, Kept.AGAIN]
    assert await store.put([arrival(2), arrival(2, metric="x"), arrival(3)]) == [Kept.AGAIN, Kept.OTHERWISE, Kept.NEW]
    assert await store.put([]) == []
    assert {each.event.metric for each in await store.find(Filter(), limit=9)} == {"delivered"}
    counts = (await store.standing()).counts
    assert [counts[each] for each in (Kept.NEW, Kept.AGAIN, Kept.OTHERWISE, Kept.ASIDE)] == [3, 3, 2, 1]


async def test_what_is_kept_comes_back_as_it_was(open_store: Open) -> None:
    store = open_store()
    hostile = read(b'{"event_id":"h","metric":"m","data":{"delivery_id":"d","x":"\\u0000 \\ud800"}}', otherwise_at=5)
    assert isinstance(hostile, Read)
    now = int(time.time())
    await store.put([arrival(1), Arrival(event=hostile.event, digest=hostile.digest, received_at=now)])
    first, last = await store.find(Filter(), limit=9)
    assert first.event == arrival(1).event
    assert (last.event.data, last.received_at) == ({"x": "\\u{0} \\u{d800}"}, now)


async def test_workspaces_know_nothing_of_each_other(open_store: Open) -> None:
    one, other = open_store("one"), open_store("other")
    assert await one.put([arrival(1), aside(1)]) == [Kept.NEW, Kept.ASIDE]
    assert await times(other) == []
    assert not await other.knows(event(1)["event_id"])
    assert await other.put([arrival(1, metric="sent"), aside(1)]) == [Kept.NEW, Kept.ASIDE]
    await one.note_refused({"forged": 2})
    assert ((await one.standing()).refused, (await other.standing()).refused) == ({"forged": 2}, {})


async def test_many_who_write_the_same_at_once_keep_it_once(open_store: Open) -> None:
    stores = [open_store() for _ in range(4)]
    kept: list[Kept] = []

    async def put(store: EventStore, numbers: list[int]) -> None:
        for start in range(0, 100, 10):
            kept.extend(await store.put([arrival(number) for number in numbers[start : start + 10]]))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for place, store in enumerate(stores):
                group.start_soon(put, store, list(range(100))[:: -1 if place % 2 else 1])
    assert kept.count(Kept.NEW) == 100
    assert kept.count(Kept.AGAIN) == 300
    assert await times(stores[0]) == list(range(99, -1, -1))


async def test_pages_follow_each_other_without_gaps_where_times_are_the_same(open_store: Open) -> None:
    store = open_store()
    await store.put([arrival(number, timestamp=1_700_000_000 + number // 7) for number in range(30)])
    seen: list[str] = []
    after: Position | None = None
    while page := await store.find(Filter(metric="delivered"), limit=4, after=after):
        seen += [each.event.event_id for each in page]
        after = Position.parsed(Position(at=page[-1].event.at, seq=page[-1].seq).text)
    assert seen == [event(number)["event_id"] for number in range(29, -1, -1)]


async def test_the_newest_arrival_is_known_with_its_lag(open_store: Open) -> None:
    store = open_store()
    await store.put([arrival(9, received_at=1_700_000_019.5)])
    await store.put([arrival(2, received_at=1_700_000_020.5)])
    standing = await store.standing()
    assert (standing.last_at, standing.last_received_at) == (1_700_000_002, 1_700_000_020.5)


async def test_what_is_too_old_goes_by_its_arrival(open_store: Open) -> None:
    store = open_store(keep=Retention(days=10))
    now = time.time()
    await store.put([arrival(number, received_at=now - 11 * _DAY) for number in range(1, STEP + 10)])
    await store.put([arrival(0)])
    await store.prune()
    assert await times(store) == [0]


async def test_what_is_too_much_goes_oldest_first(open_store: Open) -> None:
    store = open_store(keep=Retention(megabytes=1))
    for start in range(0, 2_400, 400):
        await store.put([arrival(number, data={"failure_message": "x" * 900}) for number in range(start, start + 400)])
    await store.prune()
    left = await times(store)
    assert left
    assert left == list(range(2_399, 2_399 - len(left), -1))
    assert await store.prune() == 0


async def test_workspaces_that_share_a_store_keep_within_their_bounds_while_events_come(open_store: Open) -> None:
    stores = [open_store(name, keep=Retention(megabytes=1)) for name in ("one", "two", "three")]
    for start in range(0, 4_000, 100):
        for store in stores:
            await store.put(
                [arrival(number, data={"failure_message": "x" * 900}) for number in range(start, start + 100)]
            )
    # Each event takes 1.2 kB and more; one file is one bound for all of it.
    for store in stores:
        assert len(await times(store)) < 1_600


@pytest.mark.parametrize("open_store", ["sqlite"], indirect=True)
async def test_what_is_too_old_goes_though_nothing_comes(open_store: Open, tmp_path: Path) -> None:
    await open_store().put([arrival(0, received_at=time.time() - 11 * _DAY), arrival(1)])
    settings = load({"CIO_MCP_LEDGER": str(tmp_path / "ledger.sqlite3"), "CIO_MCP_EVENTS_DAYS": "10"})
    assert events_path(tmp_path / "ledger.sqlite3") == tmp_path / "events.sqlite3"
    async with events_of(settings, workspace="test", database=None, tended_every=0.01) as store:
        assert store is not None
        with anyio.fail_after(30):
            while await times(store) != [1]:  # noqa: ASYNC110 - removed beside
                await anyio.sleep(0.01)


async def test_of_what_is_set_aside_only_the_newest_stay(open_store: Open) -> None:
    store = open_store()
    await store.put([aside(number) for number in range(ASIDE_KEPT + 10)])
    assert await store.put([aside(ASIDE_KEPT + 9)]) == [Kept.AGAIN]
    assert await store.put([aside(3)]) == [Kept.ASIDE], "it had gone"


# The file.


def test_events_lie_beside_the_ledger() -> None:
    assert events_path(Path("/somewhere/ledger.sqlite3")) == Path("/somewhere/events.sqlite3")


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "events.sqlite3"
    store = SqliteEvents(path, workspace="test", now=time.time)
    await store.put([arrival(1)])
    modes = {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    await store.aclose()


@pytest.mark.parametrize("spoil", ["readable", "link", "foreign", "ledger", "folder"])
async def test_a_file_that_is_not_right_is_refused(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "events.sqlite3"
    _spoil(path, spoil)
    store = SqliteEvents(path, workspace="test", now=time.time)
    with pytest.raises(EventsUnavailable, match=r"events\.sqlite3"):
        await store.put([arrival(1)])
    await store.aclose()


def _spoil(path: Path, how: str) -> None:
    match how:
        case "readable":
            path.touch(mode=0o644)
        case "link":
            (path.parent / "other").touch(mode=0o600)
            path.symlink_to(path.parent / "other")
        case "foreign":
            path.touch(mode=0o600)
            path.write_bytes(b"no database" * 100)
        case "ledger":
            path.touch(mode=0o600)
            with sqlite3.connect(path) as connection:
                connection.execute("CREATE TABLE records (seq)")
            connection.close()
        case _:
            path.mkdir()


async def test_message_content_and_addresses_of_erased_rows_do_not_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    store = SqliteEvents(path, workspace="test", keep=Retention(days=8), now=time.time)
    await store.put(
        [arrival(1, received_at=1.0, data={"content": "canary-content", "recipient": "canary@example.com"})]
    )
    await store.prune()
    await store.aclose()
    left = path.read_bytes()
    assert b"canary-content" not in left
    assert b"canary@example.com" not in left
