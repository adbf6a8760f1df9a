"""`cio-mcp tools`: what a client would be shown."""

import re
import subprocess

import anyio
import pytest
from mcp import Client

from cio_mcp.catalog import CATALOG
from cio_mcp.cli.wiring import workspace
from cio_mcp.insight.tools import NEEDS as INSIGHT
from cio_mcp.server import build_server
from cio_mcp.settings import load
from tests.cli.commands import CLEAN, COMMAND, PROMPTLY, Ended, run, run_unread
from tests.cli.conftest import Here
from tests.conftest import OWN_TOOLS, own_tools_beside


@pytest.fixture(scope="module")
def table() -> Ended:
    return run("tools")


async def _listed() -> list[object]:
    async with workspace(load({})) as pipeline, Client(build_server(pipeline)) as client:
        tools = (await client.list_tools()).tools
        return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]


def test_the_table_has_every_tool_under_its_area_with_its_permission(table: Ended) -> None:
    assert (table.code, table.err) == (0, "")
    area, seen = "", {}
    for line in table.out.splitlines():
        row = re.match(r"  (\w+) +(read|write|send|destructive) +\S", line)
        area = area if row or not line else line
        if row:
            seen[row[1]] = (area, row[2])
    expected = {endpoint.name: (endpoint.area, endpoint.permission) for endpoint in CATALOG.values()}
    own = {name: ("insight" if name in INSIGHT else "this server", "read") for name in OWN_TOOLS}
    headings = [line for line in table.out.splitlines() if line and not line.startswith(" ")]
    assert seen == expected | own
    assert len(headings) == len(set(headings)), "each area once"
    assert table.out.endswith(f"\n{len(seen)} tools\n")


def test_one_tool_is_shown_with_what_it_takes_and_how_it_is_called() -> None:
    shown = run("tools", "count_segment_people")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("count_segment_people (read): ")
    assert re.search(r"^  segment_id\* +\S", shown.out, re.MULTILINE)
    assert shown.out.endswith("\n  cio-mcp call count_segment_people '{\"segment_id\": 1}'\n")
    as_json = run("tools", "count_segment_people", "--json").json["tools"]
    assert [tool["name"] for tool in as_json] == ["count_segment_people"]


@pytest.mark.parametrize("tool", ["send_email", "apply_batch", "get_rate_budget", "why_no_message"])
def test_every_argument_of_a_tool_is_shown_within_the_width(tool: str) -> None:
    [listed] = run("tools", tool, "--json").json["tools"]
    page = run("tools", tool, env={"COLUMNS": "80"}).out
    assert max(map(len, page.splitlines()[1:-1])) <= 80
    for name in listed["inputSchema"].get("properties", {}):
        assert re.search(rf"^  {name}\*? ", page, re.MULTILINE)


def test_a_tool_that_is_not_served_is_answered_with_the_nearest() -> None:
    assert "did you mean send_email?" in run("tools", "send_emial").sentence(2)
    assert "no tool send_email is served" in run("tools", "send_email", "--read-only").sentence(2)


def test_the_table_fits_a_wide_terminal(table: Ended) -> None:
    assert max(map(len, table.out.splitlines())) <= 124


def test_json_is_the_list_as_clients_get_it() -> None:
    assert run("tools", "--json").json == {"tools": anyio.run(_listed)}


def test_the_list_is_narrowed_as_the_server_would_narrow_it() -> None:
    read_only = run("tools", "--json", "--read-only", "--areas", "segments,people").json["tools"]
    hints = {tool["name"]: tool["annotations"]["readOnlyHint"] for tool in read_only}
    reading = {"list_segments", "get_segment", "count_segment_people", "get_segment_used_by", "list_segment_people"}
    assert set(hints) == reading | own_tools_beside(reading)
    # What it closes is a record of this server, and nothing at Customer.io.
    assert {name for name, reads in hints.items() if not reads} == {"reconcile_operation"}


@pytest.mark.parametrize(
    ("words", "variables", "source", "remedy"),
    [
        (["--areas", "peple"], {}, "--areas", "did you mean people?"),
        (["--grant", "segmnts:read"], {}, "--grant", "did you mean segments?"),
        ([], {"CIO_MCP_AREAS": "nothing-like-it"}, "CIO_MCP_AREAS", "customers"),
        ([], {"CIO_MCP_GRANT": "people:wirte"}, "CIO_MCP_GRANT", "read, write, send, destructive"),
        (["--grant", "people"], {}, "--grant", "area:permission"),
        (["--areas", ""], {}, "--areas", "needs a value"),
    ],
)
def test_an_area_or_permission_that_does_not_exist_is_refused_with_those_that_do(
    here: Here, words: list[str], variables: dict[str, str], source: str, remedy: str
) -> None:
    said = here("tools", *words, env=variables).sentence(2)
    assert said.startswith(f"cio-mcp: {source} ")
    assert remedy in said
    if "area that does not exist" in said:
        assert ", ".join(sorted(area.name for area in CATALOG.areas)) in said


def test_a_reader_that_goes_away_after_a_line_ends_it_quietly() -> None:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*COMMAND, "tools", "--json"], env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        assert process.stdout.readline() == b"{\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PROMPTLY) in (0, 1)  # 0 if the pipe had taken everything before


@pytest.mark.parametrize("words", [["tools"], ["tools", "--json"]])
def test_output_that_nobody_reads_is_dropped_without_a_word(words: list[str]) -> None:
    ended = run_unread(*words)
    assert (ended.code, ended.err) == (1, "")
