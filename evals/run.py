"""Puts the requests and the traps to a model, and tells how it fared.

    MODEL_KEY=... python -m evals.run --model NAME --endpoint https://.../v1 --api openai --key-env MODEL_KEY
    python -m evals.run --model NAME --endpoint http://127.0.0.1:8080/v1 --api anthropic --limit 10

Every entry gets a cio-mcp of its own, over stdio, with a fresh sandbox: nothing reaches a real Customer.io. Each result
is written down when it is known, so Ctrl-C loses one entry at most, and the same command goes on where it stopped.
"""

import argparse
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2

from evals.conversation import played
from evals.dialects import DIALECTS
from evals.endpoint import Endpoint, Unusable, checked_url
from evals.entries import Entry, requests, traps
from evals.report import summary, table
from evals.scoring import scored

STOPPED, USAGE_ERROR, INTERRUPTED = 1, 2, 130
REPORT = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run's file: first who was asked, then a line for each entry."""

    path: Path
    about: Mapping[str, Any]

    def records(self) -> list[dict[str, Any]]:
        """Return what is known so far; raises ValueError if the file belongs to another model.

        A line that a kill cut short is left out, and its entry played again.
        """
        if not self.path.exists():
            return []
        lines = [found for line in self.path.read_text(encoding="utf-8").splitlines() if (found := _read(line))]
        if lines and lines[0] != self.about:
            raise ValueError(f"{self.path} belongs to another run: name another file with --out, or remove it")
        return lines[1:]

    def start(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write the file anew, with what is known."""
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in (self.about, *records))
        self.path.write_text(text, encoding="utf-8", newline="\n")

    def add(self, record: Mapping[str, Any]) -> None:
        """Write one more record down."""
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _read(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


async def asked(endpoint: Endpoint, entries: Sequence[Entry], run: Run, records: list[dict[str, Any]]) -> None:
    """Play every entry that is not known yet; raises Unusable."""
    known = {one["id"] for one in records if "failed" not in one}
    records[:] = [one for one in records if one["id"] in known]
    run.start(records)
    for entry in entries:
        if entry.id in known:
            continue
        found = await played(entry, endpoint)
        record = scored(entry, found.done, found.text) | ({"failed": found.failed} if found.failed else {})
        records.append(record)
        run.add(record)
        sys.stderr.write(f"\r{len(records)}/{len(entries)} {entry.id}  ")


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)


def _run_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() == REPORT:
        raise argparse.ArgumentTypeError(f"must not end in {REPORT}: the report is written beside it under that name")
    return path


def parsed(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--endpoint", required=True, help="base URL, with its version: .../v1")
    parser.add_argument("--api", required=True, choices=DIALECTS)
    parser.add_argument("--key-env", help="name of the environment variable that holds the key")
    parser.add_argument("--only", action="append", choices=("requests", "traps"))
    parser.add_argument("--limit", type=_positive, help="only so many requests, and so many traps")
    parser.add_argument("--out", type=_run_file, default=Path("evals-run.jsonl"), help="default: %(default)s")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Run; the exit code is 0 done, 1 the endpoint is unusable, 2 wrong usage, 130 interrupted."""
    arguments = parsed(given)
    key = os.environ.get(arguments.key_env, "") if arguments.key_env else ""
    if arguments.key_env and not key:
        return _told(f"{arguments.key_env} is not set", USAGE_ERROR)
    try:
        url = checked_url(arguments.endpoint)
        run = Run(path=arguments.out, about={"model": arguments.model, "endpoint": url, "api": arguments.api})
        records = run.records()
        run.start(records)
    except ValueError as error:
        return _told(str(error), USAGE_ERROR)
    except OSError as error:
        why = f"--out {arguments.out} cannot be written ({error.strerror}): name a file in a folder that is yours"
        return _told(why, USAGE_ERROR)
    kinds: dict[str, Sequence[Entry]] = {"requests": requests(), "traps": traps()}
    chosen = [kind for kind in kinds if kind in (arguments.only or kinds)]
    entries = [entry for kind in chosen for entry in kinds[kind][: arguments.limit]]
    code = _finished(asked_of(arguments, url, key), entries, run, records)
    report = {**run.about, "summary": summary(records), "entries": records}
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    run.path.with_suffix(REPORT).write_text(text, encoding="utf-8", newline="\n")
    sys.stdout.write(table(records))
    return code


@asynccontextmanager
async def asked_of(arguments: argparse.Namespace, url: str, key: str) -> AsyncIterator[Endpoint]:
    """Open the way to the model."""
    async with httpx2.AsyncClient(follow_redirects=False) as http:
        yield Endpoint(http=http, url=url, dialect=DIALECTS[arguments.api], model=arguments.model, key=key)


def _finished(
    way: AbstractAsyncContextManager[Endpoint], entries: Sequence[Entry], run: Run, records: list[dict[str, Any]]
) -> int:
    async def all_of_it() -> None:
        async with way as endpoint:
            await asked(endpoint, entries, run, records)

    try:
        anyio.run(all_of_it)
    except BaseException as error:
        if (unusable := _found(error, Unusable)) is not None:
            return _told(str(unusable), STOPPED)
        if _found(error, KeyboardInterrupt) is not None:
            return _told("stopped; the same command goes on from here", INTERRUPTED)
        raise
    return 0


def _found(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """Return an error of a kind, also out of the groups that task groups raise."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := _found(one, kind)) is not None), None)
    return error if isinstance(error, kind) else None


def _told(text: str, code: int) -> int:
    sys.stderr.write(f"\nevals: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
