"""The files of a ledger: private, never half made, never silently begun anew; and what is said of unusable ones."""

import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cio_mcp.ledger.place import key_path, ledger_path
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.terms import Terms, Unrecorded
from tests.ledger.book import OK, Calls, opened, second

pytestmark = pytest.mark.anyio
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite3"


@pytest.fixture
def made(path: Path) -> Path:
    with opened(path) as ledger:
        ledger.head()
    return path


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("no_umask")
async def test_nobody_else_may_read_or_write_any_of_the_files_whatever_the_umask(path: Path) -> None:
    with opened(path) as ledger:
        await ledger.begin(Calls().intent(), Terms())
        modes = {each.name: mode(each) for each in path.parent.iterdir()}
    lock = next(name for name in modes if name.endswith(".lock"))
    assert modes == {
        "ledger.key": 0o600, "ledger.sqlite3": 0o600, "ledger.sqlite3-shm": 0o600, "ledger.sqlite3-wal": 0o600,
        lock: 0o600,
    }  # fmt: skip
    assert mode(path.parent) == 0o700


def readable_ledger(path: Path) -> None:
    path.chmod(0o640)


def writable_ledger(path: Path) -> None:
    path.chmod(0o602)


def readable_key(path: Path) -> None:
    key_path(path).chmod(0o604)


def writable_directory(path: Path) -> None:
    path.parent.chmod(0o777)


def linked_ledger(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def linked_key(path: Path) -> None:
    key_path(path).rename(path.with_name("elsewhere"))
    key_path(path).symlink_to(path.with_name("elsewhere"))


def dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("elsewhere"))


def directory_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def foreign_ledger(path: Path) -> None:
    os.chown(path, 65_534, 65_534)


def no_key(path: Path) -> None:
    key_path(path).unlink()


def other_key(path: Path) -> None:
    key_path(path).write_bytes(b"k" * 32)


def short_key(path: Path) -> None:
    key_path(path).write_bytes(b"k" * 31)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def overwritten(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 1000)


def another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE things (thing TEXT)")
    path.chmod(0o600)


def newer_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (readable_ledger, "chmod 600 .*ledger.sqlite3"),
        (writable_ledger, "chmod 600 .*ledger.sqlite3"),
        (readable_key, "chmod 600 .*ledger.key"),
        (writable_directory, "chmod go-w .*state"),
        (linked_ledger, "ledger.sqlite3: is a link"),
        (linked_key, "ledger.key: is a link"),
        (dangling_link, "ledger.sqlite3: is a link"),
        (directory_in_its_place, "is no file"),
        pytest.param(
            foreign_ledger, "belongs to another user", marks=pytest.mark.skipif(not AS_ROOT, reason="root gives away")
        ),
        (no_key, "ledger.key: the key of ledger.sqlite3 is missing"),
        (other_key, "is not its own"),
        (short_key, "is no key of 32 bytes"),
        (emptied, "ledger.sqlite3: is no ledger of cio-mcp, or is damaged"),
        (cut, "ledger.sqlite3: it is damaged"),
        (overwritten, "ledger.sqlite3: it is no ledger, or is damaged"),
        (another_program, "ledger.sqlite3: is no ledger of cio-mcp"),
        (newer_version, "ledger.sqlite3: was written by another version"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_a_file_that_cannot_be_trusted_is_refused_and_left_as_it_is(
    made: Path, change: Callable[[Path], None], said: str
) -> None:
    change(made)
    before = {each.name: each.lstat().st_mtime_ns for each in made.parent.iterdir()}
    with pytest.raises(Unrecorded, match=said), opened(made):
        pass
    after = {each.name: each.lstat().st_mtime_ns for each in made.parent.iterdir()}
    assert {name: after[name] for name in before} == before


def spoil(path: Path) -> None:
    """Overwrite all pages but the first, which is looked at when a ledger is opened."""
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)


async def test_a_ledger_that_becomes_damaged_while_in_use_says_so(made: Path) -> None:
    calls = Calls()
    with opened(made) as ledger:
        await ledger.begin(calls.intent(), Terms())
    spoil(made)
    with pytest.raises(Unrecorded, match="it is damaged"), opened(made) as ledger:
        await ledger.begin(calls.intent(), Terms())


def take_away(path: Path) -> None:
    path.rename(path.with_name("aside"))


def replace_by_copy(path: Path) -> None:
    take_away(path)
    path.write_bytes(path.with_name("aside").read_bytes())
    path.chmod(0o600)


def put_back(path: Path) -> None:
    path.with_name("aside").replace(path)


@pytest.mark.parametrize(("change", "said"), [(take_away, "was removed"), (replace_by_copy, "was replaced")])
async def test_a_ledger_that_is_taken_away_while_in_use_is_not_begun_anew(
    made: Path, change: Callable[[Path], None], said: str
) -> None:
    calls = Calls()
    with opened(made) as ledger:
        await ledger.begin(calls.intent(), Terms())
        change(made)
        there = {each.name for each in made.parent.iterdir()}
        with pytest.raises(Unrecorded, match=said):
            await ledger.begin(calls.intent(), Terms())
        assert {each.name for each in made.parent.iterdir()} <= there
        put_back(made)
        await ledger.begin(calls.intent(), Terms())


async def test_a_full_disk_refuses_writes_with_its_cause_and_passes_by_itself(path: Path) -> None:
    with second("fill", path, 1_000_000) as process:
        told = process.answer()
        assert process.end() == 0
    assert 10 < told["begun"] < 5000
    assert f"{path}: the disk" in told["cause"]
    assert (told["known"], told["fault"]) == ([True, True, False], "None")
    assert told["records"] == told["begun"] + 2


async def test_the_end_of_a_write_that_could_not_be_recorded_is_recorded_later(made: Path) -> None:
    calls = Calls()
    with opened(made) as ledger, closing(sqlite3.connect(made, isolation_level=None)) as other:
        call, read = calls.intent(), calls.intent()
        await ledger.begin(call, Terms())
        ledger._store._connection.execute("PRAGMA busy_timeout = 10")  # type: ignore[union-attr]  # it is open
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unrecorded, match="another process has held it"):
            await ledger.conclude(call, OK)
        other.execute("ROLLBACK")
        await ledger.conclude(read, OK)
        known = await ledger.operation(call.operation)
        assert known is not None
        assert known.outcome == OK
        ends = [record["operation"] for record in ledger.records() if record["kind"] == "outcome"]
        assert ends == [call.operation, read.operation]


@pytest.fixture
def reachable() -> Iterator[Path]:
    """Yield a directory that another user can be given; pytest's own lie in one that only its user may enter."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.mark.parametrize(("directory_mode", "before"), [("0500", []), ("0700", ["read"])])
async def test_a_read_only_ledger_refuses_writes_with_its_cause(
    reachable: Path, directory_mode: str, before: list[str]
) -> None:
    with second("as_nobody", reachable / "ledger.sqlite3", reachable, directory_mode) as process:
        told = process.answer()
        assert process.end() == 0
    *told, cause, end = told
    assert (told, end) == (before, "mended")
    assert f"{reachable / 'ledger.sqlite3'}: it is read-only" in cause


async def test_without_a_setting_the_ledger_lies_in_the_users_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/home/someone/.state")
    assert ledger_path(None) == Path("/home/someone/.state/cio-mcp/ledger.sqlite3")
    assert ledger_path("books/a.sqlite3") == Path.cwd() / "books" / "a.sqlite3"
    assert ledger_path("~/a.sqlite3") == Path.home() / "a.sqlite3"


async def test_a_ledger_is_not_made_where_none_was_asked_for(path: Path) -> None:
    with pytest.raises(Unrecorded, match="there is no ledger"):
        SqliteLedger.open(path, now=lambda: 0.0, make=False)
    assert not path.parent.exists()


async def test_what_could_not_be_recorded_is_recorded_when_the_ledger_is_closed(path: Path) -> None:
    call = Calls().intent()
    with opened(path) as ledger:
        await ledger.begin(call, Terms())
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unrecorded, match="another process has held it for too long"):
                await ledger.conclude(call, OK)
    with opened(path) as ledger:
        known = await ledger.operation(call.operation)
        assert known is not None
        assert known.outcome == OK
