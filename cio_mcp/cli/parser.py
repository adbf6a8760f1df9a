"""What can be typed, and what `--help` says of it."""

import argparse
import importlib
import os
from collections.abc import Callable, Sequence

from cio_mcp import __version__
from cio_mcp.settings import add_flags

LOOPBACK, LAST_PORT = "127.0.0.1", 65_535
EPILOG = """\
credentials come from the environment, each also as NAME_FILE with the path of a file:
  CUSTOMERIO_SITE_ID and CUSTOMERIO_TRACK_API_KEY       Track API: write people and events
  CUSTOMERIO_APP_API_KEY                                App API: read, send, manage
  CUSTOMERIO_SERVICE_ACCOUNT_TOKEN, CUSTOMERIO_WORKSPACE_ID
                                                        instead of the App key, transactional sends only
  CUSTOMERIO_REGION                                     us (default) or eu
  CUSTOMERIO_TRACK_URL, CUSTOMERIO_APP_URL              other hosts: customer.io or loopback only
  CUSTOMERIO_WEBHOOK_SIGNING_KEY, CUSTOMERIO_WEBHOOK_SIGNING_KEY_PREVIOUS
                                                        events that Customer.io reports: keys they are signed with
  CIO_MCP_LEDGER_KEY                                    with --store: the secret that chains the record
  CIO_MCP_CONSOLE_KEY                                   with --console: the secret with which its operator signs in
  CIO_MCP_TOKEN                                         with call --url: the token of the server that is called

first steps:
  cio-mcp demo                      see it work; no keys, no network
  cio-mcp login                     store your keys, checked
  cio-mcp install claude-desktop    let a host start this server; also cursor, vscode, codex and others
  cio-mcp doctor                    check what is set
  cio-mcp call list_segments        call a tool as an agent would
"""

COMMANDS: dict[str, str] = {
    "serve": "serve MCP over stdio (the default), or with --http over streamable HTTP",
    "call": "call one tool, as an agent would, and print its result",
    "tools": "list the tools",
    "doctor": "check keys, region, reach and limits, and say how to mend what is wrong",
    "explain": "explain an error code: what happened, whether anything was sent, what to do",
    "install": "tell a host (Claude Desktop, Cursor, VS Code and others) to start this server",
    "login": "store your keys in the system's keyring, or in a file, once they were checked",
    "logout": "remove the stored keys",
    "grants": "show what an agent may do here, and why a call would be allowed or denied",
    "token": "make, list and revoke the tokens by which agents are known over HTTP",
    "webhooks": "receive the events that Customer.io reports, and nothing else",
    "audit": "read the record of all calls, and verify that nobody changed it",
    "pending": "list what waits for a person's approval (--confirm operator)",
    "approve": "let one waiting operation pass",
    "reject": "turn one waiting operation away",
    "stop": "stop every write, in every server on this ledger, until resume",
    "resume": "let writes leave again",
    "demo": "show the main job in ten seconds: a real MCP client against a Customer.io on this machine",
    "sandbox": "run that Customer.io alone, over HTTP",
}
"""Every command is a module of this package with a function `run(arguments) -> int`."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; without a command it is `serve`."""
    words = list(argv)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help", "--version")):
        words.insert(0, "serve")
    parser, commands = _parsers(words[0])
    if words[0] not in commands:
        return parser.parse_args(words)
    words, passed_on = _divided(words)
    # Flags may stand anywhere, before the JSON of a call too.
    arguments = commands[words[0]].parse_intermixed_args(words[1:])
    arguments.command = words[0]
    arguments.passed_on = passed_on
    return arguments


def _divided(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what `install` itself is told, and what stands after -- for the server."""
    if words[0] != "install" or "--" not in words:
        return list(words), []
    place = words.index("--")
    return list(words[:place]), list(words[place + 1 :])


def _parsers(chosen: str) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of all commands, and those of each; only the chosen one knows its arguments."""
    parser = argparse.ArgumentParser(
        prog="cio-mcp",
        description="Customer.io for AI agents: an MCP server with one tool per API operation.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cio-mcp {__version__}")
    listed = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    commands: dict[str, argparse.ArgumentParser] = {}
    for name, text in COMMANDS.items():
        command = listed.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=EPILOG if name in ("serve", "call", "doctor") else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == chosen:
            _add_arguments(name, command)
        commands[name] = command
    return parser, commands


def _add_arguments(name: str, command: argparse.ArgumentParser) -> None:
    if name in _ARGUMENTS:
        _ARGUMENTS[name](command)
        return
    # Imported when it is used: a server's start must not wait for it.
    importlib.import_module(f"cio_mcp.cli.{name}").add_arguments(command)
    if name in _ON_A_LEDGER:
        command.add_argument(
            "--ledger",
            metavar="PATH",
            default=os.environ.get("CIO_MCP_LEDGER") or None,
            help="the ledger, as the server was given it (default: the one in the user's state directory) "
            "[CIO_MCP_LEDGER]",
        )


def _serve_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--http",
        metavar="[HOST:]PORT",
        type=address,
        help="serve streamable HTTP there instead of stdio (default host: 127.0.0.1); port 0 takes a free one; "
        "other addresses need --auth, --allowed-hosts and --allowed-origins",
    )
    add_flags(command)


def _call_arguments(command: argparse.ArgumentParser) -> None:
    command.usage = "cio-mcp call [options] [settings] TOOL [JSON]"
    command.add_argument(
        "tool", metavar="TOOL", help="the tool's name; `cio-mcp tools` lists them, `cio-mcp tools TOOL` shows one"
    )
    command.add_argument(
        "arguments",
        metavar="JSON",
        nargs="?",
        default="{}",
        help="its arguments as a JSON object; - reads them from stdin",
    )
    command.add_argument("--json", action="store_true", help="print result, error and facts about the call as JSON")
    command.add_argument(
        "--url",
        metavar="URL",
        help="call a server elsewhere over HTTP, such as https://mcp.example.com/mcp, with the token in CIO_MCP_TOKEN, "
        "instead of one of its own",
    )
    add_flags(command)


def _tools_arguments(command: argparse.ArgumentParser) -> None:
    command.usage = "cio-mcp tools [options] [settings] [TOOL]"
    command.add_argument("tool", metavar="TOOL", nargs="?", help="show this one: what it does and takes")
    command.add_argument("--json", action="store_true", help="print the whole list as clients get it")
    add_flags(command)


def _doctor_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print the findings as JSON")
    add_flags(command)


def _demo_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print every step as one JSON line")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {LAST_PORT}")
    return int(text)


def address(text: str) -> tuple[str, int]:
    """Read a host and a port, or a port alone."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, _port(port)


def _sandbox_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--port", type=_port, default=8025, help="port on 127.0.0.1; 0 takes a free one (default: 8025)"
    )
    command.add_argument("--region", choices=("us", "eu"), default="us", help="where its account lives (default: us)")
    command.add_argument("--empty", action="store_true", help="start without the sample people, segments and campaigns")


_ON_A_LEDGER = frozenset({"audit", "pending", "approve", "reject", "stop", "resume", "token"})
_ARGUMENTS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "serve": _serve_arguments,
    "call": _call_arguments,
    "tools": _tools_arguments,
    "doctor": _doctor_arguments,
    "demo": _demo_arguments,
    "sandbox": _sandbox_arguments,
}
