"""The gate as a host meets it: a process of its own behind a pipe, in both protocol eras, its ledger in a file."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from tests.cli.commands import CLEAN
from tests.confirm.people import ANSWERS, Somebody
from tests.recorded import records_in

pytestmark = pytest.mark.anyio

COMMAND = ("-m", "cio_mcp", "serve", "--sandbox")
IMPATIENCE = """\
import sys
from cio_mcp import asking
from cio_mcp.cli import main

asking.ELICITATION_SECONDS = 0.5
sys.exit(main(["serve", "--sandbox", *sys.argv[1:]]))
"""
IMPATIENT = ("-c", IMPATIENCE)
"""The same command, which waits for an answer for half a second instead of three quarters of a minute."""
ROOM = ("--limit-broadcast", "1000/1")
"""A second broadcast is stopped by the gate here, and not by the limit of one in ten seconds."""
PATIENCE = 30.0  # seconds; generous, because it only runs out when a test fails
BROADCAST: dict[str, Any] = {"broadcast_id": 10}
BROADCAST_ONCE_MORE = BROADCAST | {"allow_repeat": True}
"""The same call without the hold on duplicates, so that only the gate stands before it."""
WAYS = {"legacy": "elicitation", "auto": "round trip"}
"""What each of the client's modes is confirmed by: the protocol before 2026-07-28, and since."""
both_eras = pytest.mark.parametrize("mode", WAYS)

GRANTS = """
[agents.receipts]
profile = "sender"
deny = ["messaging:send_push"]
"""
DENIED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a tool that is denied by name": (
        "send_push",
        {"transactional_message_id": 2, "identifiers": {"id": "ada-1"}},
        "deny messaging:send_push",
    ),
    "a tool that nothing allows": ("trigger_broadcast", BROADCAST, "not allowed"),
    "somebody else's address": (
        "send_email",
        {"transactional_message_id": 1, "to": "eve@example.org", "identifiers": {"id": "ada-1"}},
        "recipients",
    ),
    "a copy to somebody else": (
        "send_email",
        {
            "transactional_message_id": 1,
            "to": "ada@example.com",
            "identifiers": {"id": "ada-1"},
            "bcc": "eve@example.org",
        },
        "fields.bcc",
    ),
}
SEND = {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}}
HIDDEN = {"send_push", "trigger_broadcast", "send_newsletter", "delete_person", "suppress_person", "identify_person"}

Serve = Callable[..., AbstractAsyncContextManager[Client]]


def granted(folder: Path) -> Path:
    """Write the grants file of these tests and return its path."""
    path = folder / "grants.toml"
    path.write_text(GRANTS, encoding="utf-8")
    path.chmod(0o600)
    return path


async def called(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool within bounds, and return its result or its error."""
    with anyio.fail_after(PATIENCE):
        result = await client.call_tool(tool, arguments)
    told: dict[str, Any] = result.structured_content or {}
    assert bool(result.is_error) is ("error" in told)
    return told


async def triggers(client: Client) -> int:
    """Return how often the broadcast was triggered, as the sandbox tells it."""
    return len((await called(client, "list_broadcast_triggers", BROADCAST))["triggers"])


async def subjects(client: Client) -> list[str]:
    """Return the subjects of what Ada was sent so far, as the sandbox tells them."""
    told = await called(client, "list_person_messages", {"customer_id": "ada-1"})
    return sorted(message.get("subject", "") for message in told["messages"])


def approvals(ledger: Path) -> list[str]:
    """Return how each write that was about to leave had been confirmed, by the record."""
    return [record["approval"] for record in records_in(ledger) if record["kind"] == "intent"]


async def denied_and_hidden(client: Client) -> None:
    """Check that a server with the grants above hides, denies by rule, sends nothing, and lets the rest pass."""
    listed = {tool.name for tool in (await client.list_tools()).tools}
    assert listed.isdisjoint(HIDDEN)
    assert "send_email" in listed
    before = await subjects(client)
    for tool, arguments, rule in DENIED.values():
        error = (await called(client, tool, arguments))["error"]
        assert error["code"] == "not_permitted"
        assert rule in error["rule"]
    assert await subjects(client) == before
    assert await triggers(client) == 0
    assert "error" not in await called(client, "send_email", SEND)
    assert len(await subjects(client)) == len(before) + 1


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Return where the server keeps its record."""
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def serve(ledger: Path) -> Serve:
    """Start the server on a pipe, with any flags, and connect the SDK's client; `asks` is the person behind it."""

    @asynccontextmanager
    async def start(
        *flags: str,
        mode: str = "auto",
        asks: Somebody | None = None,
        command: tuple[str, ...] = COMMAND,
        **variables: str,
    ) -> AsyncIterator[Client]:
        launch = StdioServerParameters(
            command=sys.executable, args=[*command, *ROOM, *flags, "--ledger", str(ledger)], env={**CLEAN, **variables}
        )
        with anyio.fail_after(2 * PATIENCE):
            async with Client(launch, mode=mode, elicitation_callback=asks, read_timeout_seconds=PATIENCE) as client:
                yield client

    return start


@both_eras
async def test_a_client_that_can_ask_is_asked_and_a_yes_lets_the_call_pass_once(
    serve: Serve, ledger: Path, mode: str
) -> None:
    somebody = Somebody()
    async with serve(mode=mode, asks=somebody) as client:
        assert await triggers(client) == 0
        assert "error" not in await called(client, "trigger_broadcast", BROADCAST)
        assert await triggers(client) == 1
        (question,) = somebody.questions
        assert question.startswith("Send a broadcast to its audience, now.")
        somebody.answer = ANSWERS["declined"]
        again = await called(client, "trigger_broadcast", BROADCAST_ONCE_MORE)
        assert again["error"]["code"] == "not_confirmed", "the yes to the first was no yes to the second"
        assert len(somebody.questions) == 2
        assert await triggers(client) == 1
    assert approvals(ledger) == [WAYS[mode]]


@both_eras
@pytest.mark.parametrize("answer", ["declined", "accepted with no"])
async def test_a_no_sends_nothing(serve: Serve, ledger: Path, mode: str, answer: str) -> None:
    somebody = Somebody(answer=ANSWERS[answer])
    async with serve(mode=mode, asks=somebody) as client:
        told = await called(client, "trigger_broadcast", BROADCAST)
        assert told["error"]["code"] == "not_confirmed"
        assert len(somebody.questions) == 1
        assert await triggers(client) == 0
    assert approvals(ledger) == []


@pytest.mark.parametrize(("confirm", "code"), [("auto", "confirmation_needed"), ("ask", "not_confirmed")])
async def test_an_answer_that_never_comes_sends_nothing(serve: Serve, ledger: Path, confirm: str, code: str) -> None:
    somebody = Somebody(answer=None)
    async with serve("--confirm", confirm, mode="legacy", asks=somebody, command=IMPATIENT) as client:
        error = (await called(client, "trigger_broadcast", BROADCAST))["error"]
        assert error["code"] == code
        assert ("confirm_token" in error) is (confirm == "auto")
        assert len(somebody.questions) == 1
        assert await triggers(client) == 0
    assert approvals(ledger) == []


async def test_a_client_that_gives_up_while_it_is_asked_sends_nothing(serve: Serve, ledger: Path) -> None:
    asked = anyio.Event()
    somebody = Somebody(answer=None, before=asked.set)
    async with serve(mode="legacy", asks=somebody) as client, anyio.create_task_group() as group:
        group.start_soon(called, client, "trigger_broadcast", BROADCAST)
        with anyio.fail_after(PATIENCE):
            await asked.wait()
        group.cancel_scope.cancel()
    assert [record["kind"] for record in records_in(ledger)] == ["asked", "outcome"]
    assert approvals(ledger) == []


@both_eras
async def test_without_elicitation_auto_gives_a_token_that_passes_once(serve: Serve, ledger: Path, mode: str) -> None:
    async with serve("--confirm", "auto", mode=mode) as client:
        error = (await called(client, "trigger_broadcast", BROADCAST))["error"]
        assert error["code"] == "confirmation_needed"
        assert error["plan"]["request"]["path"] == "/v1/campaigns/10/triggers"
        assert await triggers(client) == 0
        token = {"confirm_token": error["confirm_token"]}
        assert "error" not in await called(client, "trigger_broadcast", BROADCAST | token)
        again = await called(client, "trigger_broadcast", BROADCAST_ONCE_MORE | token)
        assert again["error"]["code"] == "not_confirmed"
        assert "was used already" in again["error"]["message"]
        assert await triggers(client) == 1
    assert approvals(ledger) == ["token"]


@both_eras
async def test_without_elicitation_ask_refuses_with_or_without_a_token(serve: Serve, ledger: Path, mode: str) -> None:
    async with serve("--confirm", "ask", mode=mode) as client:
        for token in ({}, {"confirm_token": "made-up"}):
            told = await called(client, "trigger_broadcast", BROADCAST | token)
            assert told["error"]["code"] == "cannot_ask"
        assert await triggers(client) == 0
    assert approvals(ledger) == []


@pytest.mark.parametrize(("mode", "form"), [("legacy", "flags"), ("auto", "variables")])
async def test_a_grants_file_hides_tools_and_denies_by_a_rule_that_it_names(
    serve: Serve, ledger: Path, tmp_path: Path, mode: str, form: str
) -> None:
    grants = str(granted(tmp_path))
    flags = ("--grants", grants, "--agent", "receipts") if form == "flags" else ()
    variables = {} if flags else {"CIO_MCP_GRANTS": grants, "CIO_MCP_AGENT": "receipts"}
    async with serve(*flags, mode=mode, asks=Somebody(), **variables) as client:
        await denied_and_hidden(client)
    (sent,) = [record for record in records_in(ledger) if record["kind"] == "intent"]
    assert (sent["tool"], sent["principal"]) == ("send_email", "receipts")


async def test_without_the_grants_file_the_same_calls_are_not_denied(serve: Serve) -> None:
    async with serve(asks=Somebody()) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} >= HIDDEN
        for tool, arguments, _ in DENIED.values():
            told = await called(client, tool, arguments)
            assert told.get("error", {}).get("code") != "not_permitted"
        assert await triggers(client) == 1
