"""The built site: every page is there, no link is dead, and a browser fetches nothing from elsewhere to show it."""

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page

from cio_mcp.explaining import EXPLAINED
from cio_mcp.hosts.table import HOSTS
from docs.building import source
from docs.checking import dead_links, documents, external_links, outside_assets
from docs.markdown import slug
from docs.tool_pages import TOOLS
from tests.catalog import listed
from tests.console.browser import NARROW, PATIENCE, WIDE, chromium

__all__ = ["chromium"]
LOOKED_AT = ("index.html", "tools/trigger_broadcast.html", "errors/rate_limited.html", "compare.html", "faq.html")
GOOD = '<h1 id="top">Hi</h1><a href="#top">up</a><a href="https://example.com/">out</a>'


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without telling of it."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Serve the site, and return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE)


def test_every_page_of_the_source_is_built(site: Path) -> None:
    wanted = {path.removesuffix(".md") + ".html" for path in source().pages}
    assert wanted == set(documents(site)) - {"404.html"}


def test_every_tool_every_error_and_every_host_has_a_page(site: Path) -> None:
    wanted = {f"tools/{tool.name}.html" for tool in listed.tools()}
    wanted |= {f"errors/{code}.html" for code in EXPLAINED} | {f"start/hosts/{host}.html" for host in HOSTS}
    assert wanted <= set(documents(site))
    assert {tool.name for tool in listed.tools()} == set(TOOLS)


def test_no_link_image_script_or_style_sheet_leads_nowhere(site: Path) -> None:
    assert list(dead_links(site)) == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    assert list(outside_assets(site)) == []


def test_addresses_elsewhere_are_those_that_documents_and_catalogue_name(site: Path) -> None:
    text = "\n".join(source().pages.values())
    # The builder names itself, at the foot of each page.
    assert [link for link in external_links(site) if link not in text] == ["https://zensical.org/"]


@pytest.mark.parametrize(
    ("html", "dead"),
    [
        (GOOD, []),
        ('<a href="gone.html">x</a>', ["page.html: gone.html"]),
        ('<a href="#gone">x</a>', ["page.html: #gone"]),
        ('<a href="other.html#gone">x</a>', ["page.html: other.html#gone"]),
        ('<a href="other.html#here">x</a>', []),
        ('<img src="gone.png">', ["page.html: gone.png"]),
        ('<script src="/gone.js"></script>', ["page.html: /gone.js"]),
    ],
)
def test_a_dead_link_would_be_seen(tmp_path: Path, html: str, dead: list[str]) -> None:
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    (tmp_path / "other.html").write_text('<p id="here">x</p>', encoding="utf-8")
    assert list(dead_links(tmp_path)) == dead


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example.com/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.com/a.css">',
        '<img srcset="a.png 1x, https://example.com/b.png 2x">',
        '<p style="background: url(https://example.com/b.png)">x</p>',
        "<style>@import 'https://example.com/a.css';</style>",
        '<iframe src="http://example.com/"></iframe>',
    ],
)
def test_what_comes_from_elsewhere_would_be_seen(tmp_path: Path, html: str) -> None:
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    assert len(list(outside_assets(tmp_path))) == 1


def test_a_style_sheet_that_fetches_from_elsewhere_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face { src: url('https://example.com/a.woff2') }", encoding="utf-8")
    assert list(outside_assets(tmp_path)) == ["a.css: https://example.com/a.woff2"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_browser_shows_pages_whole_and_asks_nobody_else(
    chromium: Browser, address: str, scheme: str, size: dict[str, int]
) -> None:
    context = chromium.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type] # two of its words
    page, asked, complaints = context.new_page(), list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for path in LOOKED_AT:
        page.goto(f"{address}/{path}", timeout=PATIENCE)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, path
        assert _is_dark(page) is (scheme == "dark")
    context.close()
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
    assert complaints == []


def _is_dark(page: Page) -> bool:
    colour: list[float] = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number)"
    )
    return max(colour) < 128


def test_the_search_finds_a_tool_by_its_name_without_asking_anybody_else(chromium: Browser, address: str) -> None:
    page, asked = chromium.new_page(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/index.html", timeout=PATIENCE)
    page.click(".md-search__button", timeout=PATIENCE)
    page.get_by_role("combobox", name="Search").fill("trigger_broadcast", timeout=PATIENCE)
    found = page.get_by_role("option").first
    found.wait_for(timeout=PATIENCE)
    assert "/tools/trigger_broadcast.html" in (found.get_attribute("href") or "")
    page.context.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def test_anchors_are_made_as_the_builder_makes_them(site: Path) -> None:
    assert slug("The operator's page") in documents(site)["operate/console.html"].anchors
