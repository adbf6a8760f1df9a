"""Several replicas act as one: limits, confirmations, repeats, the stop, tokens, events, and a machine that fails."""

import json
import re
import signal
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from cio_mcp.sandbox import Fault, RunningSandbox
from tests.cli.commands import PATIENCE, run, running
from tests.ledger.worlds import at
from tests.limiter_engine.servers import RedisServer
from tests.replicas.conftest import Open
from tests.replicas.house import LEDGER_KEY, House, told
from tests.webhooks.receiving import body_of, event, signed

pytestmark = pytest.mark.anyio
MAIL = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "transactional_message_id": 1}
STOP_SECONDS = 1.0
LIMIT = 10


def mail(number: int) -> dict[str, Any]:
    """Return a send that no other is like."""
    return MAIL | {"message_data": {"number": number}}


def refused(sandbox: RunningSandbox) -> int:
    return sum(received.status == 429 for received in sandbox.app.state.journal)


async def turn(house: House, sandbox: RunningSandbox, calls: int, *, callers: int = 24) -> float:
    """Read through the proxy with so many callers at once; return the time in which a whole limit of calls is made.

    That is the median over all of the run: what is sent while the machine does something else does not decide.
    """
    line = anyio.CapacityLimiter(callers)
    before = len(sandbox.app.state.journal)

    async def one() -> None:
        async with line:
            assert "segments" in await house.through("list_segments")

    async with anyio.create_task_group() as tasks:
        for _ in range(calls):
            tasks.start_soon(one)
    times = sorted(received.at for received in list(sandbox.app.state.journal)[before:])
    return statistics.median([float(b - a) for a, b in zip(times, times[LIMIT:], strict=False)])


@pytest.fixture(params=["the store", "Redis"])
def limiter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the settings that say through what limits are shared."""
    if request.param == "the store":
        yield {}
        return
    server = RedisServer(tmp_path)
    yield {"CIO_MCP_LIMITER": server.url}
    server.kill()


async def test_three_keep_to_one_limit_and_use_as_much_of_it_as_one_alone(
    sandbox: RunningSandbox, replicas: Open, tmp_path: Path, limiter: dict[str, str]
) -> None:
    (tmp_path / "alone").mkdir()
    async with replicas(count=1, **limiter) as house:
        alone = await turn(house, sandbox, 100)
    (tmp_path / "nginx").rename(tmp_path / "alone" / "nginx")
    async with replicas(count=3, **limiter) as house:
        together = await turn(house, sandbox, 100)
        listening = [replica.port for replica in house.replicas]
    assert refused(sandbox) == 0
    assert together <= alone / 0.95, (alone, together)
    assert len(set(listening)) == 3


async def test_a_confirmation_that_one_began_is_finished_once_by_another(replicas: Open) -> None:
    async with replicas(CIO_MCP_CONFIRM="token") as house:
        asked = await house.call(0, "suppress_person", {"identifier": "bob-2"})
        token = {"identifier": "bob-2", "confirm_token": asked["error"]["confirm_token"]}
        other = await house.call(1, "suppress_person", token | {"identifier": "ada-1"})
        done = await house.call(1, "suppress_person", token)
        again = [await house.call(replica, "suppress_person", token) for replica in (2, 1, 0)]
    assert other["error"]["code"] == "not_confirmed"
    assert done == {"accepted": True}
    assert [each["error"]["code"] for each in again] == ["not_confirmed"] * 3


async def test_a_send_that_one_made_is_held_back_by_the_others(sandbox: RunningSandbox, replicas: Open) -> None:
    async with replicas() as house:
        sent = await house.call(0, "send_email", MAIL)
        held = [await house.call(replica, "send_email", MAIL) for replica in (1, 2, 0)]
        meant = await house.call(2, "send_email", MAIL | {"allow_repeat": True})
    assert {each["error"]["code"] for each in held} == {"held_back"}
    assert len({each["error"]["earlier"]["operation"] for each in held}) == 1
    assert {"delivery_id" in sent, "delivery_id" in meant} == {True}
    assert sum(received.raw_path == "/v1/send/email" for received in sandbox.app.state.journal) == 2


async def test_a_stop_reaches_all_within_a_second_and_reads_go_on(replicas: Open) -> None:
    async with replicas() as house:
        assert (await house.command("stop", "an incident")).code == 0
        await anyio.sleep(STOP_SECONDS)  # what is promised
        stopped = [await house.call(replica, "send_email", mail(replica)) for replica in range(3)]
        reading = [await house.call(replica, "list_segments") for replica in range(3)]
        assert (await house.command("resume")).code == 0
        await anyio.sleep(STOP_SECONDS)
        going = [await house.call(replica, "send_email", mail(replica)) for replica in range(3)]
    assert [each["error"]["code"] for each in stopped] == ["writes_stopped"] * 3
    assert all("segments" in each for each in reading)
    assert all("delivery_id" in each for each in going)


def left_open(records: list[dict[str, Any]]) -> set[str]:
    """Return the writes that began and of which no end is recorded, by whoever made them or by another after them."""
    begun = {record["operation"] for record in records if record["kind"] == "intent"}
    ended = {record["operation"] for record in records if record["kind"] in ("outcome", "recovered")}
    return begun - ended


async def test_one_that_is_killed_takes_nothing_with_it(
    sandbox: RunningSandbox, replicas: Open, postgres_url: str
) -> None:
    results: dict[int, dict[str, Any] | None] = {}
    async with replicas() as house:

        async def send(number: int) -> None:
            answer = await house.post(f"{house.proxy}/mcp", "send_email", mail(number))
            results[number] = told(answer) if answer.status_code == 200 else None

        async with anyio.create_task_group() as tasks:
            for number in range(60):
                tasks.start_soon(send, number)
                await anyio.sleep(0.02)
                if number == 30:
                    house.replicas[0].kill()
        lost = [number for number, result in results.items() if result is None or "delivery_id" not in result]
        async with at(postgres_url) as world:
            with anyio.fail_after(PATIENCE):
                # Whoever looks closes what the dead left open, once the database has noticed that they are gone.
                while await house.through("list_unknown_operations") and left_open(await world.office.records()):  # noqa: ASYNC110 - another process
                    await anyio.sleep(0.1)
        # Whoever is left knows of every one, and holds back what may have gone out.
        again = {number: await house.through("send_email", mail(number)) for number in lost}
        later = await house.through("list_unknown_operations")
    deliveries = [received for received in sandbox.app.state.journal if received.raw_path == "/v1/send/email"]
    gone = Counter(re.search(rb'"number":\s*(\d+)', received.body)[1] for received in deliveries if received.status)  # type: ignore[index]
    assert set(gone.values()) == {1}, "none was sent twice"
    assert {number for number, result in results.items() if result and "delivery_id" in result} <= set(map(int, gone))
    unknown = {operation["operation"] for operation in later["operations"]}
    for number, answer in again.items():
        if "delivery_id" not in answer:
            assert answer["error"]["code"] == "held_back", answer
            earlier = answer["error"]["earlier"]
            # What was recorded may have been lost on the way from the dead to the proxy.
            was_answered = earlier["ending"] == "ok" and str(number).encode() in gone
            assert was_answered or earlier["operation"] in unknown, (number, answer)
    async with at(postgres_url) as world:
        records = await world.office.records()
    assert left_open(records) == set()
    assert sum(record["kind"] == "intent" for record in records) >= len(deliveries)


async def test_the_proxy_reaches_whoever_is_left_and_shows_nobody_their_health(replicas: Open) -> None:
    async with replicas(count=2) as house:
        house.replicas[1].kill()
        for _ in range(6):
            assert "segments" in await house.through("list_segments")
        assert (await house.agent.get(f"{house.proxy}/health/ready")).status_code == 404
        assert (await house.agent.get(house.replicas[0].url.replace("/mcp", "/health/ready"))).status_code == 200
        strangers = await house.agent.post(f"{house.proxy}/mcp", json={}, headers={"Host": "evil.example.com"})
    assert strangers.status_code == 421


async def test_an_event_that_one_received_is_told_by_the_others(replicas: Open) -> None:
    told_of = event(7)
    async with replicas(count=2) as house:
        body = body_of(told_of)
        answer = await house.agent.post(
            f"{house.proxy}/webhooks/customerio", content=body, headers=signed(body, key="sandbox-signing-key")
        )
        shown = [
            await house.call(replica, "get_delivery_timeline", {"delivery_id": told_of["data"]["delivery_id"]})
            for replica in range(2)
        ]
    assert answer.status_code == 200
    assert [each["timeline"][0]["metric"] for each in shown] == ["delivered"] * 2


async def test_a_send_is_followed_to_its_opening(sandbox: RunningSandbox, replicas: Open) -> None:
    async with replicas(count=2) as house:
        hook = {"name": "events", "endpoint": f"{house.proxy}/webhooks/customerio"}
        events = ["email_sent", "email_delivered", "email_opened"]
        made = await house.agent.post(
            f"{sandbox.url}/v1/reporting_webhooks",
            json=hook | {"events": events},
            headers={"Authorization": "Bearer sandbox-app-key"},
        )
        sent = await house.call(0, "send_email", MAIL)
        waited = await house.call(
            1, "wait_for_delivery", {"delivery_id": sent["delivery_id"], "until": "opened", "timeout": 20}
        )
        metrics: list[str] = []
        with anyio.fail_after(PATIENCE):  # the wait may have been told by the API, before the events came
            while len(metrics) < len(events):
                found = await house.call(1, "list_delivery_events", {"delivery_id": sent["delivery_id"]})
                metrics = [each["metric"] for each in found["events"]]
    assert made.status_code == 200
    assert waited["reached"]
    assert waited["timeline"][-1]["metric"] == "opened"
    assert metrics == ["opened", "delivered", "sent"]


async def test_a_ledger_key_that_is_not_theirs_writes_nothing(sandbox: RunningSandbox, replicas: Open) -> None:
    async with replicas(count=1) as house:
        await house.call(0, "send_email", MAIL)
        environment = house.environment | {"CIO_MCP_LEDGER_KEY": LEDGER_KEY[::-1]}
        answer = await anyio.to_thread.run_sync(lambda: _sent_with(environment))
        with running("serve", "--http", "0", env=environment) as other:
            url = (await anyio.to_thread.run_sync(other.wait_for, "serves MCP at")).split()[-1]
            probes = [await house.agent.get(url.replace("/mcp", "/health/ready")) for _ in range(3)]
            ended = await anyio.to_thread.run_sync(other.end, signal.SIGTERM)
    said = [line for line in ended.err.splitlines() if "not ready" in line]
    assert [probe.status_code for probe in probes] == [503] * 3
    assert len(said) == 1, "once, however often it is asked"
    assert "not ready: store (" in said[0]
    assert "the ledger's key is not the one that it was made with; set CIO_MCP_LEDGER_KEY" in said[0]
    assert LEDGER_KEY[::-1] not in said[0]
    assert "not_recorded" in answer
    assert sum(received.raw_path == "/v1/send/email" for received in sandbox.app.state.journal) == 1


def _sent_with(environment: dict[str, str]) -> str:
    ended = run("call", "send_email", json.dumps(MAIL), env=environment)
    return ended.out + ended.err


@pytest.mark.parametrize(("tool", "arguments", "code"), [("send_email", MAIL, 3), ("list_segments", {}, 1)])
async def test_a_call_whose_replica_dies_behind_the_proxy_is_not_told_as_failed(
    sandbox: RunningSandbox, replicas: Open, *, tool: str, arguments: dict[str, Any], code: int
) -> None:
    sandbox.app.state.faults.add(Fault(kind="hang", seconds=8))
    async with replicas(count=1) as house:
        url = f"{house.proxy}/mcp"
        token = house.agent.headers["authorization"].removeprefix("Bearer ")
        with running("call", "--url", url, tool, json.dumps(arguments), env={"CIO_MCP_TOKEN": token}) as calling:
            with anyio.fail_after(PATIENCE):
                while not sandbox.app.state.journal:  # noqa: ASYNC110 - another process
                    await anyio.sleep(0.05)
            house.replicas[0].kill()
            ended = await anyio.to_thread.run_sync(calling.end)
        later = await house.command("call", "--url", url, tool, json.dumps(arguments))
    assert ended.code == code
    assert ended.err.startswith("outcome_unknown: " if code == 3 else "unavailable: ")
    assert f"{url} answered 502" in ended.err
    assert "nothing was sent" in later.sentence(2)
    assert "answered 502" in later.err
