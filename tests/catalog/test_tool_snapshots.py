"""Every tool, as clients see it, is written down: a change of the wire surface shows in the diff.

`python -m tests.catalog.test_tool_snapshots` writes the snapshots anew.
"""

import json
import sys
from pathlib import Path

import pytest
from mcp import types

from tests.catalog import listed

SNAPSHOTS = Path(__file__).parents[1] / "snapshots" / "tools"
TOOLS = {tool.name: tool for tool in listed.tools()}


def text_of(tool: types.Tool) -> str:
    """Return a tool as it is on the wire, one member a line, in the order of the wire."""
    return (
        json.dumps(tool.model_dump(mode="json", by_alias=True, exclude_none=True), indent=2, ensure_ascii=False) + "\n"
    )


@pytest.mark.parametrize("name", TOOLS)
def test_the_tool_is_what_its_snapshot_says(name: str) -> None:
    snapshot = SNAPSHOTS / f"{name}.json"
    assert snapshot.exists(), "no snapshot: run `python -m tests.catalog.test_tool_snapshots` and read the new file"
    assert text_of(TOOLS[name]) == snapshot.read_text(encoding="utf-8")


def test_no_snapshot_outlives_its_tool() -> None:
    assert {path.name for path in SNAPSHOTS.iterdir()} == {f"{name}.json" for name in TOOLS}


def test_clients_of_the_handshake_era_see_the_same_tools_and_arguments_in_the_same_order() -> None:
    # The SDK orders the other members of a schema by era, which means nothing in JSON.
    older, newer = listed.tools("legacy"), listed.tools()
    assert [json.loads(text_of(tool)) for tool in older] == [json.loads(text_of(tool)) for tool in newer]
    assert [list(tool.input_schema["properties"]) for tool in older] == [
        list(tool.input_schema["properties"]) for tool in newer
    ]


def write() -> None:
    """Write all snapshots, and remove those without a tool."""
    SNAPSHOTS.mkdir(parents=True, exist_ok=True)
    for path in SNAPSHOTS.iterdir():
        if path.stem not in TOOLS:
            path.unlink()
    for name, tool in TOOLS.items():
        (SNAPSHOTS / f"{name}.json").write_text(text_of(tool), encoding="utf-8", newline="\n")
    sys.stdout.write(f"{len(TOOLS)} snapshots in {SNAPSHOTS}\n")


if __name__ == "__main__":
    write()
