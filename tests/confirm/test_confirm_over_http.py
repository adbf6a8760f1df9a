"""The gate of a server on a loopback socket: round trips, the operator's commands beside it, a grants file."""

import os
import pty
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp import Client, types
from mcp.types import InputResponses

from tests.cli.commands import CLEAN, COMMAND, Ended, run, running
from tests.confirm.people import ANSWERS, Somebody
from tests.confirm.test_confirm_over_pipes import (
    BROADCAST,
    BROADCAST_ONCE_MORE,
    PATIENCE,
    ROOM,
    approvals,
    called,
    denied_and_hidden,
    granted,
    triggers,
)
from tests.recorded import records_in

pytestmark = pytest.mark.anyio

OPERATOR = ("--confirm", "operator", "--time-budget", "1")
"""Too short to wait for a decision: each call says at once how things stand."""

BOB = {"email": "bob@example.com"}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A server on a socket, clients of it, and its ledger for the commands."""

    url: str
    ledger: Path
    stack: AsyncExitStack

    async def client(self, *, asks: Somebody | None = None, mode: str = "auto") -> Client:
        """Connect one more client of the SDK; `asks` is the person behind it."""
        client = Client(self.url, mode=mode, elicitation_callback=asks, read_timeout_seconds=PATIENCE)
        return await self.stack.enter_async_context(client)

    async def command(self, *words: str) -> Ended:
        """Run a command on the server's ledger, with nobody at a terminal."""
        return await anyio.to_thread.run_sync(lambda: run(*words, "--ledger", str(self.ledger)))

    async def typed(self, answer: str, *words: str) -> Ended:
        """Run a command on the server's ledger at a terminal, where somebody types an answer."""
        return await anyio.to_thread.run_sync(lambda: _at_a_terminal(answer, [*words, "--ledger", str(self.ledger)]))


def _at_a_terminal(answer: str, words: list[str]) -> Ended:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(  # noqa: S603 - our own program
            [*COMMAND, *words], env=CLEAN, stdin=theirs, capture_output=True, timeout=PATIENCE, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return Ended(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


Serve = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Start the server on a free port, with any flags."""
    ledger = tmp_path / "ledger.sqlite3"

    @asynccontextmanager
    async def start(*flags: str, **variables: str) -> AsyncIterator[House]:
        words = ("serve", "--sandbox", "--http", "0", "--ledger", str(ledger), *ROOM, *flags)
        with running(*words, env=variables) as server, anyio.fail_after(2 * PATIENCE):
            url = (await anyio.to_thread.run_sync(server.wait_for, "serves MCP at")).split()[-1]
            async with AsyncExitStack() as stack:
                yield House(url=url, ledger=ledger, stack=stack)

    return start


async def by_hand(client: Client, state: str | None, answer: types.ElicitResult | None) -> Any:
    """Make one call of a round trip by hand: any state with any answer."""
    responses: InputResponses | None = {"confirm": answer} if answer else None
    with anyio.fail_after(PATIENCE):
        return await client.session.call_tool(
            "trigger_broadcast",
            BROADCAST_ONCE_MORE,
            input_responses=responses,
            request_state=state,
            allow_input_required=True,
        )


# -- asked through the client ----------------------------------------------------------------------------


async def test_a_yes_in_a_round_trip_lets_the_call_pass_and_a_no_does_not(serve: Serve) -> None:
    somebody = Somebody(answer=ANSWERS["declined"])
    async with serve() as house:
        client = await house.client(asks=somebody)
        declined = await called(client, "trigger_broadcast", BROADCAST)
        assert declined["error"]["code"] == "not_confirmed"
        assert await triggers(client) == 0
        somebody.answer = ANSWERS["yes"]
        assert "error" not in await called(client, "trigger_broadcast", BROADCAST)
        assert await triggers(client) == 1
    assert len(somebody.questions) == 2
    assert approvals(house.ledger) == ["round trip"]


async def test_a_question_is_answered_once_whichever_connection_brings_the_answer(serve: Serve) -> None:
    async with serve() as house:
        first, second = await house.client(asks=Somebody()), await house.client(asks=Somebody())
        asked = await by_hand(first, None, None)
        assert isinstance(asked, types.InputRequiredResult)
        assert await triggers(first) == 0
        results = [await by_hand(client, asked.request_state, ANSWERS["yes"]) for client in (second, first, second)]
        assert [bool(result.is_error) for result in results] == [False, True, True]
        assert await triggers(first) == 1


async def test_a_yes_to_a_question_that_was_never_put_sends_nothing(serve: Serve) -> None:
    async with serve() as house:
        client = await house.client(asks=Somebody())
        forged = await by_hand(client, "made-up", ANSWERS["yes"])
        assert forged.structured_content["error"]["code"] == "not_confirmed"
        unasked = await by_hand(client, None, ANSWERS["yes"])
        assert isinstance(unasked, types.InputRequiredResult), "without a state it is asked"
        assert await triggers(client) == 0
    assert approvals(house.ledger) == []


@pytest.mark.parametrize(("confirm", "code"), [("auto", "confirmation_needed"), ("ask", "cannot_ask")])
async def test_before_round_trips_nobody_can_be_asked_over_http(serve: Serve, confirm: str, code: str) -> None:
    somebody = Somebody()
    async with serve("--confirm", confirm) as house:
        client = await house.client(asks=somebody, mode="legacy")
        told = await called(client, "trigger_broadcast", BROADCAST)
        assert told["error"]["code"] == code
        assert await triggers(client) == 0
    assert somebody.questions == []


# -- the operator ----------------------------------------------------------------------------------------


async def test_a_call_waits_until_somebody_approves_it_at_a_terminal_and_passes_once(serve: Serve) -> None:
    somebody = Somebody()
    async with serve(*OPERATOR) as house:
        client = await house.client(asks=somebody)
        waiting = (await called(client, "trigger_broadcast", BROADCAST))["error"]
        assert waiting["code"] == "approval_needed"
        operation = waiting["operation"]
        assert f"cio-mcp approve {operation}" in waiting["next_step"]
        listed = await house.command("pending")
        assert listed.out.startswith(f"{operation}  trigger_broadcast")
        assert (await house.typed("no", "approve", operation)).code == 1
        assert (await called(client, "trigger_broadcast", BROADCAST))["error"]["operation"] == operation
        assert await triggers(client) == 0
        approved = await house.typed("yes", "approve", operation)
        assert (approved.code, f"Approved: {operation}." in approved.out) == (0, True)
        assert "error" not in await called(client, "trigger_broadcast", BROADCAST)
        again = (await called(client, "trigger_broadcast", BROADCAST_ONCE_MORE))["error"]
        assert again["code"] == "approval_needed"
        assert again["operation"] != operation
        assert await triggers(client) == 1
    assert somebody.questions == [], "the client is not asked in the operator's place"
    (approval,) = approvals(house.ledger)
    assert approval.startswith("operator ")


async def test_a_call_that_still_waits_goes_on_when_it_is_approved(serve: Serve) -> None:
    told: list[dict[str, Any]] = []
    async with serve("--confirm", "operator", "--time-budget", "40") as house:
        client = await house.client()

        async def call() -> None:
            told.append(await called(client, "trigger_broadcast", BROADCAST))

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            with anyio.fail_after(PATIENCE):
                # The record tells when it waits; until then there is no operation to approve.
                while not (house.ledger.exists() and (waiting := _asked(house.ledger))):  # noqa: ASYNC110
                    await anyio.sleep(0.05)
            assert told == []
            assert (await house.command("approve", waiting, "--yes")).code == 0
        assert await triggers(client) == 1
    assert "error" not in told[0]


def _asked(ledger: Path) -> str:
    return next((record["operation"] for record in records_in(ledger) if record["kind"] == "asked"), "")


async def test_what_is_rejected_is_refused_and_cannot_be_approved_later(serve: Serve) -> None:
    async with serve(*OPERATOR) as house:
        client = await house.client()
        operation = (await called(client, "trigger_broadcast", BROADCAST))["error"]["operation"]
        assert (await house.command("reject", operation)).out == f"Rejected: {operation}.\n"
        assert (await called(client, "trigger_broadcast", BROADCAST))["error"]["code"] == "not_confirmed"
        late = await house.command("approve", operation, "--yes")
        assert "no such operation waits" in late.sentence(1)
        assert (await called(client, "trigger_broadcast", BROADCAST))["error"]["code"] == "not_confirmed"
        assert await triggers(client) == 0
    assert approvals(house.ledger) == []


async def test_an_approval_of_one_call_lets_no_other_pass(serve: Serve) -> None:
    async with serve(*OPERATOR) as house:
        client = await house.client()
        operation = (await called(client, "trigger_broadcast", BROADCAST))["error"]["operation"]
        assert (await house.command("approve", operation, "--yes")).code == 0
        other = await called(client, "trigger_broadcast", BROADCAST | {"ids": ["ada-1"]})
        assert other["error"]["code"] == "approval_needed"
        assert await triggers(client) == 0
        assert "error" not in await called(client, "trigger_broadcast", BROADCAST)
        assert await triggers(client) == 1


async def test_an_approval_given_while_the_server_is_down_is_good_for_the_next(serve: Serve) -> None:
    async with serve(*OPERATOR) as house:
        client = await house.client()
        operation = (await called(client, "delete_person", {"identifier": "bob-2"}))["error"]["operation"]
        assert len((await called(client, "find_people_by_email", BOB))["results"]) == 1
    assert (await house.command("approve", operation, "--yes")).code == 0
    async with serve(*OPERATOR) as house:
        client = await house.client()
        assert "error" not in await called(client, "delete_person", {"identifier": "bob-2"})
        assert (await called(client, "find_people_by_email", BOB))["results"] == []


# -- a grants file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["flags", "variables"])
async def test_a_grants_file_hides_tools_and_denies_by_a_rule_that_it_names(
    serve: Serve, tmp_path: Path, form: str
) -> None:
    grants = str(granted(tmp_path))
    flags = ("--grants", grants, "--agent", "receipts") if form == "flags" else ()
    variables = {} if flags else {"CIO_MCP_GRANTS": grants, "CIO_MCP_AGENT": "receipts"}
    async with serve(*flags, **variables) as house:
        await denied_and_hidden(await house.client(asks=Somebody()))
    (sent,) = [record for record in records_in(house.ledger) if record["kind"] == "intent"]
    assert (sent["tool"], sent["principal"]) == ("send_email", "receipts")


async def test_a_grants_file_that_others_can_write_starts_no_server(tmp_path: Path) -> None:
    grants = granted(tmp_path)
    grants.chmod(0o666)
    refused = await anyio.to_thread.run_sync(lambda: run("serve", "--sandbox", "--http", "0", "--grants", str(grants)))
    assert "--grants" in refused.sentence(2)
