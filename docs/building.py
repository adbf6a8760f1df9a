"""The site, built: sources gathered in a folder, and made into HTML by Zensical, strictly."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from docs import error_pages, host_pages, tool_pages
from docs.cutting import Cuts, Unplaced
from docs.layout import layout, navigation, paths

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent
DOCUMENTS = (
    "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md",
)  # fmt: skip
LEFT_OUT = {"README.md": ["More"]}
"""Links to the other documents, which the navigation has."""
STYLE = "site.css"
WIDE = frozenset({"compare.md", "operate/settings.md", "operate/telemetry.md", "tools/index.md"})
"""Pages whose tables need the room of the list of their headings."""
_WIDELY = "---\nhide:\n  - toc\n---\n\n"


class Broken(Exception):
    """The site cannot be built as it is; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The site before it is HTML: its pages by path, and the navigation as TOML."""

    pages: Mapping[str, str]
    navigation: str


def cuts() -> Cuts:
    """Return the hand-written pages and what they are put together from."""
    folder = HERE / "pages"
    pages = {file.relative_to(folder).as_posix(): _read(file) for file in sorted(folder.rglob("*.md"))}
    return Cuts(documents={name: _read(ROOT / name) for name in DOCUMENTS}, pages=pages)


def source() -> Source:
    """Return the whole site as Markdown; raises Unplaced if a section stands nowhere, or twice."""
    cut = cuts()
    for document in DOCUMENTS:
        if (missing := cut.unplaced(document)) != LEFT_OUT.get(document, []):
            raise Unplaced(f"{document}: no page shows {missing}")
    written = {path: cut.page(path) for path in cut.pages}
    made = {**host_pages.pages(), **tool_pages.pages(), **error_pages.pages()}
    pages = {path: tool_pages.linked(path, text) for path, text in {**written, **made}.items()}
    pages = {path: error_pages.linked(path, host_pages.linked(path, text)) for path, text in pages.items()}
    entries = layout({"hosts": host_pages.entries(), "tools": tool_pages.entries(), "errors": error_pages.entries()})
    if sorted(paths(entries)) != sorted(pages):
        raise Unplaced(f"pages and navigation differ by {sorted(set(paths(entries)) ^ set(pages))}")
    return Source(pages=pages, navigation=navigation(entries, pages))


def build(folder: Path) -> Path:
    """Build the site below a folder and return where its HTML lies; raises Broken with what the builder says."""
    if importlib.util.find_spec("zensical") is None:
        raise Broken('the site is built by Zensical, which is not here: pip install ".[docs]"')
    made = source()
    for path, text in made.pages.items():
        file = folder / "pages" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_WIDELY + text if path in WIDE else text, encoding="utf-8", newline="\n")
    shutil.copy(HERE / "pages" / STYLE, folder / "pages" / STYLE)
    places = f'docs_dir = "pages"\nsite_dir = "html"\nnav = {made.navigation}\n'
    config = _read(HERE / "zensical.toml").replace("[project]\n", f"[project]\n{places}", 1)
    (folder / "zensical.toml").write_text(config, encoding="utf-8", newline="\n")
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", "zensical.toml"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Broken(done.stdout + done.stderr)
    return folder / "html"


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")
