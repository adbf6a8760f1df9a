"""The bundle's icon, drawn from its source: `python -m tests.bundle.icon` writes icon.png anew."""

from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.console.browser import FLAGS, program

ROOT = Path(__file__).parents[2]
SOURCE, PICTURE = ROOT / "icon.svg", ROOT / "icon.png"
SIDE = 512


def canvas(browser: Browser) -> Page:
    """Open a page that is as large as the icon and holds nothing."""
    return browser.new_page(viewport={"width": SIDE, "height": SIDE})


def drawn(page: Page, svg: str) -> bytes:
    """Return an SVG as a PNG whose corners show what is behind it."""
    page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block }}</style>{svg}")
    return page.screenshot(omit_background=True)


def main() -> None:
    """Draw it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), headless=True, args=list(FLAGS))
        PICTURE.write_bytes(drawn(canvas(browser), SOURCE.read_text(encoding="utf-8")))
        browser.close()


if __name__ == "__main__":
    main()
