"""What the commands say of servers that share a database: their settings, and what `doctor` finds."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import run
from tests.ledger.engine import SECRET
from tests.limiter_engine.servers import RedisServer
from tests.postgres_cluster import PASSWORD, postgres_cluster, postgres_url

__all__ = ["postgres_cluster", "postgres_url"]
SEND = '{"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "transactional_message_id": 1}'


@pytest.fixture
def shared(sandbox_variables: dict[str, str], postgres_url: str) -> dict[str, str]:
    """Return the variables of a server on a database of its own."""
    return {**sandbox_variables, "CIO_MCP_LEDGER": "", "CIO_MCP_STORE": postgres_url, "CIO_MCP_LEDGER_KEY": SECRET}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.kill()


def test_a_call_is_recorded_in_the_database_and_doctor_finds_it_there(shared: dict[str, str]) -> None:
    before = run("doctor", env=shared)
    assert run("call", "send_email", SEND, env=shared).code == 0
    after = run("doctor", env=shared)
    assert (before.code, after.code) == (0, 0)
    assert "note Ledger: " in before.out
    assert "a server makes it when it starts" in before.out
    assert re.search(r"ok   Ledger: postgresql://.* has [1-9]\d* records; `cio-mcp audit verify` checks", after.out)
    assert "ok   Shared limits: postgresql://127.0.0.1" in after.out
    assert PASSWORD not in before.out + after.out
    assert run("audit", "show", env=shared).out.count("send_email") == 2
    assert "records hold" in run("audit", "verify", env=shared).out


def test_a_stop_in_the_database_is_found_and_refuses_the_next_call(shared: dict[str, str]) -> None:
    assert run("call", "send_email", SEND, env=shared).code == 0
    assert run("stop", env=shared).code == 0
    assert "BAD  Stop: all writes are stopped since" in run("doctor", env=shared).out
    assert "writes_stopped" in run("call", "identify_person", '{"identifier": "ada-1"}', env=shared).err
    assert run("call", "list_segments", env=shared).code == 0


def test_a_database_that_is_away_is_named_reads_go_on_and_writes_are_refused(shared: dict[str, str]) -> None:
    away = {**shared, "CIO_MCP_STORE": shared["CIO_MCP_STORE"].rpartition(":")[0] + ":1/nowhere"}
    told = run("doctor", env=away)
    assert told.code == 1
    assert "BAD  Ledger: postgresql://127.0.0.1:1/nowhere: " in told.out
    assert "BAD  Shared limits: " in told.out
    assert run("call", "list_segments", env=away).code == 0
    written = run("call", "send_email", SEND, env=away)
    assert "not_recorded" in written.err
    assert PASSWORD not in told.out + told.err + written.err


def test_limits_in_redis_are_looked_for_as_well(shared: dict[str, str], redis: RedisServer) -> None:
    through = {**shared, "CIO_MCP_LIMITER": redis.url}
    assert f"ok   Shared limits: redis://127.0.0.1:{redis.port}" in run("doctor", env=through).out
    assert run("call", "list_segments", env=through).code == 0
    redis.kill()
    told = run("doctor", env=through)
    assert (told.code, "until it answers, each server keeps to 1/1 of them" in told.out) == (1, True)
    assert run("call", "list_segments", env=through).code == 0
    strict = run("call", "list_segments", env={**through, "CIO_MCP_LIMITER_STRICT": "true"})
    assert "unavailable" in strict.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"CIO_MCP_LEDGER_KEY": ""}, "--store needs CIO_MCP_LEDGER_KEY"),
        ({"CIO_MCP_LEDGER": "memory"}, "leave one of them out"),
    ],
)
def test_settings_that_do_not_fit_a_store_end_the_start(
    shared: dict[str, str], change: dict[str, str], said: str
) -> None:
    assert said in run("serve", env={**shared, **change}, given=b"").sentence(2)
