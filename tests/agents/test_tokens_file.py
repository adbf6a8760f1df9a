"""The file of tokens: who may read it, what happens to it while it is in use, and several processes on it."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO

import anyio
import pytest

from cio_mcp.agents.token_store import TokensUnavailable
from cio_mcp.agents.token_store_sqlite import SqliteTokenStore, token_path
from cio_mcp.agents.tokens import NOTED_EVERY, TokenAuthenticator, mint
from cio_mcp.ledger.clock import SteadyClock
from tests.agents.minting import Clock, minted, only
from tests.cli.commands import CLEAN, PATIENCE, ROOT

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where tokens are kept."""
    return token_path(tmp_path / "state" / "ledger.sqlite3")


def opened(path: Path, clock: Clock | None = None) -> SqliteTokenStore:
    return SqliteTokenStore(path, now=(clock or Clock()).now)


def test_tokens_lie_beside_the_ledger_that_they_belong_to() -> None:
    assert token_path(Path("/state/ledger.sqlite3")) == Path("/state/ledger.tokens")


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such modes")
async def test_nobody_else_may_read_the_file_or_what_lies_beside_it(path: Path) -> None:
    before = os.umask(0)
    try:
        store = opened(path)
        token = await minted(store)
        await store.note_use(token.id, every=0)
        with store._writing() as connection:
            connection.execute("UPDATE tokens SET created_by = 'anybody'")
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys((path.name, f"{path.name}-journal"), 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    await store.aclose()


async def test_no_part_of_a_token_is_in_any_file(path: Path) -> None:
    store = opened(path)
    token = await minted(store)
    assert await TokenAuthenticator(store).agent(token.text)
    contents = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert token.id.encode() in contents
    assert token.kept.proof.digest in contents
    secret = token.text.rpartition("_")[2]
    assert not [part for part in (secret, secret[:10], secret[-10:]) if part.encode() in contents]
    await store.aclose()


def unreadable(path: Path) -> None:
    path.chmod(0o640)


def linked(path: Path) -> None:
    path.rename(path.with_suffix(".other"))
    path.symlink_to(path.with_suffix(".other"))


def overwritten(path: Path) -> None:
    path.write_bytes(b"x" * 8192)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE tokens (id)")
    path.chmod(0o600)


def later(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")


def meddled(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE tokens SET grants = 'customers:everything'")
        connection.commit()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (unreadable, "others can read or write it; run: chmod 600 "),
        (linked, "is a link"),
        (overwritten, "is damaged; put a copy of it back, or move it away and make new tokens"),
        (emptied, "holds no tokens of cio-mcp, or is damaged; move it away and make new ones"),
        (foreign, "holds no tokens of cio-mcp, or is damaged; move it away and make new ones"),
        (later, "was written by another version of cio-mcp; use that one, or move it away"),
        (meddled, "a token was not written by cio-mcp: must be area:permission"),
    ],
)
async def test_a_file_that_cannot_be_trusted_proves_nobody_and_says_why(
    path: Path, damage: Callable[[Path], None], told: str
) -> None:
    store = opened(path)
    token = await minted(store)
    await store.aclose()
    damage(path)
    for ask in (TokenAuthenticator(opened(path)).agent(token.text), opened(path).tokens()):
        with pytest.raises(TokensUnavailable) as raised:
            await ask
        assert str(raised.value).startswith(f"{path}: ")
        assert told in str(raised.value)
        assert token.text not in str(raised.value)


async def test_what_is_no_token_never_reaches_the_file(path: Path) -> None:
    store = opened(path)
    await minted(store)
    await store.aclose()
    overwritten(path)
    assert await TokenAuthenticator(store).agent("ciomcp_x") is None
    with pytest.raises(TokensUnavailable):
        await TokenAuthenticator(store).agent(mint()[0].reveal())


async def test_a_server_that_started_before_the_first_token_knows_it(path: Path) -> None:
    known = TokenAuthenticator(opened(path))
    assert await known.agent(mint()[0].reveal()) is None
    assert not path.parent.exists(), "asking makes nothing"
    token = await minted(opened(path))
    assert await known.agent(token.text)


def copied(path: Path) -> Path:
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    return copy


async def test_a_file_that_takes_the_place_of_another_decides_at_once(path: Path) -> None:
    other_path = path.with_name("other.tokens")
    store, other = opened(path), opened(other_path)
    here, there = await minted(store), await minted(other)
    known = TokenAuthenticator(store)
    assert await known.agent(here.text)
    await other.aclose()
    os.replace(other_path, path)  # noqa: PTH105 - as good as any
    assert await known.agent(here.text) is None
    assert await known.agent(there.text)
    await store.aclose()


def removed(path: Path) -> None:
    path.unlink()


async def test_a_file_that_is_taken_away_or_put_back_decides_at_once(path: Path) -> None:
    store = opened(path)
    token = await minted(store)
    known = TokenAuthenticator(store)
    await store.aclose()
    copy = copied(path)
    assert await known.agent(token.text)
    removed(path)
    assert await known.agent(token.text) is None
    shutil.move(copy, path)
    assert await known.agent(token.text)
    await store.aclose()


async def test_a_token_ends_to_the_second_by_the_stores_clock(path: Path) -> None:
    clock = Clock()
    store = opened(path, clock)
    token = await minted(store, lifetime=90.0)
    known = TokenAuthenticator(store)
    clock.time += 89.999
    assert await known.agent(token.text)
    clock.time += 0.001
    assert await known.agent(token.text) is None
    await store.aclose()


async def test_a_use_is_written_once_in_ten_minutes_however_many_servers_ask(path: Path) -> None:
    clock = Clock()
    servers = [TokenAuthenticator(opened(path, clock)) for _ in range(3)]
    token = await minted(opened(path, clock))
    with closing(sqlite3.connect(path)) as watching:
        written = [version(watching)]
        for seconds in (0, 1, NOTED_EVERY - 1.5, 1, 1):
            clock.time += seconds
            for server in servers * 20:
                assert await server.agent(token.text)
            written.append(version(watching))
    changed = [later != earlier for earlier, later in pairwise(written)]
    assert changed == [True, False, False, True, False]


def version(connection: sqlite3.Connection) -> int:
    """Return a number that changes when another connection has written (SQLite, "PRAGMA data_version")."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


async def test_a_use_that_cannot_be_written_now_holds_nobody_up(path: Path) -> None:
    store = opened(path)
    token = await minted(store)
    known = TokenAuthenticator(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        for _ in range(20):
            assert await known.agent(token.text)
        assert time.monotonic() - began < 1.0, "a lock is not waited for"
        other.execute("ROLLBACK")
    assert (await only(store)).used_at is None
    await store.aclose()


async def test_a_full_disk_or_a_read_only_one_keeps_nobody_out(path: Path) -> None:
    store = opened(path)
    token = await minted(store)
    assert (await store.look(token.id)).kept
    assert store._connection
    store._connection.execute("PRAGMA query_only = ON")
    assert await TokenAuthenticator(store).agent(token.text)
    assert (await only(store)).used_at is None
    await store.aclose()


@contextmanager
def server_process(path: Path) -> Iterator[Callable[[str], str]]:
    """Run a process that knows agents by the tokens of a file, and yield how it is asked."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "tests.agents.minting", str(path)],
        cwd=ROOT,
        env=CLEAN,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout

    def ask(token: str) -> str:
        return _asked(process.stdin, process.stdout, token)

    try:
        yield ask
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()


def _asked(given: IO[str] | None, answers: IO[str] | None, token: str) -> str:
    assert given
    assert answers
    given.write(f"{token}\n")
    given.flush()
    return answers.readline().strip()


async def test_a_revocation_reaches_every_process_within_a_second(path: Path) -> None:
    store = opened(path, Clock(time=SteadyClock().now()))
    token = await minted(store)
    with server_process(path) as one, server_process(path) as other, anyio.fail_after(PATIENCE):
        for ask in (one, other):
            assert ask(token.text) == "support-bot"
        assert await store.revoke(token.id)
        began = time.monotonic()
        assert [one(token.text), other(token.text)] == ["", ""], "the very next question"
        assert time.monotonic() - began < 1.0
        fresh = await minted(store)
        assert [one(fresh.text), other(fresh.text)] == ["support-bot"] * 2
    await store.aclose()


async def test_processes_that_make_the_first_token_at_once_end_with_one_file(path: Path) -> None:
    async def make() -> str:
        def run() -> str:
            program = (
                "import asyncio, sys; from pathlib import Path; from tests.agents.minting import *\n"
                "store = SqliteTokenStore(Path(sys.argv[1]), now=SteadyClock().now)\n"
                "print(asyncio.run(minted(store)).id)"
            )
            done = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-c", program, str(path)],
                cwd=ROOT, env=CLEAN, capture_output=True, text=True, timeout=PATIENCE, check=True,
            )  # fmt: skip
            return done.stdout.strip()

        return await anyio.to_thread.run_sync(run)

    made: list[str] = []

    async def keep() -> None:
        made.append(await make())

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(keep)
    tokens, _ = await opened(path).tokens()
    assert sorted(made) == sorted(kept.proof.id for kept in tokens)
    assert len(made) == 4
    assert not list(path.parent.glob("*.new"))
