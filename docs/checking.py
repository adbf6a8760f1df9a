"""What a built site may not have: links that lead nowhere, and anything that a browser would fetch from elsewhere."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {
    "audio": "src", "embed": "src", "iframe": "src", "img": "src", "input": "src", "link": "href", "object": "data",
    "script": "src", "source": "src", "track": "src", "video": "src",
}  # fmt: skip
"""What a browser fetches by itself. A `link` counts whatever its `rel`: none of ours need name another host."""
_CSS_ADDRESS = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])([^"')]+)""")
_ELSEWHERE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)


class Document(HTMLParser):
    """One page: where it can be jumped to, where it leads, what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self._styling = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given and tag != "meta"}
        if tag in ("a", "area") and "href" in given:
            self.links.append(given["href"])
        if (member := _LOADED.get(tag)) and member in given:
            self.loaded.append(given[member])
        self.loaded += [each.split()[0] for each in given.get("srcset", "").split(",") if each.strip()]
        self.loaded += _CSS_ADDRESS.findall(given.get("style", ""))
        self._styling = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        """Leave a style sheet."""
        self._styling = self._styling and tag != "style"

    def handle_data(self, data: str) -> None:
        """Read a style sheet that stands in the page."""
        if self._styling:
            self.loaded += _CSS_ADDRESS.findall(data)


def documents(site: Path) -> Mapping[str, Document]:
    """Return the pages of a built site by their paths in it."""
    files = sorted(site.rglob("*.html"))
    return {file.relative_to(site).as_posix(): Document(file.read_text(encoding="utf-8")) for file in files}


def dead_links(site: Path) -> Iterator[str]:
    """Yield every link, image, script and style sheet of the site itself that is not there."""
    pages = documents(site)
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            if not _leads_elsewhere(link) and not _is_there(site, pages, path, link):
                yield f"{path}: {link}"


def outside_assets(site: Path) -> Iterator[str]:
    """Yield what a browser would fetch from another host to show the site."""
    for path, page in documents(site).items():
        yield from (f"{path}: {address}" for address in page.loaded if _ELSEWHERE.match(address))
    for sheet in sorted(site.rglob("*.css")):
        for address in _CSS_ADDRESS.findall(sheet.read_text(encoding="utf-8")):
            if _ELSEWHERE.match(address):
                yield f"{sheet.relative_to(site).as_posix()}: {address}"


def external_links(site: Path) -> list[str]:
    """Return the addresses elsewhere that a reader may follow; nobody has tried them."""
    return sorted({link for page in documents(site).values() for link in page.links if _leads_elsewhere(link)})


def _leads_elsewhere(link: str) -> bool:
    return bool(_ELSEWHERE.match(link)) or link.startswith(("mailto:", "data:"))


def _is_there(site: Path, pages: Mapping[str, Document], path: str, link: str) -> bool:
    parts = urlsplit(link)
    # The page for what is not there may stand at any depth, so its links begin at the root.
    around = "" if parts.path.startswith("/") else posixpath.dirname(path)
    way = unquote(parts.path).lstrip("/")
    target = posixpath.normpath(posixpath.join(around, way)) if parts.path else path
    if (site / target).is_dir():
        target = posixpath.normpath(posixpath.join(target, "index.html"))
    if target not in pages:
        return not parts.fragment and (site / target).is_file()
    return not parts.fragment or unquote(parts.fragment) in pages[target].anchors
