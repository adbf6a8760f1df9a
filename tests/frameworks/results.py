"""What the clients did when they were last recorded, and README's table of it.

`python -m tests.frameworks.results`, run in the project's root, writes the table; with `--check` it says whether it is
stale; with `--versions` which clients are installed that are not those of the table; with `--record` it plays every
example first and writes down what came of it, or those that are named.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cio_mcp.render import README, filled
from tests.catalog import listed
from tests.frameworks.clients import CLIENTS, EXAMPLES, Client
from tests.frameworks.outcomes import ACTS, outcome
from tests.frameworks.play import TRANSPORTS, play

HERE = Path(__file__).parent
HEAD = ("Client", "Version", "stdio", "HTTP", "How it confirms", "What it cannot do")
_WAYS = {
    "round trip": "the server asks, and the call is made again with the answer",
    "elicitation": "the server asks while the call waits",
    "token": "plan and token, shown by the program",
    "operator": "the operator's page",
    None: "not at all",
}


def committed() -> dict[str, Any]:
    """Return what was recorded."""
    recorded: dict[str, Any] = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    return recorded


def recorded_now(client: Client) -> dict[str, Any]:
    """Play a client's example over every transport, and return what came of it."""
    told: dict[str, Any] = {"version": client.version()}
    for transport in TRANSPORTS:
        with TemporaryDirectory(prefix="cio-mcp-example-") as folder:
            told[transport] = outcome(play(client, transport, Path(folder)), len(listed.tools()))
    return told


def table(results: Mapping[str, Any]) -> str:
    """Return README's table."""
    rows = [HEAD, ("---",) * len(HEAD), *(_row(client, results[client.folder]) for client in CLIENTS)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(client: Client, result: Mapping[str, Any]) -> Sequence[str]:
    return (
        f"[{client.title}]({EXAMPLES.name}/{client.folder})",
        f"{client.package} {result['version']}",
        *(_done(result[transport]["acts"]) for transport in TRANSPORTS),
        _confirms(result),
        " ".join(filter(None, (*_cannot(client, result), client.note))),
    )


def _done(acts: Sequence[str]) -> str:
    return "all" if set(ACTS) <= set(acts) else ", ".join(acts)


def _confirms(result: Mapping[str, Any]) -> str:
    ways = [result[transport]["confirmed"] for transport in TRANSPORTS]
    if len(set(ways)) == 1:
        return _WAYS[ways[0]]
    return "; ".join(f"{_NAMES[name]}: {_WAYS[way]}" for name, way in zip(TRANSPORTS, ways, strict=True))


_NAMES = {"stdio": "stdio", "http": "HTTP"}


def _cannot(client: Client, result: Mapping[str, Any]) -> Sequence[str]:
    ways = [result[transport]["confirmed"] for transport in TRANSPORTS]
    if ways == ["token", "token"] and not client.serve:
        return ("Be asked by the server.",)
    if ways == ["elicitation", "token"]:
        return ("Be asked over HTTP, unless the server runs with `--sessions`.",)
    return ()


def main(argv: Sequence[str] | None = None) -> int:
    """Write README's table, or check it; 1 means that it is stale."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.frameworks.results", description="README's table of clients."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the table is stale")
    parser.add_argument("--record", nargs="*", metavar="CLIENT", help="play these examples first, or all of them")
    parser.add_argument("--versions", action="store_true", help="tell the versions that are installed, and end")
    given = parser.parse_args(argv)
    if given.versions:
        return _tell_versions()
    if given.record is not None:
        _record(given.record)
    return _write(check=given.check)


def _tell_versions() -> int:
    recorded = committed()
    for client in CLIENTS:
        now, before = client.version(), recorded[client.folder]["version"]
        sys.stdout.write(f"{client.package} {now}{'' if now == before else f' (in the table: {before})'}\n")
    return 0


def _record(folders: Sequence[str]) -> None:
    results = committed()
    for client in CLIENTS:
        if client.folder in (folders or [client.folder]):
            results[client.folder] = recorded_now(client)
            sys.stdout.write(f"{client.folder}: {json.dumps(results[client.folder])}\n")
    text = json.dumps({client.folder: results[client.folder] for client in CLIENTS}, indent=2)
    (HERE / "results.json").write_text(f"{text}\n", encoding="utf-8")


def _write(*, check: bool) -> int:
    readme = Path(README)
    before = readme.read_text(encoding="utf-8")
    after = filled(before, {"clients": table(committed())})
    if not check:
        readme.write_text(after, encoding="utf-8", newline="\n")
    return int(check and before != after)


if __name__ == "__main__":
    sys.exit(main())
