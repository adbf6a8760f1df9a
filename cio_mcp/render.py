"""Pure: the catalogue, the settings and the errors become README's tables and the bundle's manifest.

`python -m cio_mcp.render`, run in the project's root, writes them; with `--check` it names what is stale instead.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from cio_mcp import __version__
from cio_mcp.catalog import CATALOG, Area, Catalog, Endpoint
from cio_mcp.errors import CioError
from cio_mcp.limiter import Rate
from cio_mcp.native import RATE_BUDGET, NativeTool
from cio_mcp.operations import OPERATIONS
from cio_mcp.policy import profiles
from cio_mcp.secret import Secret
from cio_mcp.settings import OPTIONS, Option, Settings, load

README = "README.md"
MANIFEST = "manifest.json"

# What a person who installs the bundle is asked for; everything else keeps its default.
ASKED = (
    "CUSTOMERIO_SITE_ID",
    "CUSTOMERIO_TRACK_API_KEY",
    "CUSTOMERIO_APP_API_KEY",
    "CUSTOMERIO_REGION",
    "CUSTOMERIO_SERVICE_ACCOUNT_TOKEN",
    "CUSTOMERIO_WORKSPACE_ID",
    "CIO_MCP_SANDBOX",
    "CIO_MCP_READ_ONLY",
    "CIO_MCP_AREAS",
    "CIO_MCP_GRANT",
)
REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "invalid_arguments": "Mend the named arguments; the message gives the nearest valid name.",
        "no_such_operation": "Take the id from list_unknown_operations, or from the answer to the call.",
        "not_permitted": "Ask whoever runs the server to start it with the area or grant that is named.",
        "writes_stopped": "Tell the user; only the operator ends the stop, with `cio-mcp resume`.",
        "held_back": "It was done. Add `allow_repeat` if it is wanted twice; reconcile an unknown outcome first.",
        "over_budget": "Name fewer people, or wait as long as it says; the operator can raise the budget.",
        "confirmation_needed": "Show the plan to the user; if they agree, call again with `confirm_token`.",
        "approval_needed": "The operator runs `cio-mcp approve OPERATION`; then make the same call again.",
        "not_confirmed": "Do not go on unless the user wants it; without the confirmation the call asks anew.",
        "cannot_ask": "Use a client that can show a question, or ask the operator for another `--confirm`.",
        "missing_credential": "Set the variable that is named, and restart the server.",
        "rate_limited": "Call again after `retry_after_seconds`.",
        "quota_exhausted": "Stop: it may take until tomorrow.",
        "unavailable": "Call again in a minute; if it stays so, run `cio-mcp doctor`.",
        "outcome_unknown": "Look with the tool that is named before you repeat the call.",
        "unreadable_reply": "After a write: it was accepted, so read its result. After a read: ask for less.",
        "not_recorded": "Look at the server's log and disk. Reading still works.",
        "rejected": "Mend what Customer.io names, in its own words, and call again.",
        "bad_credential": "Run `cio-mcp doctor`: it tells a wrong key from a wrong region.",
        "forbidden": "Widen the key's scope, or enable the channel in the workspace.",
        "not_found": "Check the id and its kind (`id_type`); a list or search tool shows what exists.",
        "too_large": "Send less at once.",
        "partly_rejected": "Mend and send again only the items under `rejected`.",
    }
)


NATIVE: tuple[NativeTool, ...] = (RATE_BUDGET, *OPERATIONS)


def tools_section(catalog: Catalog) -> str:
    """Return a table of tools for every area, and one for the tools of this server itself."""
    rates = {str(bucket): rate for bucket, rate in load({}).rates.items()}
    parts = [f"{len(catalog)} tools in {len(catalog.areas)} areas, and {len(NATIVE)} of this server itself."]
    parts += [_area(area, rates) for area in catalog.areas]
    rows = [(f"`{tool.name}`", _sentence(tool.description)) for tool in NATIVE]
    parts.append("### this server\n\n" + _table(("Tool", "What it does"), rows))
    return "\n\n".join(parts)


def _area(area: Area, rates: Mapping[str, Rate]) -> str:
    head = ("Tool", "Call", "Access", "Key", "Limit", "Webhook event")
    return f"### {area.name}\n\n{area.about}\n\n" + _table(head, [_tool(e, rates) for e in area.endpoints])


def _tool(endpoint: Endpoint, rates: Mapping[str, Rate]) -> Sequence[str]:
    limits = [f"{bucket} {_pace(rates[bucket])}" for bucket in endpoint.buckets]
    if endpoint.max_body:
        limits.append(f"{endpoint.max_body:,} bytes")
    return (
        f"`{endpoint.name}`",
        f"[`{endpoint.method} {endpoint.path}`]({endpoint.docs_url})",
        endpoint.permission,
        str(endpoint.key),
        ", ".join(limits),
        f"`{endpoint.emits}`" if endpoint.emits else "",
    )


def _pace(rate: Rate) -> str:
    return f"{rate.limit}/s" if rate.window == 1 else f"{rate.limit} per {rate.window:g} s"


def settings_section(options: Sequence[Option]) -> str:
    """Return the table of settings."""
    head = ("Variable", "Flag", "Default", "What it does")
    return _table(head, [(f"`{o.env}`", _code(o.flag), _code(o.default), o.help) for o in options])


def errors_section() -> str:
    """Return the table of error codes: what each means, and what to do."""
    head = ("Code", "What happened", "What to do")
    return _table(head, [(f"`{e.code}`", _sentence(e.__doc__ or ""), REMEDIES[e.code]) for e in errors(CioError)])


def errors(kind: type[CioError]) -> Iterator[type[CioError]]:
    """Yield the errors below `kind`, in the order of the tree."""
    for child in kind.__subclasses__():
        yield child
        yield from errors(child)


def _sentence(text: str) -> str:
    return " ".join(text.split("\n\n", 1)[0].split())


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def manifest(catalog: Catalog) -> dict[str, Any]:
    """Return the manifest of the one-click bundle (MCPB, "MANIFEST.md", version 0.4).

    Its schema is strict: an unknown member makes a bundle invalid. `server.type` "uv" lets the host install the
    dependencies for its own platform and Python.
    """
    asked = [option for option in OPTIONS if option.env in ASKED]
    shown = [(endpoint.name, endpoint.summary) for endpoint in catalog.values()]
    shown += [(tool.name, _sentence(tool.description)) for tool in NATIVE]
    return {
        "manifest_version": "0.4",
        "name": "cio-mcp",
        "display_name": "Customer.io",
        "version": __version__,
        "description": "Customer.io for AI agents: one tool per API operation, the right key for each.",
        "author": {"name": "The cio-mcp authors"},
        "license": "MIT",
        "keywords": ["customer.io", "email", "messaging", "marketing"],
        "server": {
            "type": "uv",
            "entry_point": "cio_mcp/__main__.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", "cio-mcp"],
                "env": {option.env: f"${{user_config.{option.name}}}" for option in asked},
            },
        },
        "tools": [{"name": name, "description": text} for name, text in shown],
        "compatibility": {"platforms": ["darwin", "win32", "linux"], "runtimes": {"python": ">=3.11"}},
        "user_config": {option.name: _asked(option) for option in asked},
    }


def _asked(option: Option) -> dict[str, Any]:
    """Return the field of the install dialog; none is required, because any one key is enough."""
    field: dict[str, Any] = {
        "type": "boolean" if option.is_switch else "string",
        "title": option.name.replace("_", " ").capitalize().replace("api", "API"),
        "description": option.help,
        "required": False,
    }
    if get_type_hints(Settings)[option.name] == Secret | None:
        field["sensitive"] = True
    if option.default:
        field["default"] = option.default == "true" if option.is_switch else option.default
    return field


def filled(text: str, sections: Mapping[str, str]) -> str:
    """Return `text` with every section written anew between `<!-- name:begin -->` and `<!-- name:end -->`.

    Raises ValueError if a section does not have just one such place.
    """
    for name, content in sections.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{begin} and {end} must each stand there once")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n\n{content}\n\n{end}{rest.partition(end)[2]}"
    return text


def rendered(readme: str) -> dict[str, str]:
    """Return every generated file by name, from the README as it is."""
    sections = {
        "tools": tools_section(CATALOG),
        "settings": settings_section(OPTIONS),
        "errors": errors_section(),
        "profiles": _table(profiles.HEADER, list(profiles.rows())),
    }
    return {
        README: filled(readme, sections),
        MANIFEST: json.dumps(manifest(CATALOG), indent=2, ensure_ascii=False) + "\n",
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Write the generated files of the current directory, or check them; 1 means that some are stale."""
    parser = argparse.ArgumentParser(
        prog="python -m cio_mcp.render", description="Write README's tables and the manifest."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; name what is stale and exit with 1")
    check = parser.parse_args(argv).check
    wanted = rendered(_text(Path(README)))
    stale = [name for name, text in wanted.items() if _text(Path(name)) != text]
    for name in stale:
        sys.stdout.write(f"{name} is stale\n" if check else f"{name} written\n")
        if not check:
            Path(name).write_text(wanted[name], encoding="utf-8", newline="\n")
    return 1 if check and stale else 0


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
