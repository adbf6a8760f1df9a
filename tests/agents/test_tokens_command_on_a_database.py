"""`cio-mcp token` where replicas share a database: the same words, the same promises."""

import json
from collections.abc import Callable

import anyio
import pytest

from cio_mcp.agents import Agent
from cio_mcp.agents.token_store_postgres import PostgresTokenStore
from cio_mcp.agents.tokens import TokenAuthenticator, id_in, public_name
from cio_mcp.postgres import Database
from tests.cli.commands import Ended, run
from tests.postgres_cluster import PASSWORD, postgres_cluster, postgres_url

__all__ = ["postgres_cluster", "postgres_url"]

KEY = {"CIO_MCP_LEDGER_KEY": "canary-ledger-key-" * 3}
CREATE = ("create", "support-bot", "--grant", "customers:read")
Token = Callable[..., Ended]


@pytest.fixture
def token(postgres_url: str) -> Token:
    """Run the command as a person does who administers the database."""
    return lambda *words, **env: run("token", *words, env={"CIO_MCP_STORE": postgres_url, **KEY, **env})


def proven(url: str, text: str) -> Agent | None:
    async def ask() -> Agent | None:
        database = Database(url)
        found = await TokenAuthenticator(PostgresTokenStore(database)).agent(text)
        await database.aclose()
        return found

    return anyio.run(ask)


def test_a_token_is_made_listed_and_ended_in_the_database_and_recorded_there(token: Token, postgres_url: str) -> None:
    made = token(*CREATE)
    text = made.out.strip()
    assert made.code == 0, made.err
    found = proven(postgres_url, text)
    assert found
    assert found.name == "support-bot"
    [listed] = (json.loads(line) for line in token("list", "--json").out.splitlines())
    assert (listed["id"], listed["state"], "used" in listed) == (public_name(id_in(text)), "active", True)
    assert token("revoke", "support-bot").code == 0
    assert proven(postgres_url, text) is None
    exported = run("audit", "export", env={"CIO_MCP_STORE": postgres_url, **KEY})
    records = [json.loads(line) for line in exported.out.splitlines()]
    told = [record for record in records if record["kind"].startswith("token ")]
    assert [(record["kind"], record["token"]) for record in told] == [
        ("token created", public_name(id_in(text))),
        ("token revoked", public_name(id_in(text))),
    ]
    assert text.rpartition("_")[2][:12] not in exported.out


def test_without_the_ledgers_key_a_token_is_ended_but_none_is_made(token: Token, postgres_url: str) -> None:
    text = token(*CREATE).out.strip()
    without = {"CIO_MCP_LEDGER_KEY": ""}
    assert "CIO_MCP_LEDGER_KEY is not set" in token(*CREATE, **without).sentence(1)
    ended = token("revoke", text[:19], **without)
    assert (ended.code, ended.out.startswith("Revoked: ")) == (0, True)
    assert "stands in no record" in ended.err
    assert proven(postgres_url, text) is None
    assert len(token("list", **without).out.splitlines()) == 1


@pytest.mark.parametrize(
    ("store", "told"),
    [
        ("postgresql://cio:canary-password@127.0.0.1:1/tokens", "postgresql://127.0.0.1:1/tokens: "),
        (
            "mysql://canary-password@127.0.0.1/x",
            "--store must be written as postgresql://USER:PASSWORD@HOST:PORT/DATAB",
        ),
        ("canary-password", "--store must be written as postgresql://"),
    ],
)
@pytest.mark.parametrize("words", [CREATE, ("list",), ("revoke", "a")])
def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    words: tuple[str, ...], store: str, told: str
) -> None:
    ended = run("token", *words, env={"CIO_MCP_STORE": store, **KEY}).sentence(1)
    assert told in ended
    assert "canary-password" not in ended


def test_a_wrong_password_is_told_and_not_repeated(postgres_url: str) -> None:
    wrong = postgres_url.replace(PASSWORD, "canary-wrong-password")
    ended = run("token", "list", env={"CIO_MCP_STORE": wrong}).sentence(1)
    assert "cio-mcp: postgresql://127.0.0.1:" in ended
    assert "canary-wrong-password" not in ended
