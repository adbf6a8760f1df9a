"""Whom tokens prove, over a file and over a database: the same words, on real ones."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from cio_mcp.agents import Agent
from cio_mcp.agents.token_store import Permit, TokenState, TokenStore, TokensUnavailable
from cio_mcp.agents.token_store_postgres import HOLDS, PostgresTokenStore
from cio_mcp.agents.token_store_sqlite import SqliteTokenStore
from cio_mcp.agents.tokens import TokenAuthenticator, mint, public_name
from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.policy import ANY, Grant
from cio_mcp.postgres import Database, Session
from tests.agents.minting import READS, Clock, minted, only
from tests.postgres_cluster import postgres_cluster, postgres_url

__all__ = ["postgres_cluster", "postgres_url"]

pytestmark = pytest.mark.anyio
SIZE = 20


@pytest.fixture(params=["file", "database"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TokenStore]:
    """Yield an empty store of each kind."""
    if request.param == "file":
        kept = SqliteTokenStore(tmp_path / "ledger.tokens", now=SteadyClock().now)
        yield kept
        await kept.aclose()
        return
    database = Database(request.getfixturevalue("postgres_url"))
    yield PostgresTokenStore(database)
    await database.aclose()


@pytest.fixture
def known(store: TokenStore) -> TokenAuthenticator:
    """Return who asks the store."""
    return TokenAuthenticator(store)


async def test_a_token_proves_its_agent_with_all_that_it_was_given(
    store: TokenStore, known: TokenAuthenticator
) -> None:
    grants = frozenset({Grant("messaging", "send"), Grant(ANY, "read"), Grant("people", ANY)})
    permit = Permit(agent="agent é 日本", grants=grants, workspaces=frozenset({"eu, main", "us"}), is_operator=True)
    token = await minted(store, permit, lifetime=3600)
    expires_at = token.kept.expires_at
    assert await known.agent(token.text) == Agent(
        name="agent é 日本",
        grants=grants,
        workspaces=frozenset({"eu, main", "us"}),
        is_operator=True,
        expires_at=expires_at,
    )
    assert expires_at == pytest.approx(token.kept.created_at + 3600, abs=0.01)


async def test_a_token_without_grants_is_granted_nothing_rather_than_everything(
    store: TokenStore, known: TokenAuthenticator
) -> None:
    token = await minted(store, Permit(agent="console", grants=frozenset(), is_operator=True))
    found = await known.agent(token.text)
    assert found
    assert (found.grants, found.workspaces, found.expires_at) == (frozenset(), None, None)


async def test_an_empty_store_knows_nobody(store: TokenStore, known: TokenAuthenticator) -> None:
    assert await known.agent(mint()[0].reveal()) is None
    assert (await store.tokens())[0] == []


async def test_a_known_id_with_another_secret_proves_nobody(
    store: TokenStore, known: TokenAuthenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await minted(store)
    letters = iter(token.id)
    with monkeypatch.context() as patched:
        patched.setattr("secrets.choice", lambda alphabet: next(letters, alphabet[-1]))
        forged = mint()[0].reveal()
    assert forged.startswith(public_name(token.id))
    assert await known.agent(forged) is None
    assert await known.agent(token.text)


@pytest.mark.parametrize("text", ["", "x", "ciomcp_", "a.b.c", "\x00", "\ud800", "ciomcp_" + "2" * 12, "x" * 1_000_000])
async def test_what_is_no_token_proves_nobody(store: TokenStore, known: TokenAuthenticator, text: str) -> None:
    await minted(store)
    assert await known.agent(text) is None


async def test_a_cut_or_changed_token_proves_nobody(store: TokenStore, known: TokenAuthenticator) -> None:
    token = await minted(store)
    for text in (token.text[:-1], token.text + "x", token.text.swapcase(), f" {token.text}", f"{token.text}\n"):
        assert await known.agent(text) is None


async def test_a_revoked_token_proves_nobody_from_the_next_call_on(
    store: TokenStore, known: TokenAuthenticator
) -> None:
    token = await minted(store)
    assert await known.agent(token.text)
    assert await store.revoke(token.id)
    assert await known.agent(token.text) is None
    kept, (_, now) = await only(store), await store.tokens()
    assert kept.state(now) is TokenState.REVOKED
    revoked_at = kept.revoked_at
    assert not await store.revoke(token.id)
    assert (await only(store)).revoked_at == revoked_at


async def test_an_expired_token_proves_nobody(store: TokenStore, known: TokenAuthenticator) -> None:
    assert await known.agent((await minted(store, lifetime=-0.001)).text) is None
    assert await known.agent((await minted(store, lifetime=60)).text)


async def test_a_token_ends_while_it_is_used(store: TokenStore, known: TokenAuthenticator) -> None:
    token = await minted(store, lifetime=0.3)
    with anyio.fail_after(5):
        while await known.agent(token.text):
            await checkpoint()
    assert (await store.look(token.id)).now >= token.kept.created_at + 0.3


async def test_two_tokens_of_one_agent_live_side_by_side_and_end_alone(
    store: TokenStore, known: TokenAuthenticator
) -> None:
    old, new = await minted(store), await minted(store)
    assert await known.agent(old.text) == await known.agent(new.text)
    assert await store.revoke(old.id)
    assert [await known.agent(each.text) is None for each in (old, new)] == [True, False]
    assert [kept.proof.id for kept in (await store.tokens())[0]] == [old.id, new.id]


async def test_nothing_is_revoked_that_is_not_there(store: TokenStore) -> None:
    assert not await store.revoke("22222222222z")
    token = await minted(store)
    assert not await store.revoke("22222222222z")
    assert (await only(store)).proof.id == token.id


async def test_an_id_is_never_given_twice(store: TokenStore) -> None:
    token = await minted(store)
    _, proof = mint()
    assert proof.id != token.id
    with pytest.raises(TokensUnavailable) as told:
        await store.add(token.kept.proof, READS, by="ada", lifetime=None)
    assert token.text not in str(told.value)
    assert await only(store) == token.kept


async def test_the_last_use_is_kept_once_in_a_while(store: TokenStore, known: TokenAuthenticator) -> None:
    token = await minted(store)
    assert (await only(store)).used_at is None
    assert await known.agent(token.text)
    used_at = (await only(store)).used_at
    assert used_at is not None
    for asking in (known, TokenAuthenticator(store)):
        assert await asking.agent(token.text)
    assert (await only(store)).used_at == used_at
    await store.note_use(token.id, every=0)
    assert (await only(store)).used_at != used_at


async def test_many_ask_at_once(store: TokenStore, known: TokenAuthenticator) -> None:
    tokens = [await minted(store, Permit(agent=f"agent-{n}", grants=READS.grants)) for n in range(SIZE)]
    named: dict[int, str] = {}

    async def ask(number: int) -> None:
        found = await known.agent(tokens[number].text)
        assert found
        named[number] = found.name

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for number in range(SIZE):
                group.start_soon(ask, number)
    assert named == {number: f"agent-{number}" for number in range(SIZE)}


async def test_the_use_of_an_ended_token_is_logged_once_by_its_id_alone(
    store: TokenStore, known: TokenAuthenticator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = await minted(store)
    assert await known.agent(token.text)
    await store.revoke(token.id)
    for _ in range(3):
        assert await known.agent(token.text) is None
    [record] = [each for each in caplog.records if each.name.startswith("cio_mcp")]
    assert record.getMessage() == f"{public_name(token.id)} of support-bot is still used, but revoked"
    assert token.text not in caplog.text
    assert token.text[-20:] not in caplog.text


async def test_a_revocation_reaches_other_replicas_within_a_second(postgres_url: str) -> None:
    databases = [Database(postgres_url) for _ in range(3)]
    here, *others = (PostgresTokenStore(database) for database in databases)
    token = await minted(here)
    replicas = [TokenAuthenticator(other) for other in others]
    for replica in replicas:
        assert await replica.agent(token.text)
    assert await here.revoke(token.id)
    with anyio.fail_after(5):  # how long a look is held, the next test tells
        for replica in replicas:
            while await replica.agent(token.text):
                await checkpoint()
    for database in databases:
        await database.aclose()


async def test_a_look_at_a_database_is_held_for_a_quarter_of_a_second_and_no_longer(postgres_url: str) -> None:
    database, clock = Database(postgres_url), Clock()
    store = PostgresTokenStore(database, ran=clock.now)
    token = await minted(store, lifetime=1000)
    first = await store.look(token.id)
    assert await PostgresTokenStore(database).revoke(token.id)
    clock.time += HOLDS - 0.01
    held = await store.look(token.id)
    assert held.kept == first.kept
    assert held.now == pytest.approx(first.now + HOLDS - 0.01, abs=0.001), "time goes on meanwhile"
    clock.time += 0.01
    looked = (await store.look(token.id)).kept
    assert looked
    assert looked.revoked_at
    await database.aclose()


async def test_of_what_strangers_name_nothing_is_held(postgres_url: str) -> None:
    database = Database(postgres_url)
    store = PostgresTokenStore(database)
    known = TokenAuthenticator(store)
    for _ in range(50):
        assert await known.agent(mint()[0].reveal()) is None
    assert store._held == {}
    assert known._noted == {}
    await database.aclose()


async def test_a_database_that_is_not_there_proves_nobody_and_is_named_without_its_password() -> None:
    known = TokenAuthenticator(PostgresTokenStore(Database("postgresql://cio:canary-password@127.0.0.1:1/tokens")))
    text = mint()[0].reveal()
    with anyio.fail_after(10), pytest.raises(TokensUnavailable) as told:
        await known.agent(text)
    assert str(told.value).startswith("postgresql://127.0.0.1:1/tokens: ")
    assert "canary-password" not in str(told.value)
    assert text not in str(told.value)
    assert await known.agent("ciomcp_x") is None, "what is no token never reaches the database"


async def test_tables_of_another_version_are_refused(postgres_url: str) -> None:
    database, later = Database(postgres_url), Database(postgres_url)
    token = await minted(PostgresTokenStore(database))

    def change(session: Session) -> None:
        session.execute("UPDATE versions SET version = 2 WHERE part = 'tokens'")

    await database.run(change)
    with pytest.raises(TokensUnavailable, match="of version 2, this cio-mcp knows version 1"):
        await PostgresTokenStore(later).look(token.id)
    await database.aclose()
    await later.aclose()
