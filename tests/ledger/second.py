"""What second processes do in the tests of the ledger: `python -m tests.ledger.second SCRIPT ARGUMENTS`."""

import asyncio
import importlib
import json
import os
import resource
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cio_mcp.ledger.clock import SteadyClock
from cio_mcp.ledger.postgres import PostgresLedger
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.terms import (
    Cap,
    Ending,
    Intent,
    Ledger,
    NotConfirmed,
    Outcome,
    Overspent,
    Repeated,
    Terms,
    Unrecorded,
)
from cio_mcp.postgres import Database
from tests.ledger.book import OK
from tests.ledger.engine import KEYS

NOBODY = 65_534


def say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def wait() -> None:
    sys.stdin.readline()


def open_ledger(place: str) -> Ledger:
    """Open a ledger in a file or in a database."""
    return PostgresLedger(Database(place), KEYS) if "://" in place else open_file(place)


def open_file(path: str) -> SqliteLedger:
    clock = SteadyClock()
    return SqliteLedger.open(Path(path), now=clock.now, boot=clock.boot)


def intent(operation: str, fingerprint: str = "", recipients: int = 1) -> Intent:
    return Intent(
        operation=operation,
        tool="send_email",
        access="send",
        caller="second",
        workspace="77",
        fingerprint=fingerprint,
        recipients=recipients,
    )


async def hold(path: str, operation: str) -> None:
    """Begin an operation and hold it open until told to go on, then conclude it."""
    ledger = open_ledger(path)
    await ledger.begin(intent(operation, "held"), Terms())
    say("begun")
    wait()
    await ledger.conclude(intent(operation, "held"), OK)
    say("concluded")
    await ledger.aclose()


async def leave(path: str, operation: str) -> None:
    """Begin an operation and end without a word, as after kill -9."""
    ledger = open_ledger(path)
    await ledger.begin(intent(operation, "left"), Terms())
    os._exit(9)


async def start(path: str) -> None:
    """Open the ledger at a sign, together with others, and tell what a digest is there."""
    say("ready")
    wait()
    ledger = open_ledger(path)
    say(ledger.digest("same"))
    await ledger.aclose()


async def spend(path: str, name: str, cap: str, calls: str) -> None:
    """Begin sends of one to three recipients under a cap, and tell how many recipients were granted."""
    ledger = open_ledger(path)
    say("ready")
    wait()
    granted = refused = 0
    for number in range(int(calls)):
        wanted = number % 3 + 1
        call = intent(f"{name}-{number}", recipients=wanted)
        try:
            await ledger.begin(call, Terms(caps=(Cap(recipients=int(cap), seconds=3600),)))
        except Overspent:
            refused += 1
            continue
        granted += wanted
        await ledger.conclude(call, OK)
    say([granted, refused])
    await ledger.aclose()


async def repeat(path: str, name: str, calls: str) -> None:
    """Begin the same calls as the others, and tell which of them this process was granted."""
    ledger = open_ledger(path)
    say("ready")
    wait()
    granted = []
    for number in range(int(calls)):
        call = intent(f"{name}-{number}", f"call-{number}")
        try:
            await ledger.begin(call, Terms(repeat_within=600))
        except Repeated:
            continue
        granted.append(number)
        await ledger.conclude(call, OK)
    say(granted)
    await ledger.aclose()


async def endure(path: str, name: str, cap: str, calls: str) -> None:
    """Begin sends under a cap while the database comes and goes, and tell which were granted."""
    ledger = open_ledger(path)
    say("ready")
    wait()
    granted: list[str] = []
    refused = 0
    for number in range(int(calls)):
        call = intent(f"{name}-{number}")
        outcome = OK
        try:
            await ledger.begin(call, Terms(caps=(Cap(recipients=int(cap), seconds=3600),)))
            granted.append(call.operation)
        except Overspent:
            continue
        except Unrecorded:
            refused += 1
            outcome = Outcome(ending=Ending.REFUSED)
        with suppress(Unrecorded):
            await ledger.stopped()
        with suppress(Unrecorded):
            await ledger.conclude(call, outcome)
    await ledger.aclose()
    say([granted, refused])


async def use(path: str, name: str, handles: str) -> None:
    """Try to spend every confirmation, as the others do, and tell which this process could."""
    ledger = open_ledger(path)
    say("ready")
    wait()
    granted = []
    for number in range(int(handles)):
        terms = Terms(confirmation=f"handle-{number}", binding="binding-1")
        try:
            await ledger.begin(intent(f"{name}-{number}"), terms)
        except NotConfirmed:
            continue
        granted.append(number)
    say(granted)
    await ledger.aclose()


async def fill(path: str, limit: str) -> None:
    """Write until a file may not grow any more, and again once it may; tell what happened."""
    ledger = open_file(path)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
    begun, cause = 0, ""
    while not cause and begun < 5000:
        try:
            await ledger.begin(intent(f"op-{begun}"), Terms())
            begun += 1
        except Unrecorded as error:
            cause = str(error)
    known = [await ledger.operation(f"op-{number}") is not None for number in (0, begun - 1, begun)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await ledger.begin(intent("op-after"), Terms())
    verdict = ledger.verify()
    await ledger.aclose()
    say({"begun": begun, "cause": cause, "known": known, "fault": str(verdict.fault), "records": verdict.records})


async def as_nobody(path: str, directory: str, mode: str) -> None:
    """Open a ledger as an ordinary user, take the right to write away, and tell what a read and a write say."""
    become_ordinary(directory)
    ledger = open_file(path)
    await ledger.begin(intent("op-1"), Terms())
    await ledger.conclude(intent("op-1"), OK)
    await ledger.aclose()
    set_modes({path: 0o400, directory: int(mode, 8)})
    told = []
    try:
        ledger = open_file(path)
    except Unrecorded as error:
        told.append(str(error))
    else:
        told += await read_and_write(ledger)
        await ledger.aclose()
    set_modes({directory: 0o700})
    set_modes(dict.fromkeys(files_in(directory), 0o600))
    ledger = open_file(path)
    await ledger.begin(intent("op-3"), Terms())
    told.append("mended")
    await ledger.aclose()
    say(told)


async def read_and_write(ledger: SqliteLedger) -> list[str]:
    told = []
    try:
        known = await ledger.operation("op-1")
        told.append("read" if known and known.outcome == OK else "lost")
        await ledger.begin(intent("op-2"), Terms())
        told.append("written")
    except Unrecorded as error:
        told.append(str(error))
    return told


def become_ordinary(directory: str) -> None:
    """Give the directory to nobody and become nobody, if this is root, whom no mode keeps from writing."""
    if os.geteuid() == 0:
        importlib.import_module("cio_mcp.ledger.processes")  # nobody may not be able to read it
        os.chown(directory, NOBODY, NOBODY)
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def files_in(directory: str) -> list[str]:
    return [str(path) for path in Path(directory).iterdir()]


def set_modes(modes: dict[str, int]) -> None:
    for name, mode in modes.items():
        Path(name).chmod(mode)


SCRIPTS: dict[str, Callable[..., Awaitable[None]]] = {
    script.__name__: script for script in (hold, leave, start, spend, repeat, endure, use, fill, as_nobody)
}

if __name__ == "__main__":
    asyncio.run(SCRIPTS[sys.argv[1]](*sys.argv[2:]))  # type: ignore[arg-type]  # each is a coroutine function
