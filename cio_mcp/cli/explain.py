"""`cio-mcp explain`: an error code, explained without a look at anything but its name."""

import argparse
import json
import shutil
import sys
import textwrap
from dataclasses import asdict
from difflib import get_close_matches

from cio_mcp.cli.ledger_file import visible
from cio_mcp.explaining import Explanation, explanations
from cio_mcp.settings import SettingsError

MARGIN = 13
NARROWEST, WIDEST = 60, 100


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the code."""
    command.add_argument("code", metavar="CODE", nargs="?", help="as an error has it, such as rate_limited")
    command.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Explain one code; without any, list them all."""
    known = explanations()
    chosen = [_found(known, arguments.code)] if arguments.code else list(known.values())
    if arguments.json:
        told = [asdict(each) for each in chosen]
        sys.stdout.write(json.dumps(told[0] if arguments.code else told, indent=1, ensure_ascii=False) + "\n")
    elif arguments.code:
        sys.stdout.write(_page(chosen[0]))
    else:
        sys.stdout.writelines(f"{each.code:20} {each.happened}\n" for each in chosen)
    return 0


def _found(known: dict[str, Explanation], code: str) -> Explanation:
    if code in known:
        return known[code]
    near = get_close_matches(code.lower().replace("-", "_"), known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise SettingsError(f"{visible(code)} is no error code{hint}; `cio-mcp explain` lists them")


def _page(one: Explanation) -> str:
    parts = (
        ("happened", one.happened),
        ("sent", one.sent),
        ("do", one.remedy),
        ("an agent", one.agent),
        ("a person", one.person),
    )
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    lines = (
        textwrap.fill(
            text,
            width=width,
            initial_indent=f"  {name:{MARGIN - 2}}",
            subsequent_indent=" " * MARGIN,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in parts
    )
    return f"{one.code}\n" + "\n".join(lines) + "\n"
