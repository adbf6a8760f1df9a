"""The commands of `cio-mcp`; the only place that wires things together."""

import importlib
import sys
from collections.abc import Sequence

from cio_mcp.cli.parser import parse
from cio_mcp.settings import SettingsError

USAGE_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        # Imported when it is used: the server must not wait for what only the demo needs.
        command = importlib.import_module(f"cio_mcp.cli.{arguments.command}")
        return int(command.run(arguments))
    except SettingsError as error:
        sys.stderr.write(f"cio-mcp: {error}\n")
        return USAGE_ERROR
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output went away, as `head` does: nothing is left to say.
        return 1
