"""Put values into the arguments of otherwise valid calls, and see them refused."""

from collections.abc import Callable, Iterator
from typing import Any

from cio_mcp.catalog import CATALOG
from tests.hostile.calls import minimal, properties
from tests.hostile.driver import Driver, refusal_faults

Shape = dict[str, Any]


def fields(tool: str, fits: Callable[[Shape], bool] = lambda _: True) -> Iterator[str]:
    """Yield the arguments of a tool whose schema fits."""
    yield from (name for name, shape in properties(CATALOG[tool]).items() if fits(shape))


def typed(*kinds: str) -> Callable[[Shape], bool]:
    """Return a test for the types of JSON Schema."""
    return lambda shape: shape.get("type") in kinds


def is_free_text(shape: Shape) -> bool:
    """Say whether an argument is a text of any words."""
    return shape.get("type") == "string" and "enum" not in shape


def is_time(shape: Shape) -> bool:
    """Say whether an argument is a time."""
    return shape.get("format") == "date-time"


def assert_refused(driver: Driver, tool: str, tried: list[tuple[str, Any]]) -> None:
    """Put each value into its argument of an otherwise valid call."""
    wrong = []
    for name, value in tried:
        ended = driver.call(tool, {**minimal(tool), name: value})
        wrong += [f"{name}={ascii(value)[:50]}: {fault}" for fault in refusal_faults(ended, name, value)]
    assert not wrong, "\n".join(wrong)
