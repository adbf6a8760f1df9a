"""Customer.io as the simulation has it: the real sandbox, asked one request at a time, and what took effect there."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from cio_mcp.sandbox import Sandbox, create_app
from tests.simulation.messages import Answer, Arrived

SPARE_SEGMENTS = range(4, 12)
"""Manual segments that nothing depends on, to be deleted."""
_SEARCH = "/v1/customers"


def is_write(method: str, target: str) -> bool:
    """Say whether a request may change something; people are searched for with POST."""
    return method != "GET" and target.partition("?")[0] != _SEARCH


class CustomerIo:
    """One workspace. `clock` gives seconds since 1970, `monotonic` those of the rate limits."""

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self.app: Sandbox = create_app(clock=clock, monotonic=monotonic)
        for number in SPARE_SEGMENTS:
            self.app.state.world.segments.add(f"spare {number}", "", int(clock()))

    def take(self, request: Arrived) -> Answer:
        """Let a request take effect, or be refused."""
        path, _, query = request.target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "method": request.method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in request.headers],
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        _run(self.app(scope, receive, send))
        start, body = sent
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"])
        return Answer(start["status"], headers, body["body"])

    def sent(self) -> int:
        """Return how many messages there are."""
        return len(self.app.state.world.deliveries)

    def messages(self) -> Counter[str]:
        """Count the messages to single people, by the marker that the call put into them."""
        log = self.app.state.world.deliveries.log
        return Counter(one.content["message_data"]["marker"] for one in log if "marker" in _data(one.content))

    def segment_names(self) -> Counter[str]:
        """Count the segments of each name."""
        return Counter(segment.name for segment in self.app.state.world.segments.by_id.values())

    def webhook_names(self) -> Counter[str]:
        """Count the reporting webhooks of each name."""
        return Counter(str(webhook["name"]) for webhook in self.app.state.world.webhooks.values())

    def has_segment(self, number: int) -> bool:
        """Say whether there is such a segment."""
        return number in self.app.state.world.segments.by_id

    def events(self) -> Counter[str]:
        """Count the events of each name, as they are stored."""
        return Counter(event.name for event in self.app.state.world.events)


def _data(content: Any) -> Any:
    return content.get("message_data") or {}


def _run(application: Coroutine[Any, Any, None]) -> None:
    """Run what never waits: without a fault the sandbox answers at once."""
    try:
        application.send(None)
    except StopIteration:
        return
    raise AssertionError("the sandbox waited for something")
