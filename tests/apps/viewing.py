"""A document as a person has it before them: in a host, in a browser."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Frame, Locator, Page, ViewportSize

from tests.apps.hosting import hosted
from tests.console.browser import CONTRASTS, PATIENCE

Scheme = Literal["light", "dark"]
TALL = 1600
WIDE: ViewportSize = {"width": 800, "height": TALL}
NARROW: ViewportSize = {"width": 390, "height": TALL}
# The host's client asks for a stream that no server has to give.
NO_STREAM = "405 (Method Not Allowed)"


@dataclass(kw_only=True)
class View:
    """A document in its host, and whatever the browser complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        """Listen to the browser's console."""
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._noted)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _noted(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and NO_STREAM not in message.text:
            self.complaints.append(message.text)

    def show(self, scene: Mapping[str, Any]) -> Any:
        """Have the host show an answer; return what the host was told."""
        told = self.page.evaluate("(scene) => window.host.show(scene)", dict(scene))
        if not scene.get("silent"):
            self.frame.wait_for_selector("#main:not([aria-busy])")
        return told

    def again(self, result: Mapping[str, Any]) -> None:
        """Have the host tell the document of an answer as if it were the first, and wait until it is drawn."""
        self.frame.evaluate("typeof view === 'object' && (view.shown = null)")
        self.frame.evaluate("document.getElementById('main').setAttribute('aria-busy', 'true')")
        self.page.evaluate("(result) => window.host.again(result)", dict(result))
        self.frame.wait_for_selector("#main:not([aria-busy])")

    def theme(self, theme: str) -> None:
        """Have the host change its theme."""
        self.page.evaluate("(theme) => window.host.change({ theme })", theme)
        self.until(f"document.documentElement.style.colorScheme === '{theme}'")

    @property
    def frame(self) -> Frame:
        """The document itself."""
        return [each for each in self.page.frames if each.parent_frame and each.parent_frame.parent_frame][-1]

    @property
    def told(self) -> Any:
        """What the host was told so far."""
        return self.page.evaluate("window.host.told")

    @property
    def text(self) -> str:
        """What a person reads."""
        return self.frame.inner_text("#main")

    def find(self, selector: str, *, has_text: str | None = None) -> Locator:
        """Return what is found in the document."""
        return self.frame.locator(selector, has_text=has_text)

    def until(self, expression: str) -> None:
        """Wait until something holds in the document."""
        for _ in range(int(PATIENCE / 50)):
            if self.frame.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError((expression, self.text))

    def has(self, selector: str, number: int) -> None:
        """Wait until so many are there; a chart is drawn once its size is known."""
        self.until(f"document.querySelectorAll({selector!r}).length === {number}")

    def dim(self) -> list[Any]:
        """Return the texts that are hard to read: whose contrast is below 4.5, WCAG's level AA."""
        told = self.frame.evaluate(CONTRASTS)
        assert told, "there is something to read"
        return [each for each in told if each[1] < 4.5]

    @property
    def overflow(self) -> int:
        """How many pixels the document is wider than its frame."""
        found: int = self.frame.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return found

    def picture(self, folder: Path, name: str) -> None:
        """Keep what it looks like, for people."""
        self.page.screenshot(path=folder / f"{name}.png")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host that runs in a window, which takes a second to open: all tests of a module share it."""

    view: View

    @contextmanager
    def viewing(self, *, scheme: Scheme = "light", size: ViewportSize = WIDE) -> Iterator[View]:
        """Begin anew in the window: no document, nothing told, a size, what the system prefers."""
        view = self.view
        view.page.set_viewport_size(size)
        view.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        view.page.evaluate("window.host.clear()")
        view.complaints.clear()
        yield view


@pytest.fixture(scope="module")
def host(chromium: Browser) -> Iterator[Host]:
    """Run a host in front of this server and its sandbox of Customer.io."""
    with hosted() as (url, sandbox), chromium.new_context() as context:
        view = View(page=context.new_page())
        view.page.goto(f"{url}/host.html")
        view.page.wait_for_function("window.host")
        view.page.evaluate("(origin) => { window.sandboxOrigin = origin; }", sandbox)
        yield Host(view=view)
