"""A ledger on PostgreSQL keeps its promises when its database goes away, changes hands, or is meddled with."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from urllib.parse import quote

import anyio
import pytest

from cio_mcp.ledger.chain import Flaw
from cio_mcp.ledger.keys import keys_of
from cio_mcp.ledger.postgres import PostgresLedger
from cio_mcp.ledger.retention import STEP, Retention
from cio_mcp.ledger.terms import Cap, Ending, Overspent, Repeated, State, Terms, Unrecorded
from cio_mcp.postgres import Database
from tests.ledger.book import DAY, FAILED, OK, PATIENCE, UNKNOWN, Calls, confirmation, second
from tests.ledger.engine import KEYS, EngineClock, changed, run
from tests.ledger.worlds import at, kinds
from tests.postgres_cluster import PASSWORD, Cluster

pytestmark = pytest.mark.anyio
HELD = Terms(repeat_within=600)


@pytest.fixture
async def ledger(postgres_url: str) -> AsyncIterator[PostgresLedger]:
    ledger = PostgresLedger(Database(postgres_url), KEYS)
    yield ledger
    await ledger.aclose()


def end_connections(url: str) -> int:
    """End every connection to a database but this one, as a failover or a firewall does."""
    ended = run(
        url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    return len(ended)


async def no_attempt_may_leave(ledger: PostgresLedger) -> None:
    """Return once a look at the stop is refused: it is shared for a moment."""
    with anyio.fail_after(1):
        while True:
            try:
                await ledger.stopped()
            except Unrecorded:
                return
            await anyio.sleep(0.01)


# -- the database goes away ------------------------------------------------------------------------


async def test_while_the_database_is_away_writes_are_refused_and_afterwards_all_goes_on(
    postgres_cluster: Cluster, ledger: PostgresLedger, calls: Calls
) -> None:
    sent = calls.intent(fingerprint="sent")
    await ledger.begin(sent, HELD)
    assert await ledger.stopped() is None
    postgres_cluster.stop()
    try:
        for _ in range(2):
            with pytest.raises(Unrecorded, match="Connection refused") as refused:
                await ledger.begin(calls.intent(), HELD)
            assert PASSWORD not in str(refused.value)
            assert str(refused.value).startswith("postgresql://127.0.0.1:")
        await no_attempt_may_leave(ledger)
        with pytest.raises(Unrecorded):
            await ledger.conclude(sent, OK)
    finally:
        postgres_cluster.start()
    assert await ledger.stopped() is None
    await ledger.begin(calls.intent(), HELD)
    known = await ledger.operation(sent.operation)
    assert known is not None
    assert known.outcome == OK, "an end that was owed is recorded with the next write"
    assert (await ledger.verify()).fault is None


async def test_a_restart_between_two_calls_is_not_noticed(
    postgres_cluster: Cluster, ledger: PostgresLedger, calls: Calls
) -> None:
    first = calls.intent()
    await ledger.begin(first, HELD)
    await ledger.conclude(first, OK)
    postgres_cluster.restart()
    await ledger.begin(calls.intent(), HELD)
    assert await kinds(ledger) == ["created", "intent", "outcome", "intent"]


async def test_what_is_owed_is_recorded_when_the_ledger_is_closed(
    postgres_cluster: Cluster, postgres_url: str, calls: Calls
) -> None:
    ledger, call = PostgresLedger(Database(postgres_url), KEYS), calls.intent()
    await ledger.begin(call, Terms())
    postgres_cluster.stop()
    try:
        with pytest.raises(Unrecorded):
            await ledger.conclude(call, OK)
    finally:
        postgres_cluster.start()
    await ledger.aclose()
    async with at(postgres_url) as world:
        known = await world.ledger.operation(call.operation)
        assert known is not None
        assert known.outcome == OK


async def test_a_read_that_could_not_be_recorded_is_not_owed(
    postgres_cluster: Cluster, ledger: PostgresLedger, calls: Calls
) -> None:
    await ledger.head()
    postgres_cluster.stop()
    try:
        with pytest.raises(Unrecorded):
            await ledger.conclude(calls.intent(access="read", recipients=0), OK)
    finally:
        postgres_cluster.start()
    await ledger.begin(calls.intent(), Terms())
    assert await kinds(ledger) == ["created", "intent"]


async def test_connections_that_hang_in_a_transaction_do_not_hold_the_others_up_for_ever(
    postgres_url: str, ledger: PostgresLedger, calls: Calls
) -> None:
    await ledger.head()
    hanging = Database(postgres_url).connect()
    hanging.execute("BEGIN")
    hanging.execute("SELECT pg_advisory_xact_lock(?::bigint)", (0x63696F_6C6467,))
    with pytest.raises(Unrecorded, match="others have held it for too long"):
        await ledger.begin(calls.intent(), Terms())
    with anyio.fail_after(PATIENCE):
        while hanging.is_usable():  # noqa: ASYNC110 - the server ends it, and tells only this connection
            await anyio.sleep(0.1)
    await ledger.begin(calls.intent(), Terms())
    hanging.close()


async def test_who_is_cancelled_while_an_intent_is_recorded_learns_of_it_when_it_is(
    postgres_url: str, ledger: PostgresLedger, calls: Calls
) -> None:
    await ledger.head()
    hanging, call = Database(postgres_url).connect(), calls.intent()
    hanging.execute("BEGIN")
    hanging.execute("SELECT pg_advisory_xact_lock(?::bigint)", (0x63696F_6C6467,))

    async def begun() -> None:
        await ledger.begin(call, Terms())
        began.set()

    began = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begun)
        with anyio.fail_after(PATIENCE):
            while run(postgres_url, "SELECT 1 FROM pg_locks WHERE NOT granted") == []:  # noqa: ASYNC110 - another's
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
        hanging.execute("ROLLBACK")
    hanging.close()
    known = await ledger.operation(call.operation)
    assert (known is not None, began.is_set()) == (True, True)


# -- this process loses its presence ---------------------------------------------------------------


async def test_a_process_that_loses_its_connections_keeps_what_nobody_has_concluded(
    postgres_url: str, ledger: PostgresLedger, calls: Calls
) -> None:
    call = calls.intent()
    await ledger.begin(call, HELD)
    assert end_connections(postgres_url) >= 2
    assert await ledger.stopped() is None
    async with at(postgres_url) as other:
        assert await other.ledger.unknown("local", limit=9) == []
    await ledger.conclude(call, OK)
    assert await kinds(ledger) == ["created", "intent", "outcome"]


async def test_no_attempt_leaves_for_what_counts_as_unknown_elsewhere_and_its_end_is_recorded_late(
    postgres_url: str, ledger: PostgresLedger, calls: Calls
) -> None:
    strayed, later = calls.intent(fingerprint="strayed"), calls.intent()
    await ledger.begin(strayed, HELD)
    end_connections(postgres_url)
    async with at(postgres_url) as other:
        [found] = await other.ledger.unknown("local", limit=9)
        assert found.intent == strayed
        with pytest.raises(Unrecorded, match="1 writes were under way here, and they count as unknown elsewhere"):
            await ledger.stopped()
        await ledger.begin(later, HELD)
        with pytest.raises(Unrecorded):
            await ledger.stopped()
        await ledger.conclude(strayed, OK)
        assert await ledger.stopped() is None
        known = await other.ledger.operation(strayed.operation)
        assert known is not None
        assert known.outcome == OK
        assert (await other.office.verify()).fault is None


async def test_an_idle_process_without_anything_open_comes_back_unnoticed(
    postgres_url: str, ledger: PostgresLedger, calls: Calls
) -> None:
    for _ in range(3):
        call = calls.intent()
        await ledger.begin(call, HELD)
        await ledger.conclude(call, OK)
        assert await ledger.stopped() is None
        end_connections(postgres_url)
    assert await ledger.unknown("local", limit=9) == []


async def test_connections_that_break_at_any_moment_lose_nothing_and_exceed_nothing(postgres_url: str) -> None:
    cap, calls, processes = 150, 300, 3
    async with at(postgres_url) as world:
        await world.office.head()
    with ExitStack() as stack:
        others = [
            stack.enter_context(second("endure", postgres_url, f"p{number}", cap, calls)) for number in range(processes)
        ]
        for other in others:
            assert other.answer() == "ready"
        for other in others:
            other.go()
        ended = 0
        for _ in range(20):
            await anyio.sleep(0.05)
            ended += end_connections(postgres_url)
        told = [other.answer() for other in others]
        assert [other.end() for other in others] == [0] * processes
    assert ended, "nothing was broken"
    granted = {operation for names, _ in told for operation in names}
    assert len(granted) <= cap
    async with at(postgres_url) as world:
        assert (await world.office.verify()).fault is None
        endings = dict(run(postgres_url, "SELECT operation, ending FROM operations"))
        assert {endings[operation] for operation in granted} == {"ok"}
        assert {ending for operation, ending in endings.items() if operation not in granted} <= {"refused"}


# -- somebody meddles ------------------------------------------------------------------------------


@pytest.fixture
async def told(postgres_url: str) -> str:
    """Return a ledger with every kind of operation in it: ok, failed, unknown, settled, open, recovered, a read."""
    calls = Calls()
    async with at(postgres_url) as world:
        for outcome in (OK, FAILED, UNKNOWN, UNKNOWN):
            call = calls.intent()
            await world.ledger.begin(call, Terms())
            await world.ledger.conclude(call, outcome)
        await world.ledger.settle("op-000004", Ending.OK, "list_person_messages")
        await world.ledger.conclude(calls.intent(access="read", recipients=0, fingerprint=""), OK)
        await world.ledger.begin(calls.intent(), Terms())
    async with at(postgres_url) as world:
        with anyio.fail_after(PATIENCE):
            while len(await world.ledger.unknown("local", limit=9)) < 2:  # noqa: ASYNC110 - the engine hears of its end
                await anyio.sleep(0.01)
        assert (await world.office.verify()).fault is None
    return postgres_url


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("UPDATE records SET body = replace(body, '\"ok\"', '\"failed\"') WHERE seq = 3", Flaw.CHANGED),
        ("UPDATE records SET mac = decode(repeat('00', 32), 'hex') WHERE seq = 3", Flaw.CHANGED),
        ("UPDATE records SET seq = 900 WHERE seq = 3", Flaw.REORDERED),
        ("DELETE FROM records WHERE seq = 3", Flaw.REMOVED),
        ("INSERT INTO records SELECT 900, operation, body, mac FROM records WHERE seq = 3", Flaw.DUPLICATED),
        ("UPDATE base SET seq = 1, mac = (SELECT mac FROM records WHERE seq = 1)", Flaw.DUPLICATED),
        ("UPDATE records SET operation = 'op-other' WHERE seq = 3", Flaw.INDEX),
        ("UPDATE operations SET ending = 'failed' WHERE operation = 'op-000003'", Flaw.INDEX),
        ("UPDATE operations SET ending = NULL, outcome_seq = NULL WHERE operation = 'op-000001'", Flaw.INDEX),
        ("UPDATE operations SET tick = tick - 90000 WHERE operation = 'op-000001'", Flaw.INDEX),
        ("UPDATE operations SET recipients = 0 WHERE operation = 'op-000001'", Flaw.INDEX),
        ("DELETE FROM operations WHERE operation = 'op-000001'", Flaw.INDEX),
        ("DELETE FROM records WHERE seq = (SELECT max(seq) FROM records)", Flaw.INDEX),
    ],
)
async def test_tampering_is_found(told: str, statement: str, flaw: Flaw) -> None:
    assert changed(told, statement) == 1, "a change that changes nothing shows nothing"
    async with at(told) as world:
        fault = (await world.office.verify()).fault
    assert fault is not None
    assert fault.flaw is flaw


async def test_a_ledger_whose_base_is_gone_takes_no_writes(told: str) -> None:
    assert changed(told, "DELETE FROM clock") == 1
    async with at(told) as world:
        with pytest.raises(Unrecorded, match="its clock or its base is gone"):
            await world.ledger.begin(Calls().intent(operation="op-new"), Terms())


async def test_another_key_is_refused(told: str) -> None:
    other = PostgresLedger(Database(told), keys_of("another-canary-key-" * 3))
    for attempt in (other.begin(Calls().intent(operation="op-new"), Terms()), other.verify()):
        with pytest.raises(Unrecorded, match="the ledger's key is not the one that it was made with"):
            await attempt
    await other.aclose()


async def test_tables_of_another_version_are_refused(told: str) -> None:
    assert changed(told, "UPDATE versions SET version = 900 WHERE part = 'ledger'") == 1
    async with at(told) as world:
        with pytest.raises(Unrecorded, match="are of version 900, this cio-mcp knows version"):
            await world.ledger.begin(Calls().intent(operation="op-new"), Terms())


async def test_looking_makes_no_ledger(postgres_url: str) -> None:
    ledger = PostgresLedger(Database(postgres_url), KEYS, make=False)
    with pytest.raises(Unrecorded, match="there is no ledger; a server makes it"):
        await ledger.head()
    assert run(postgres_url, "SELECT 1 FROM pg_namespace WHERE nspname = 'cio_mcp'") == []
    await ledger.aclose()


async def test_records_are_found_by_an_identifier(ledger: PostgresLedger, calls: Calls) -> None:
    mark = f"hmac:{ledger.digest('identifier', 'a3000001')[:16]}"
    await ledger.conclude(calls.intent(operation="op-ada", arguments={"to": ["hmac:0", mark]}), OK)
    assert [record["operation"] for record in await ledger.find("cio_A3000001")] == ["op-ada"]
    assert await ledger.find("bob@example.com") == []


# -- durability ------------------------------------------------------------------------------------


async def test_an_intent_is_durable_although_the_server_says_otherwise(
    postgres_url: str, ledger: PostgresLedger, calls: Calls
) -> None:
    name = postgres_url.rpartition("/")[2]
    run(postgres_url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    session = Database(postgres_url).connect()
    assert session.execute("SHOW synchronous_commit").fetchall() == [("on",)]
    session.close()
    await ledger.begin(calls.intent(), Terms())


# -- time and retention ----------------------------------------------------------------------------


async def test_ages_are_counted_by_the_engine_and_exact_for_everybody(
    postgres_url: str, ledger: PostgresLedger
) -> None:
    call = Calls().intent()
    await ledger.begin(call, Terms())
    await ledger.conclude(call, UNKNOWN)
    EngineClock(url=postgres_url).run(50)
    async with at(postgres_url) as other:
        for each in (ledger, other.ledger):
            [known] = await each.unknown("local", limit=9)
            assert known.age == pytest.approx(50, abs=30)
            assert known.age >= 50
            assert known.is_timed


async def test_an_engine_whose_clock_is_set_back_lets_no_window_pass_early(
    postgres_url: str, ledger: PostgresLedger, calls: Calls
) -> None:
    capped = Terms(caps=[Cap(recipients=1, seconds=60)])
    await ledger.begin(calls.intent(), capped)
    # As if the last moment had been seen a day later than the clock shows now.
    run(postgres_url, "UPDATE clock SET now = now + ?", (DAY,))
    for _ in range(2):
        with pytest.raises(Overspent):
            await ledger.begin(calls.intent(), capped)
    await ledger.begin(calls.intent(recipients=0), capped)  # from here on time is counted from the clock as it is
    EngineClock(url=postgres_url).run(61)
    await ledger.begin(calls.intent(), capped)


async def test_records_past_their_days_go_and_what_matters_stays(postgres_url: str, calls: Calls) -> None:
    capped = Terms(repeat_within=600, caps=[Cap(recipients=1, seconds=DAY)])
    async with at(postgres_url) as world:
        sent, lost = calls.intent(), calls.intent(fingerprint="lost", recipients=0)
        uncounted = calls.intent(tool="trigger_broadcast", fingerprint="uncounted", recipients=0)
        for call, outcome in ((sent, OK), (lost, UNKNOWN), (uncounted, OK)):
            await world.ledger.begin(call, capped)
            await world.ledger.conclude(call, outcome)
        for _ in range(STEP):
            await world.ledger.conclude(calls.intent(access="read", recipients=0), OK)
        early = await world.office.head()
    short = PostgresLedger(Database(postgres_url), KEYS, keep=Retention(days=0))
    assert await short.prune() == early.seq
    assert set(await kinds(short)) == {"carried", "checkpoint"}
    verdict = await short.verify(str(early))
    assert (verdict.fault, verdict.base) == (None, early)
    with pytest.raises(Overspent):
        await short.begin(calls.intent(), capped)
    for held in ("lost", "uncounted"):
        with pytest.raises(Repeated):
            await short.begin(calls.intent(fingerprint=held, recipients=0), capped)
    await short.aclose()


async def test_a_ledger_that_is_too_large_loses_its_oldest_records_while_it_is_written(
    postgres_url: str, calls: Calls
) -> None:
    ledger = PostgresLedger(Database(postgres_url), KEYS, keep=Retention(megabytes=0.1))
    for _ in range(700):
        await ledger.conclude(calls.intent(access="read", recipients=0), OK)
    assert 50 < len(await ledger.records()) < 450
    assert (await ledger.verify()).fault is None
    await ledger.aclose()


# -- what is said ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace(PASSWORD, "wrong-canary"), "password authentication failed"),
        (lambda url: f"{url}?sslmode={PASSWORD}", "invalid sslmode value"),
        (lambda url: f"{url}?nonsense={PASSWORD}", "invalid URI query parameter"),
        (lambda url: url.replace(PASSWORD, f"{PASSWORD}%zz"), "invalid percent-encoded token"),
        (lambda url: f"{url}-nowhere", "does not exist"),
    ],
    ids=["password", "value", "parameter", "token", "database"],
)
async def test_what_is_wrong_with_an_address_is_said_without_its_password(
    postgres_url: str, change: Callable[[str], str], said: str
) -> None:
    ledger = PostgresLedger(Database(change(postgres_url)), KEYS)
    with pytest.raises(Unrecorded, match=said) as refused:
        await ledger.head()
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://cio:{PASSWORD}@127.0.0.1/x",
        f"postgresql://cio:{PASSWORD}@127.0.0.1",
        f"postgresql://cio:{PASSWORD}@127.0.0.1:port/x",
        f"postgresql://cio:{quote(PASSWORD)}@[127/x",
        PASSWORD,
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="must be written as postgresql://") as refused:
        Database(url)
    assert PASSWORD not in str(refused.value)


def test_a_password_does_not_pass_for_a_key() -> None:
    with pytest.raises(ValueError, match="must have 32 characters or more"):
        keys_of("canary")


async def test_a_stop_is_seen_by_every_process_and_lifted_for_every_one(postgres_url: str, calls: Calls) -> None:
    async with at(postgres_url) as one, at(postgres_url) as two, at(postgres_url) as operator:
        assert (await one.ledger.stopped(), await two.ledger.stopped()) == (None, None)
        await operator.office.engage("an incident")
        with anyio.fail_after(1):
            for world in (one, two):
                while not await world.ledger.stopped():  # noqa: ASYNC110 - what is tested is the asking
                    await anyio.sleep(0.01)
        await operator.office.release()
        with anyio.fail_after(1):
            for world in (one, two):
                while await world.ledger.stopped():  # noqa: ASYNC110 - as above
                    await anyio.sleep(0.01)
        await one.ledger.begin(calls.intent(), Terms())


async def test_a_confirmation_asked_for_in_one_process_is_finished_in_another(postgres_url: str, calls: Calls) -> None:
    async with at(postgres_url) as one, at(postgres_url) as two, at(postgres_url) as operator:
        await one.ledger.ask(confirmation(one.clock, plan={"people": 142}))
        [waiting] = await operator.office.for_operator()
        await operator.office.decide(waiting.handle, State.APPROVED, "operator root")
        await two.ledger.begin(calls.intent(), Terms(confirmation="handle-1", binding="binding-1"))
        spent = await one.ledger.confirmation("handle-1")
        assert spent is not None
        assert spent.state is State.SPENT
