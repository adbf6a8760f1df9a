"""Pure: in which order the pages stand, under which names."""

from collections.abc import Mapping, Sequence

from docs.markdown import sections

Entry = str | tuple[str, Sequence["Entry"]]
"""The path of a page, or a group of entries by its name."""


def layout(generated: Mapping[str, Sequence[Entry]]) -> list[Entry]:
    """Return the navigation; `generated` has the entries of pages that are made, by their group."""
    return [
        "index.md",
        ("Start", ["start/keys.md", *generated["hosts"], "start/frameworks.md", "start/http.md", "start/sandbox.md"]),
        ("Tools", ["tools/index.md", *generated["tools"], "tools/prompts.md", "tools/pictures.md"]),
        (
            "Safety",
            ["safety/index.md", "safety/confirmation.md", "safety/grants.md", "safety/record.md", "safety/proof.md"],
        ),
        (
            "Operate",
            ["operate/deploy.md", "operate/console.md", "operate/workspaces.md", "operate/settings.md",
             "operate/telemetry.md"],
        ),
        ("Troubleshooting", ["errors/index.md", *generated["errors"]]),
        ("Questions", ["faq.md", "untried.md", "compare.md"]),
        (
            "Project",
            ["project/architecture.md", "project/contributing.md", "project/benchmarks.md", "project/security.md",
             "project/changelog.md"],
        ),
    ]  # fmt: skip


def paths(entries: Sequence[Entry]) -> list[str]:
    """Return every page of a navigation."""
    found: list[str] = []
    for entry in entries:
        found += [entry] if isinstance(entry, str) else paths(entry[1])
    return found


def navigation(entries: Sequence[Entry], pages: Mapping[str, str]) -> str:
    """Return a navigation as TOML, each page under its own title."""
    return f"[{', '.join(_entry(entry, pages) for entry in entries)}]"


def _entry(entry: Entry, pages: Mapping[str, str]) -> str:
    if isinstance(entry, str):
        return f"{{ {_quoted(title(pages[entry]))} = {_quoted(entry)} }}"
    return f"{{ {_quoted(entry[0])} = {navigation(entry[1], pages)} }}"


def title(page: str) -> str:
    """Return what a page is called: its first heading, without marks of code."""
    return sections(page)[0].title.replace("`", "")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
