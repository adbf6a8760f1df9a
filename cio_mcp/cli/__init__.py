"""The commands of `cio-mcp`; the only place that wires things together."""

import errno
import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cio_mcp.cli.beside import first_failure

USAGE_ERROR = 2
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted."""
    _open_outputs()
    _write_utf8()
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            _flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except (OSError, BaseExceptionGroup) as error:
        failure = first_failure(error)
        if not _is_of_output(failure):
            raise
        _drop_output()
        return 1


def _is_of_output(failure: BaseException) -> bool:
    """Say whether standard output could not be written; whoever reads no more need not be told."""
    if isinstance(failure, BrokenPipeError):
        return True
    if not isinstance(failure, OSError) or failure.filename is not None or failure.errno not in _NO_ROOM:
        return False
    said = "what was to be done is done, but its result cannot be written"
    sys.stderr.write(f"cio-mcp: {said}: {os.strerror(failure.errno)}\n")
    return True


def _run(argv: Sequence[str]) -> int:
    # What imports make stays for good: collecting while they run finds nothing and costs a fifth of the start.
    gc.disable()
    parser = importlib.import_module("cio_mcp.cli.parser")
    arguments = parser.parse(argv)
    # Imported when it is used: the server must not wait for what only the demo needs.
    command = importlib.import_module(f"cio_mcp.cli.{arguments.command}")
    settings = importlib.import_module("cio_mcp.settings")
    gc.enable()
    try:
        return int(command.run(arguments))
    except settings.SettingsError as error:
        sys.stderr.write(f"cio-mcp: {error}\n")
        return USAGE_ERROR
    except BaseExceptionGroup as group:  # raised where tasks run beside each other
        first = first_failure(group)
        if not isinstance(first, settings.SettingsError):
            raise
        sys.stderr.write(f"cio-mcp: {first}\n")
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


def _open_outputs() -> None:
    """Write to nowhere what a process that was started without standard output or error says there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for as long as the process


def _write_utf8() -> None:
    """Write UTF-8 whatever the locale is: a name, or the demo's arrows, must not end a command with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _flush() -> None:
    """Write what is still to be written now: at exit, an error could no longer be answered."""
    sys.stdout.flush()


def _drop_output() -> None:
    """Send what is still unwritten nowhere: whoever read our output went away, as `head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
