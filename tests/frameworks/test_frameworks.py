"""Every example of `examples/` does, on the client that it is written for, what README's table says of that client."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cio_mcp.render import README, filled
from tests.catalog import listed
from tests.cli.commands import CLEAN, COMMAND
from tests.frameworks.clients import CLIENTS, EXAMPLES, Client
from tests.frameworks.outcomes import deletions, outcome
from tests.frameworks.play import PATIENCE, TRANSPORTS, play, play_alone
from tests.frameworks.results import committed, table

ROOT = EXAMPLES.parent
LONGEST = 80
NAMED = ["cio-mcp", "serve", "--sandbox", "--profile", "admin"]
every_client = pytest.mark.parametrize("client", CLIENTS, ids=[client.folder for client in CLIENTS])
over_both = pytest.mark.parametrize("transport", TRANSPORTS)


@over_both
@every_client
def test_a_client_does_what_the_table_says(client: Client, transport: str, tmp_path: Path) -> None:
    played = play(client, transport, tmp_path)
    assert played.code == 0, played
    assert deletions(played.before_yes) == [], "nobody had agreed yet"
    expected = committed()[client.folder][transport]
    assert outcome(played, len(listed.tools())) == expected, played


@every_client
def test_a_no_leaves_everything_as_it_is(client: Client, tmp_path: Path) -> None:
    played = play(client, "stdio", tmp_path, answer="n")
    assert played.code == 0, played
    assert deletions(played.arrived) == []


@every_client
def test_without_arguments_an_example_brings_the_customer_io_that_it_talks_to(client: Client, tmp_path: Path) -> None:
    has_done_all(play_alone(client, tmp_path))


@every_client
def test_the_command_that_an_example_names_serves_it_too(client: Client, tmp_path: Path) -> None:
    has_done_all(play_alone(client, tmp_path, *client.named(tmp_path)))


def test_all_name_the_same_command_which_serves_an_example_that_needs_our_own_packages_alone(tmp_path: Path) -> None:
    for client in CLIENTS:
        assert client.named(tmp_path)[: len(NAMED)] == NAMED, client.folder
    assert f"main.py {' '.join(NAMED)}" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
    ended = subprocess.run(  # noqa: S603 - an example of ours
        [sys.executable, str(CLIENTS[0].example), *COMMAND, *NAMED[1:]],
        env={**CLEAN, "HOME": str(tmp_path)}, cwd=tmp_path, input="y\n",
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    has_done_all(ended)


def has_done_all(ended: "subprocess.CompletedProcess[str]") -> None:
    """Check that an example came to its end, and said of each step what it should."""
    assert ended.returncode == 0, ended
    for line in (f"listed: {len(listed.tools())} tools", "read: trial", "tracked: ", "sent: ", "refused: .*dry_run"):
        assert re.search(f"^{line}", ended.stdout, re.MULTILINE), (line, ended)
    assert re.search(r"deleted: (\{\"accepted\":)?true", ended.stdout, re.IGNORECASE), ended


def test_the_readme_tells_what_was_recorded() -> None:
    readme = (ROOT / README).read_text(encoding="utf-8")
    stale = "stale: run `python -m tests.frameworks.results`"
    assert filled(readme, {"clients": table(committed())}) == readme, stale


def test_every_example_is_in_the_table_and_can_be_read_at_once() -> None:
    assert sorted(path.parent.name for path in EXAMPLES.glob("*/main.*")) == sorted(client.folder for client in CLIENTS)
    for client in CLIENTS:
        assert len(client.example.read_text(encoding="utf-8").splitlines()) < LONGEST, client.folder
