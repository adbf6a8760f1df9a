"""The receiver over a real socket: good calls, bad input, and a store that fails."""

import gzip
import hashlib
import hmac
import json
import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio
import pytest

from cio_mcp.secret import Secret
from cio_mcp.webhooks import intake as intake_module
from cio_mcp.webhooks import receiver as receiving_module
from cio_mcp.webhooks.events import Read, read
from cio_mcp.webhooks.intake import Intake
from cio_mcp.webhooks.receiver import MOST_BYTES, READ_BYTES, Receiver
from cio_mcp.webhooks.sqlite import SqliteEvents
from cio_mcp.webhooks.store import Arrival, EventsUnavailable, Filter, Kept, Received
from tests.webhooks.kinds import EXAMPLES, KINDS
from tests.webhooks.receiving import KEY, Desk, body_of, event, receiving, signature, signed

pytestmark = pytest.mark.anyio
NOW = 1_700_000_000


async def kept(desk: Desk) -> list[str]:
    """Return the ids of all events in the store, in the order of their time."""
    return [each.event.event_id for each in reversed(await desk.store.find(Filter(), limit=1_000))]


async def counts(desk: Desk) -> dict[str, int]:
    return {kept.value: count for kept, count in (await desk.store.standing()).counts.items() if count}


async def test_a_signed_event_is_kept_and_answered() -> None:
    async with receiving() as desk:
        answer = await desk.tell(event())
        assert (answer.status, answer.text) == (200, "kept")
        assert await kept(desk) == [event()["event_id"]]


async def test_every_documented_kind_is_taken(tmp_path: Path) -> None:
    async with receiving(tmp_path / "events.sqlite3") as desk:
        answers = [(await desk.tell(told)).text for told in (*KINDS.values(), *EXAMPLES.values())]
        assert set(answers) == {"kept"}
        assert await counts(desk) == {"received": len(KINDS) + len(EXAMPLES)}


async def test_any_order_is_taken_and_told_in_the_order_of_time() -> None:
    async with receiving() as desk:
        for number in (3, 1, 2):
            assert (await desk.tell(event(number))).status == 200
        assert await kept(desk) == [event(number)["event_id"] for number in (1, 2, 3)]


# Bad input: one test each.


async def test_without_a_timestamp_it_is_refused() -> None:
    async with receiving() as desk:
        body = body_of(event())
        answer = await desk.post(body, {"x-cio-signature": signature(body, str(int(time.time())))})
        assert (answer.status, answer.text) == (401, "the header X-CIO-Timestamp is missing")
        assert await kept(desk) == []


async def test_a_timestamp_in_milliseconds_is_refused_in_these_words() -> None:
    async with receiving() as desk:
        answer = await desk.post(body_of(event()), signed(body_of(event()), timestamp=str(int(time.time() * 1_000))))
        assert answer.status == 401
        assert "milliseconds" in answer.text


@pytest.mark.parametrize(("ahead", "status"), [(240, 200), (360, 401)])
async def test_a_timestamp_six_minutes_ahead_is_refused_and_one_of_four_is_not(ahead: int, status: int) -> None:
    async with receiving(now=lambda: NOW) as desk:
        body = body_of(event())
        assert (await desk.post(body, signed(body, timestamp=str(NOW + ahead)))).status == status


async def test_an_event_signed_eight_days_ago_is_refused_unless_it_is_known() -> None:
    async with receiving(now=lambda: NOW) as desk:
        body, old = body_of(event()), str(NOW - 8 * 86_400)
        answer = await desk.post(body, signed(body, timestamp=old))
        assert (answer.status, await kept(desk)) == (401, [])
        assert (await desk.post(body, signed(body, timestamp=str(NOW)))).text == "kept"
        assert (await desk.post(body, signed(body, timestamp=old))).text == "known already"
        forged = await desk.post(body, signed(body, timestamp=old, key="another"))
        assert forged.status == 401


async def test_a_body_that_was_written_anew_is_refused() -> None:
    async with receiving() as desk:
        body = body_of(event())
        answer = await desk.post(json.dumps(json.loads(body), indent=1).encode(), signed(body))
        assert (answer.status, await kept(desk)) == (401, [])


@pytest.mark.parametrize("text", ["{body}", "{at}.{body}", "v1:{at}:{body}", "v0:{at}{body}"])
async def test_a_signature_over_something_else_is_refused(text: str) -> None:
    async with receiving() as desk:
        body, at = body_of(event()), str(int(time.time()))
        message = text.format(body=body.decode(), at=at).encode() if text != "{body}" else body
        mac = hmac.new(KEY.encode(), message, hashlib.sha256).hexdigest()
        assert (await desk.post(body, {"x-cio-timestamp": at, "x-cio-signature": mac})).status == 401


@pytest.mark.parametrize("mac", ["\xe9" * 64, "\x80", "0" * 63, "g" * 64, "0" * 10_000, ""])
async def test_a_signature_of_strange_bytes_or_length_is_refused(mac: str) -> None:
    async with receiving() as desk:
        answer = await desk.post(body_of(event()), {"x-cio-timestamp": str(int(time.time())), "x-cio-signature": mac})
        assert answer.status == 401
        assert (await desk.tell(event())).status == 200


async def test_ten_megabytes_are_refused_before_they_are_read() -> None:
    async with receiving() as desk:
        body = b"x" * 10_000_000
        answer = await desk.post(body)
        assert answer.status == 413
        assert (await desk.tell(event())).status == 200


async def test_ten_megabytes_without_a_length_are_refused_where_they_exceed_the_limit() -> None:
    async with receiving() as desk:
        body = b"x" * (MOST_BYTES + 1)
        head = "".join(f"{name}: {value}\r\n" for name, value in signed(body).items())
        chunks = b"".join(b"100000\r\n" + body[at : at + 0x100000] + b"\r\n" for at in range(0, MOST_BYTES, 0x100000))
        request = f"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n{head}\r\n".encode()
        assert (await desk.raw(request + chunks + b"1\r\nx\r\n0\r\n\r\n")).status == 413


async def test_a_signed_body_too_large_for_an_event_is_set_aside_so_that_it_holds_up_nobody() -> None:
    async with receiving() as desk:
        body = body_of(event(data={"content": "x" * READ_BYTES}))
        answer = await desk.post(body)
        assert (answer.status, answer.text.partition(":")[0]) == (200, "set aside")
        assert (await desk.post(body)).text == "known already"
        assert (await desk.post(body, signed(b"other"))).status == 401


async def test_the_first_of_two_contents_stays(caplog: pytest.LogCaptureFixture) -> None:
    async with receiving() as desk:
        assert (await desk.tell(event())).text == "kept"
        with caplog.at_level(logging.WARNING, "cio_mcp.webhooks"):
            answer = await desk.tell(event() | {"metric": "bounced"})
        assert (answer.status, answer.text) == (200, "known already, with another content")
        (only,) = await desk.store.find(Filter(), limit=10)
        assert only.event.metric == "delivered"
        assert await counts(desk) == {"received": 1, "contradictions": 1}
    assert event()["event_id"] in caplog.text
    assert "ada@example.com" not in caplog.text


async def test_a_hundred_copies_at_once_are_one_event(tmp_path: Path) -> None:
    async with receiving(tmp_path / "events.sqlite3") as desk:
        answers: list[tuple[int, str]] = []

        async def tell() -> None:
            answer = await desk.tell(event())
            answers.append((answer.status, answer.text))

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(tell)
        assert answers.count((200, "kept")) == 1
        assert answers.count((200, "known already")) == 99
        assert await counts(desk) == {"received": 1, "repeats": 99}


async def test_the_old_key_is_good_beside_the_new_one_and_not_after_it() -> None:
    async with receiving(keys=("new-canary-key", KEY)) as desk:
        assert (await desk.tell(event())).status == 200
        body = body_of(event(1))
        assert (await desk.post(body, signed(body, key="new-canary-key"))).status == 200
    async with receiving(keys=("new-canary-key",)) as desk:
        assert (await desk.tell(event())).status == 401


async def test_a_compressed_body_is_refused() -> None:
    async with receiving() as desk:
        body = gzip.compress(body_of(event()))
        answer = await desk.post(body, signed(body) | {"content-encoding": "gzip"})
        assert (answer.status, await kept(desk)) == (415, [])
        body = body_of(event())
        assert (await desk.post(body, signed(body) | {"content-encoding": "identity"})).status == 200


@pytest.mark.parametrize("name", ["x-cio-timestamp", "x-cio-signature"])
async def test_a_header_that_is_there_twice_is_refused(name: str) -> None:
    async with receiving() as desk:
        body = body_of(event())
        given = signed(body)
        answer = await desk.post(body, [*given.items(), (name, given[name])])
        assert answer.status == 401
        assert "more than once" in answer.text


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
async def test_other_methods_are_refused(method: str) -> None:
    async with receiving() as desk:
        answer = await desk.raw(f"{method} / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert answer.status == 405


@pytest.mark.parametrize("body", [b"", b"{}", b"not json", b"[1]", b"\xff" * 100, b"[" * 50_000])
async def test_a_signed_body_that_is_no_event_is_set_aside_and_answered(body: bytes) -> None:
    async with receiving() as desk:
        assert (await desk.post(body)).status == 200
        assert await counts(desk) == {"set_aside": 1}
        assert await kept(desk) == []


async def test_half_a_body_is_not_waited_for_longer_than_the_sender_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving_module, "READ_SECONDS", 0.3)
    async with receiving() as desk:
        body = body_of(event())
        head = "".join(f"{name}: {value}\r\n" for name, value in signed(body).items())
        request = f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body[:-1]
        answer = await desk.raw(request)
        assert answer.status == 408
        assert answer.took < 5
        assert (await desk.tell(event())).status == 200


async def test_a_sender_that_leaves_early_harms_nobody() -> None:
    async with receiving() as desk:
        body = body_of(event())
        head = "".join(f"{name}: {value}\r\n" for name, value in signed(body).items())
        stream = await anyio.connect_tcp("127.0.0.1", desk.port)
        await stream.send(f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + b"{")
        await stream.aclose()
        assert (await desk.tell(event(1))).status == 200
        assert await kept(desk) == [event(1)["event_id"]]


# A store that fails.


class Failing(SqliteEvents):
    """Cannot write for a while."""

    def __init__(self) -> None:
        super().__init__(None, workspace="test", now=time.time)
        self.fails = True

    async def put(self, batch: Sequence[Received]) -> list[Kept]:
        """Fail as long as it should."""
        if self.fails:
            raise EventsUnavailable("the disk is full")
        return await super().put(batch)


async def test_what_cannot_be_kept_now_is_asked_for_again(caplog: pytest.LogCaptureFixture) -> None:
    store = Failing()
    async with receiving(store=store) as desk:
        answer = await desk.tell(event())
        # Not among the codes after which Customer.io waits for an hour.
        assert (answer.status, answer.text) == (503, "it cannot be kept now; come again")
        store.fails = False
        assert (await desk.tell(event())).text == "kept"
    await store.aclose()
    assert "the disk is full" in caplog.text


async def test_a_file_that_is_locked_for_long_is_answered_503_in_time_and_works_again(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    async with receiving(path) as desk:
        assert (await desk.tell(event())).status == 200
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = await desk.tell(event(1))
        assert answer.status == 503
        assert answer.took < 6
        other.execute("ROLLBACK")
        other.close()
        assert (await desk.tell(event(1))).text == "kept"


async def test_a_file_that_was_removed_is_told_once_and_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    async with receiving(path) as desk:
        assert (await desk.tell(event())).status == 200
        for suffix in ("", "-wal", "-shm"):
            os.unlink(f"{path}{suffix}")  # noqa: PTH108 - nothing to wait for
        assert (await desk.tell(event(1))).status == 503
        assert (await desk.tell(event(1))).text == "kept"


async def test_refusals_are_counted_where_the_tools_can_see_them(caplog: pytest.LogCaptureFixture) -> None:
    async with receiving() as desk:
        body = body_of(event())
        for _ in range(3):
            await desk.post(body, signed(body, key="another"))
        with anyio.fail_after(5):
            while not (refused := (await desk.store.standing()).refused):  # noqa: ASYNC110 - a store sets no event
                await anyio.sleep(0.01)
    assert refused == {"forged": 1}, (
        "the others are told later, for whoever floods the receiver must not flood the store"
    )
    assert caplog.text.count("requests to the webhook were refused") == 1


async def test_a_caller_whose_request_is_cut_does_not_take_along_what_others_wait_for() -> None:
    store = SqliteEvents(None, workspace="test", now=time.time)
    intake = Intake(store=store)
    async with receiving(store=store) as desk:
        answers: list[int] = []

        async def tell(number: int) -> None:
            answers.append((await desk.tell(event(number))).status)

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(tell, number)
            with anyio.move_on_after(0.01):
                await intake.take(_arrival(99))
        assert answers == [200] * 20
    await store.aclose()


class Stuck(SqliteEvents):
    """Does not come back from a batch before it is let go, as a disk that is gone for a while."""

    def __init__(self) -> None:
        super().__init__(None, workspace="test", now=time.time)
        self.released = anyio.Event()

    async def put(self, batch: Sequence[Received]) -> list[Kept]:
        """Wait, then keep it."""
        await self.released.wait()
        return await super().put(batch)


async def test_a_store_that_hangs_is_not_waited_for_longer_than_the_sender_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake_module, "ANSWER_SECONDS", 0.2)
    store = Stuck()
    intake = Intake(store=store)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(intake.take, _arrival(0))
            await anyio.wait_all_tasks_blocked()
            for number in (1, 2):
                with pytest.raises(EventsUnavailable, match="in time"):
                    await intake.take(_arrival(number))
            assert not intake._waiting, "what nobody waits for any more is not piled up"
            store.released.set()
    assert [each.event.event_id for each in await store.find(Filter(), limit=9)] == [event()["event_id"]]
    assert await intake.take(_arrival(1)) is Kept.NEW
    await store.aclose()


def _arrival(number: int) -> Received:
    found = read(body_of(event(number)), otherwise_at=0)
    assert isinstance(found, Read)
    return Arrival(event=found.event, digest=found.digest, received_at=time.time())


def test_no_receiver_is_made_without_a_key() -> None:
    intake = Intake(store=SqliteEvents(None, workspace="test", now=time.time))
    for keys in ([], [Secret("")], [Secret(KEY), Secret("")]):
        with pytest.raises(ValueError, match="signing key"):
            Receiver(intake=intake, keys=partial(list, keys), now=time.time)
