"""A real browser: the Chromium of this machine, with nothing of anybody's in it."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, ViewportSize, sync_playwright

from tests.console.house import KEY, House

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 30_000.0
"""Milliseconds for what is waited for on a page."""
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
# The contrast of every text with the colour behind it (WCAG 2.2, "relative luminance" and "contrast ratio").
CONTRASTS = """() => {
  const channel = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parts = (colour) => (colour.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const behind = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const found = parts(getComputedStyle(each).backgroundColor);
      if (found.length < 4 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const told = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim(), node = walk.currentNode.parentElement;
    if (!text || !node.checkVisibility() || node.closest(":disabled")) continue;
    const [a, b] = [light(parts(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    told.push([text.slice(0, 40), (a + 0.05) / (b + 0.05)]);
  }
  return told;
}"""


def _go_without(missing: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def program() -> str:
    """Return where it is; without it the test is skipped, but not in CI."""
    return next((found for name in NAMES if (found := shutil.which(name))), None) or _go_without(
        "Chromium is not on PATH"
    )


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start it once for the tests of a module, none of which is asynchronous: both would want the thread's loop."""
    path = program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass(kw_only=True)
class Tab:
    """A page that is open, and whatever the browser complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        """Listen to the browser's console."""
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._noted)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._opened)

    def _noted(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _opened(self, dialog: Dialog) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def text(self, selector: str) -> str:
        """Return what a person reads there."""
        return self.page.inner_text(selector)

    def wait(self, selector: str) -> None:
        """Wait until something is seen."""
        self.page.wait_for_selector(selector, state="visible")

    def until(self, expression: str) -> None:
        """Wait until something holds; Playwright's own way evaluates text in the page, which its policy forbids."""
        ends = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(expression):
            assert time.monotonic() < ends, (expression, self.page.inner_text("body"))
            self.page.wait_for_timeout(50)

    def gone(self, selector: str) -> None:
        """Wait until nothing is seen there any more."""
        self.page.wait_for_selector(selector, state="hidden")

    def sign_in(self, key: str = KEY) -> None:
        """Type the key and press Enter."""
        self.wait("#sign-in")
        self.page.fill("#key", key)
        self.page.keyboard.press("Enter")

    def picture(self, folder: Path, name: str) -> None:
        """Keep what the page looks like, for people."""
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)

    @property
    def overflow(self) -> int:
        """How many pixels the page is wider than its window."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return found

    def dim(self) -> list[Any]:
        """Return the texts that are hard to read: whose contrast is below 4.5, WCAG's level AA."""
        told = self.page.evaluate(CONTRASTS)
        assert told, "there is something to read"
        return [each for each in told if each[1] < 4.5]


def tab(context: BrowserContext, served: House) -> Tab:
    """Open the page of a server."""
    opened = Tab(page=context.new_page())
    opened.page.goto(served.page)
    return opened
