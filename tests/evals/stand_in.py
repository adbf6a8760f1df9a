"""A stand-in for a model: an HTTP server that speaks both APIs and says what a test has written down for it.

It chooses nothing: what it shows is that the runner asks, carries out and counts rightly.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Wanted = Sequence[tuple[str, Any]]
"""Tools and their arguments; a text in their place is sent as it is."""
Script = Callable[[str, int], Wanted]
"""What is wanted, by what the user said and how many answers came before; nothing ends the conversation."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """An answer that is none."""

    status: int = 200
    body: bytes = b"<html>"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class StandIn:
    """What is said, and what was asked."""

    script: Script = lambda _say, _before: ()
    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def said(self) -> list[str]:
        """Return what users said, once for every time that it was asked."""
        return [first_words(body) for body in self.asked]


def first_words(body: Mapping[str, Any]) -> str:
    """Return what the user said, in either API."""
    return next(str(message["content"]) for message in body["messages"] if message["role"] == "user")


def _answer(path: str, body: Mapping[str, Any], script: Script) -> dict[str, Any]:
    before = sum(message["role"] == "assistant" for message in body["messages"])
    wanted = script(first_words(body), before)
    if path.endswith("/messages"):
        blocks = [
            {"type": "tool_use", "id": f"call-{before}-{n}", "name": tool, "input": given}
            for n, (tool, given) in enumerate(wanted)
        ]
        return {"role": "assistant", "content": [*blocks, {"type": "text", "text": "I see."}]}
    calls = [
        {
            "id": f"call-{before}-{n}",
            "type": "function",
            "function": {"name": tool, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for n, (tool, given) in enumerate(wanted)
    ]
    message = {"role": "assistant", "content": None if calls else "I see."} | ({"tool_calls": calls} if calls else {})
    return {"choices": [{"message": message}]}


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            stand_in.asked.append(body)
            stand_in.headers.append({name.lower(): value for name, value in self.headers.items()})
            fault = stand_in.faults.pop(0) if stand_in.faults else stand_in.always
            if fault is None:
                fault = Fault(body=json.dumps(_answer(self.path, body, stand_in.script)).encode())
            self.send_response(fault.status)
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(fault.body)))
            self.end_headers()
            self.wfile.write(fault.body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Whoever was interrupted does not wait for its answer."""


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """Serve a stand-in on a port of its own."""
    stand_in = StandIn()
    server = _Quiet(("127.0.0.1", 0), _handler(stand_in))
    stand_in.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
