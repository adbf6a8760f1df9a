"""`cio-mcp` for many commands: one process imports everything once, and each command is a process forked from it.

What takes a second or two of every command is its imports. A forked command has its own arguments, environment, folder
and streams, as one that was started has; only what it is made of was read before. Where a process cannot fork, each
command is started.
"""

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from cio_mcp.cli import main as cio_mcp
from cio_mcp.cli.parser import COMMANDS

STARTED_WITHIN = 60.0
_LARGEST = 1_000_000
_CLIENT = """\
#!{python} -S
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect({address!r})
asked = {{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(server, [json.dumps(asked).encode()], [0, 1, 2])
sys.exit(int(server.recv(16) or 70))
"""
_STARTER = '#!/bin/sh\nexec "{python}" -m cio_mcp "$@"\n'


@contextmanager
def program(environment: dict[str, str]) -> Iterator[str]:
    """Yield the text of a program that does as `cio-mcp` does."""
    if not hasattr(os, "fork") or not hasattr(socket, "SOCK_SEQPACKET") or sys.platform == "darwin":
        yield _STARTER.format(python=sys.executable)
        return
    with tempfile.TemporaryDirectory(prefix="cio-mcp-") as folder:
        address = str(Path(folder, "calls"))
        process = subprocess.Popen(
            [sys.executable, "-m", "docs.forking", address], env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            if not process.stdout or not process.stdout.readline():
                raise RuntimeError("the process that commands are forked from did not start")
            yield _CLIENT.format(python=sys.executable, address=address)
        finally:
            process.kill()
            process.communicate(timeout=STARTED_WITHIN)


def serve(address: str) -> NoReturn:
    """Fork a command for everybody who connects; whoever started this ends it."""
    for name in COMMANDS:
        importlib.import_module(f"cio_mcp.cli.{name}")
    importlib.import_module("cio_mcp.sandbox")
    if threading.active_count() != 1:
        raise RuntimeError("something that was imported runs beside, and would not be there after a fork")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(address)
    server.listen()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        caller, _ = server.accept()
        if os.fork() == 0:
            server.close()
            os._exit(_command(caller))
        caller.close()


def _command(caller: socket.socket) -> int:
    """Be a command, tell the caller its exit code, and return it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, streams, _, _ = socket.recv_fds(caller, _LARGEST, 3)
    asked = json.loads(data)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Made anew, as they remember what they were opened on.
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["cio-mcp", *asked["words"]]
    code = _ended()
    caller.send(str(code).encode())
    return code


def _ended() -> int:
    try:
        code = cio_mcp()
    except SystemExit as error:  # argparse's
        code = error.code if isinstance(error.code, int) else 1
    except Exception:  # noqa: BLE001 - it is shown as the interpreter shows it
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    serve(sys.argv[1])
