"""A database as its users here see it: whole transactions, few connections, and plain words when it fails."""

import subprocess
import sys

import anyio
import pytest

from cio_mcp.postgres import READ, Database, Session, Unavailable
from tests.postgres_cluster import PASSWORD, postgres_cluster, postgres_url

__all__ = ["postgres_cluster", "postgres_url"]
pytestmark = pytest.mark.anyio


async def count(database: Database) -> int:
    [(found,)] = await database.run(
        lambda session: session.execute("SELECT count(*) FROM notes").fetchall(), begin=READ
    )
    return int(found)


def create(session: Session) -> None:
    session.execute("CREATE TABLE notes (text TEXT UNIQUE)")


async def test_a_transaction_is_whole_or_not_at_all(postgres_url: str) -> None:
    database = Database(postgres_url)
    await database.thread(database.ensure, "notes", 1, create)

    def twice(session: Session) -> None:
        session.execute("INSERT INTO notes VALUES (?)", ("one",))
        session.execute("INSERT INTO notes VALUES (?)", ("one",))

    def broken(session: Session) -> None:
        session.execute("INSERT INTO notes VALUES (?)", ("two",))
        raise LookupError

    with pytest.raises(Unavailable, match=r"duplicate key .* \(23505\)"):
        await database.run(twice)
    with pytest.raises(LookupError):
        await database.run(broken)
    assert await count(database) == 0
    await database.run(lambda session: session.execute("INSERT INTO notes VALUES (?)", ("100% ?",)))
    assert await count(database) == 1
    await database.aclose()


async def test_tables_are_made_once_and_their_version_is_kept(postgres_url: str) -> None:
    databases = [Database(postgres_url) for _ in range(4)]
    async with anyio.create_task_group() as tasks:
        for database in databases:
            tasks.start_soon(database.thread, database.ensure, "notes", 1, create)
    with pytest.raises(Unavailable, match="its tables of the notes are of version 1, this cio-mcp knows version 2"):
        await (other := Database(postgres_url)).thread(other.ensure, "notes", 2, create)
    for database in (*databases, other):
        await database.aclose()


async def test_a_call_waits_only_so_long_for_a_connection(postgres_url: str) -> None:
    database = Database(postgres_url, size=1, patience=0.1)
    started = anyio.Event()

    async def long() -> None:
        started.set()
        await database.run(lambda session: session.execute("SELECT pg_sleep(1)").fetchall())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(long)
        await started.wait()
        await anyio.lowlevel.checkpoint()
        with pytest.raises(Unavailable, match=r"all 1 connections have been busy for 0\.1 s"):
            await database.run(lambda session: session.execute("SELECT 1").fetchall())
    await database.aclose()


async def test_many_calls_share_few_connections(postgres_url: str) -> None:
    database = Database(postgres_url, size=3)
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(database.run, lambda session: session.execute("SELECT 1").fetchall())
    [(used,)] = await database.run(
        lambda session: session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cio-mcp' AND datname = current_database()"
        ).fetchall()
    )
    assert 1 <= used <= 3
    await database.aclose()


async def test_where_nobody_listens_it_says_so_without_the_password(postgres_url: str) -> None:
    nowhere = Database(postgres_url.rpartition(":")[0] + ":1/nowhere")
    with pytest.raises(Unavailable, match=r"^postgresql://127\.0\.0\.1:1/nowhere: .*Connection refused") as refused:
        await nowhere.run(lambda session: session.execute("SELECT 1"))
    assert PASSWORD not in str(refused.value)


def test_without_the_extra_it_names_the_extra() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from cio_mcp.postgres import Database\n"
        "try: Database('postgresql://127.0.0.1/x').connect()\n"
        "except OSError as error: sys.exit(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60)  # noqa: S603 - ours
    assert done.stderr.strip().endswith("pip install 'cio-mcp[postgres]'")
