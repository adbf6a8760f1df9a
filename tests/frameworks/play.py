"""One example, played: what had arrived at Customer.io when it asked and when it ended, and what is on record."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cio_mcp.sandbox import Keys, RunningSandbox, running_sandbox
from tests.cli.commands import CLEAN, running
from tests.frameworks.clients import Client
from tests.frameworks.scripted_model import scripted_model
from tests.recorded import records_in

TRANSPORTS = ("stdio", "http")
PATIENCE = 300.0  # seconds; generous, because it only runs out when a test fails
QUESTION = b"[y/N] "


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What an example did."""

    code: int
    said: str
    complained: str
    before_yes: tuple[Any, ...]
    """What had arrived at Customer.io when it asked; all of it, if it did not ask."""
    arrived: tuple[Any, ...]
    records: tuple[Mapping[str, Any], ...]


def play(client: Client, transport: str, folder: Path, *, answer: str = "y") -> Played:
    """Run a client's example over a transport, and answer its question."""
    ledger = folder / "ledger.sqlite3"
    with running_sandbox() as sandbox, _model(client) as model:
        environment = {**CLEAN, **_keys(sandbox), "HOME": str(folder), "NO_COLOR": "1", **client.variables(), **model}
        serve = ("serve", "--ledger", str(ledger), *client.serve)
        if transport == "stdio":
            command = [*client.command(folder), sys.executable, "-m", "cio_mcp", *serve]
            told = _run(command, environment, sandbox, folder, answer)
        else:
            with running(*serve, "--http", "0", env=_keys(sandbox)) as server:
                url = re.findall(r"http://\S+/mcp", server.wait_for("/mcp"))[0]
                told = _run([*client.command(folder), url], environment, sandbox, folder, answer)
        records = records_in(ledger) if ledger.exists() else ()
        return Played(**told, arrived=tuple(sandbox.app.state.journal), records=tuple(records))


def play_alone(client: Client, folder: Path, *server: str) -> "subprocess.CompletedProcess[str]":
    """Run a client's example as it is started without arguments, or with a server's, and agree to what it asks."""
    with _model(client) as model:
        environment = {**CLEAN, "HOME": str(folder), **client.variables(), **model}
        programs = os.pathsep.join((str(Path(sys.executable).parent), environment["PATH"]))
        return subprocess.run(  # noqa: S603 - an example of ours
            [*client.command(folder), *server],
            env=environment | {"PATH": programs},
            cwd=folder,
            input="y\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


@contextmanager
def _model(client: Client) -> Iterator[dict[str, str]]:
    """Serve a model to a client that needs one, and yield the variables that lead it there."""
    if not client.needs_model:
        yield {}
        return
    with scripted_model() as url:
        yield {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "canary-key"}


def _keys(sandbox: RunningSandbox) -> dict[str, str]:
    keys = Keys()
    return {
        "CUSTOMERIO_TRACK_URL": sandbox.url,
        "CUSTOMERIO_APP_URL": sandbox.url,
        "CUSTOMERIO_SITE_ID": keys.site_id,
        "CUSTOMERIO_TRACK_API_KEY": keys.track_api_key,
        "CUSTOMERIO_APP_API_KEY": keys.app_api_key,
    }


def _run(
    command: list[str], environment: Mapping[str, str], sandbox: RunningSandbox, folder: Path, answer: str
) -> dict[str, Any]:
    errors = folder / "stderr"
    with errors.open("wb") as stderr, _started(command, environment, folder, stderr) as process:
        # With all that it started, or the pipe to it would never end.
        giving_up = threading.Timer(PATIENCE, os.killpg, (process.pid, signal.SIGKILL))
        giving_up.start()
        try:
            said = _until_asked(process)
            before_yes = tuple(sandbox.app.state.journal)
            rest, _ = process.communicate(f"{answer}\n".encode())
        finally:
            giving_up.cancel()
    return {
        "code": process.returncode,
        "said": (said + rest).decode("utf-8", "replace"),
        "complained": errors.read_text(encoding="utf-8", errors="replace"),
        "before_yes": before_yes,
    }


def _started(
    command: list[str], environment: Mapping[str, str], folder: Path, stderr: IO[bytes]
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - an example of ours
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        bufsize=0,
        start_new_session=True,
    )


def _until_asked(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    said = b""
    while not said.endswith(QUESTION) and (more := process.stdout.read(1)):
        said += more
    return said
