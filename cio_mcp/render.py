"""Pure: the catalogue, the settings and the errors become README's tables, manifest.json and server.json.

`python -m cio_mcp.render`, run in the project's root, writes them; with `--check` it names what is stale instead.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cio_mcp import distribution
from cio_mcp.catalog import CATALOG, Area, Catalog, Endpoint
from cio_mcp.explaining import explanations
from cio_mcp.insight.tools import TOOLS as INSIGHT_TOOLS
from cio_mcp.limiter import Rate
from cio_mcp.native import RATE_BUDGET, NativeTool
from cio_mcp.operations import OPERATIONS
from cio_mcp.policy import profiles
from cio_mcp.settings import OPTIONS, Option, load
from cio_mcp.telemetry.metrics import METRICS, Metric
from cio_mcp.webhooks.tools import TOOLS as DELIVERY_TOOLS

README = "README.md"
MANIFEST = "manifest.json"
REGISTRY_ENTRY = "server.json"

NATIVE: tuple[NativeTool, ...] = (RATE_BUDGET, *OPERATIONS, *DELIVERY_TOOLS, *INSIGHT_TOOLS)


def tools_section(catalog: Catalog) -> str:
    """Return a table of tools for every area, and one for the tools of this server itself."""
    rates = {str(bucket): rate for bucket, rate in load({}).rates.items()}
    parts = [f"{len(catalog)} tools in {len(catalog.areas)} areas, and {len(NATIVE)} of this server itself."]
    parts += [_area(area, rates) for area in catalog.areas]
    asked = "Questions that take several reads, answered in one call, for whoever may make those reads."
    parts.append(f"### insight\n\n{asked}\n\n{_natives(INSIGHT_TOOLS)}")
    parts.append(f"### this server\n\n{_natives([tool for tool in NATIVE if tool not in INSIGHT_TOOLS])}")
    return "\n\n".join(parts)


def _natives(tools: Sequence[NativeTool]) -> str:
    return _table(("Tool", "What it does"), [(f"`{tool.name}`", _sentence(tool.description)) for tool in tools])


def _area(area: Area, rates: Mapping[str, Rate]) -> str:
    head = ("Tool", "Call", "Access", "Key", "Limit", "Webhook event")
    return f"### {area.name}\n\n{area.about}\n\n" + _table(head, [_tool(e, rates) for e in area.endpoints])


def _tool(endpoint: Endpoint, rates: Mapping[str, Rate]) -> Sequence[str]:
    limits = [f"{bucket} {pace(rates[bucket])}" for bucket in endpoint.buckets]
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


def pace(rate: Rate) -> str:
    """Return a limit as people say it."""
    return f"{rate.limit}/s" if rate.window == 1 else f"{rate.limit} per {rate.window:g} s"


def settings_section(options: Sequence[Option]) -> str:
    """Return the table of settings."""
    head = ("Variable", "Flag", "Default", "What it does")
    return _table(head, [(f"`{o.env}`", _code(o.flag), _code(o.default), o.help) for o in options])


def errors_section() -> str:
    """Return the table of error codes: what each means, and what to do."""
    head = ("Code", "What happened", "What to do")
    return _table(head, [(f"`{each.code}`", each.happened, each.remedy) for each in explanations().values()])


def profiles_section() -> str:
    """Return the table of profiles; what one allows is code, since Markdown would take `*:*` for emphasis."""
    rows = [(name, purpose, _code(allows), reach, budget) for name, purpose, allows, reach, budget in profiles.rows()]
    return _table(profiles.HEADER, rows)


def metrics_section(metrics: Sequence[Metric]) -> str:
    """Return the table of metrics, named as Prometheus has them."""
    head = ("Metric", "Type", "Labels", "What it tells")
    rows = [
        (f"`{m.prometheus}`", str(m.kind), ", ".join(f"`{label.replace('.', '_')}`" for label in m.labels), m.meaning)
        for m in metrics
    ]
    return _table(head, rows)


def _sentence(text: str) -> str:
    return " ".join(text.split("\n\n", 1)[0].split())


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def manifest(catalog: Catalog) -> dict[str, Any]:
    """Return the bundle's manifest, with every tool that a server can have."""
    shown = [(endpoint.name, endpoint.summary) for endpoint in catalog.values()]
    return distribution.manifest([*shown, *((tool.name, _sentence(tool.description)) for tool in NATIVE)])


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
        "metrics": metrics_section(METRICS),
        "profiles": profiles_section(),
        "registry": distribution.registry_marker(),
    }
    return {
        README: filled(readme, sections),
        MANIFEST: json_text(manifest(CATALOG)),
        REGISTRY_ENTRY: json_text(distribution.registry_entry()),
    }


def json_text(document: Mapping[str, Any]) -> str:
    """Return a document as the files have it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the generated files of the current directory, or check them; 1 means that some are stale."""
    parser = argparse.ArgumentParser(
        prog="python -m cio_mcp.render", description="Write README's tables, manifest.json and server.json."
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
