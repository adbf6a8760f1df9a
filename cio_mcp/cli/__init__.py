"""The commands of `cio-mcp`; the only place that wires things together."""

import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence

from cio_mcp.cli.beside import first_failure

USAGE_ERROR = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted."""
    _write_utf8()
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            _flush()
    except (BrokenPipeError, BaseExceptionGroup) as error:
        if isinstance(error, BaseExceptionGroup) and error.subgroup(BrokenPipeError) is None:
            raise
        _drop_output()
        return 1


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


def _write_utf8() -> None:
    """Write UTF-8 whatever the locale is: a name, or the demo's arrows, must not end a command with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _flush() -> None:
    """Write what is still to be written now: at exit, an error could no longer be answered."""
    if isinstance(sys.stdout, io.TextIOBase):  # it is None for a process that was started without one
        sys.stdout.flush()


def _drop_output() -> None:
    """Send what is still unwritten nowhere: whoever read our output went away, as `head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
