"""The icon that a host shows is the one that is drawn in its source."""

import base64
import struct

from playwright.sync_api import Browser

from tests.bundle.icon import PICTURE, SIDE, SOURCE, canvas, drawn
from tests.console.browser import chromium

__all__ = ["chromium"]
LARGEST = 40 * 1024
# Mean difference of two pictures per channel, of 255. Versions of a browser smooth edges differently.
DIFFERENCE = """async (pictures) => {
  const pixels = async (data) => {
    const image = new Image();
    image.src = "data:image/png;base64," + data;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, image.width, image.height).data;
  };
  const [a, b] = await Promise.all(pictures.map(pixels));
  if (a.length !== b.length) return 255;
  return a.reduce((sum, value, place) => sum + Math.abs(value - b[place]), 0) / a.length;
}"""


def test_it_is_as_large_as_hosts_want_it_and_no_larger() -> None:
    content = PICTURE.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (SIDE, SIDE)
    assert len(content) < LARGEST


def test_it_is_what_its_source_draws(chromium: Browser) -> None:
    page = canvas(chromium)
    source = SOURCE.read_text(encoding="utf-8")

    def difference(svg: str) -> float:
        pictures = [base64.b64encode(each).decode() for each in (PICTURE.read_bytes(), drawn(page, svg))]
        return float(page.evaluate(DIFFERENCE, pictures))

    assert difference(source) < 0.5, "stale: run `python -m tests.bundle.icon`"
    assert difference(source.replace("#2fbf8a", "#bf2f8a")) > 1, "another picture is told from it"
