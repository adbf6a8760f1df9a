"""The requests and the traps say what is true of the tools."""

from collections import Counter
from contextlib import suppress
from functools import cache
from typing import Any

import anyio
import pytest

from cio_mcp.arguments import admit, validate
from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.params import Params
from cio_mcp.cli.wiring import workspace
from cio_mcp.errors import InvalidArguments
from cio_mcp.settings import load
from evals.entries import REQUESTS, Entry, Right, requests, split_of, traps
from evals.listing import tools
from tests.faults.arguments import ARGUMENTS

ASKED, TRAPS = requests(), traps()
EVERYTHING: list[Entry] = [*ASKED, *TRAPS]


@cache
def natives() -> dict[str, type[Params]]:
    async def known() -> dict[str, type[Params]]:
        async with workspace(load({"CIO_MCP_LEDGER": "memory"})) as pipeline:
            return {name: answered.tool.params for name, answered in pipeline.native.items()}

    return anyio.run(known)


def checked(call: Right) -> None:
    """Have the arguments checked as those of a call, beside what else it needs; raises InvalidArguments."""
    if call.tool not in CATALOG:
        validate(call.tool, natives()[call.tool], call.arguments)
        return
    needed = ARGUMENTS[call.tool]
    # What matters may contradict the least that the tool takes, such as a file beside rows.
    for beside in ({}, {name: needed[name] for name in needed if name not in ("data", "attributes")}):
        with suppress(InvalidArguments):
            admit(CATALOG[call.tool], beside | call.arguments)
            return
    admit(CATALOG[call.tool], needed | call.arguments)


def test_there_are_two_hundred_requests_and_sixty_traps() -> None:
    assert (len(ASKED), len(TRAPS)) == (200, 60)


def test_no_two_entries_say_the_same() -> None:
    said = Counter(" ".join(entry.say.lower().split()) for entry in EVERYTHING)
    assert [say for say, times in said.items() if times > 1] == []
    assert len({entry.id for entry in EVERYTHING}) == len(EVERYTHING)


def test_the_words_of_an_entry_alone_decide_whether_it_is_held_out() -> None:
    assert [entry.id for entry in EVERYTHING if entry.split != split_of(entry.say)] == []
    held_out = sum(entry.split == "held_out" for entry in ASKED)
    assert 0.28 < held_out / len(ASKED) < 0.38


def test_every_tool_is_right_for_a_request_and_nothing_else_is() -> None:
    named = {tool for request in ASKED for tool in request.tools}
    assert named == {tool.name for tool in tools()}


def test_requests_come_in_several_languages_and_lengths() -> None:
    assert len({entry.language for entry in ASKED}) > 5
    lengths = [len(entry.say) for entry in ASKED]
    assert min(lengths) < 20
    assert max(lengths) > 100


@pytest.mark.parametrize("entry", ASKED, ids=lambda entry: entry.id)
def test_the_arguments_that_matter_are_arguments_of_the_tool(entry: Any) -> None:
    for right in entry.right:
        checked(right)


@pytest.mark.parametrize("entry", TRAPS, ids=lambda entry: entry.id)
def test_a_trap_names_tools_that_there_are_and_right_calls_that_are_valid(entry: Any) -> None:
    listed = {tool.name for tool in tools()}
    assert {call.tool for call in (*entry.must_not, *(entry.server.calls if entry.server else ()))} <= listed
    for call in (*entry.may, *entry.before):
        checked(call)
    assert entry.behaviour.endswith(".")


def test_no_trap_forbids_what_it_allows() -> None:
    assert [trap.id for trap in TRAPS if set(map(str, trap.may)) & set(map(str, trap.must_not))] == []


def test_the_files_are_easy_to_read_and_to_compare() -> None:
    lines = REQUESTS.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(ASKED)
    assert max(map(len, lines)) < 500
