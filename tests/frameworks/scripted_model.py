"""A model for clients that cannot do without one: it makes the calls of an example and reads out what came of them.

It speaks Anthropic's Messages API, streamed, on a loopback port ("Streaming messages", Anthropic API reference). What
it is told arrives here as it would at a model, so its words say what the client passed on.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from typing_extensions import override

PREFIX = "mcp__customerio__"
"""What Claude Code puts before the tools of a server of this name."""
RECEIPT: Final = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "transactional_message_id": 1}
CALLS: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    ("get_person_attributes", {"customer_id": "ada-1"}),
    ("track_event", {"identifier": "ada-1", "name": "trial_extended", "data": {"days": 7}}),
    ("send_email", RECEIPT),
    ("suppress_person", {"identifier": "bob-2", "dryRun": True}),
    ("delete_person", {"identifier": "bob-2"}),
)
Reply = dict[str, Any]


def reply(request: Mapping[str, Any]) -> Reply:
    """Return the next block of the conversation: a call or words."""
    tools = [tool["name"] for tool in request.get("tools", ()) if tool["name"].startswith(PREFIX)]
    results = list(_results(request["messages"]))
    if not tools:  # a side question, such as one for a title
        return {"type": "text", "text": "ok"}
    if len(results) < len(CALLS):
        name, given = CALLS[len(results)]
        return _call(len(results), name, given)
    if len(results) == len(CALLS):
        if _agreed(request["messages"]):
            token = re.search(r'"confirm_token": ?"([^"]+)"', results[-1])
            return _call(len(results), "delete_person", {"identifier": "bob-2", "confirm_token": token and token[1]})
        return {"type": "text", "text": _read_out(len(tools), results)}
    return {"type": "text", "text": f"deleted: {results[-1]}"}


def _call(number: int, name: str, given: Mapping[str, Any]) -> Reply:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": PREFIX + name, "input": given}


def _results(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for block in _blocks(messages):
        if block["type"] == "tool_result":
            content = block.get("content") or ""
            yield content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _blocks(messages: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        content = message["content"]
        yield from [{"type": "text", "text": content}] if isinstance(content, str) else content


def _agreed(messages: Sequence[Mapping[str, Any]]) -> bool:
    return any("I agree" in block.get("text", "") for block in _blocks(messages))


def _read_out(tools: int, results: Sequence[str]) -> str:
    person, event, receipt, refusal, plan = results
    subscription = re.search(r'"plan": ?"([^"]+)"', person)
    lines = (f"listed: {tools} tools", f"read: {subscription and subscription[1]}", f"tracked: {event}")
    return "\n".join((*lines, f"sent: {receipt}", f"refused: {refusal}", plan))


class _Endpoint(BaseHTTPRequestHandler):
    """One conversation at a time is enough: all of it comes with every request."""

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer a request with the next block."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in _events(reply(request), request["model"]):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())


def _events(block: Reply, model: str) -> Iterator[dict[str, Any]]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [], "usage": usage}
    yield {"type": "message_start", "message": message | {"stop_reason": None, "stop_sequence": None}}
    called = block["type"] == "tool_use"
    empty: Reply = {"input": {}} if called else {"text": ""}
    yield {"type": "content_block_start", "index": 0, "content_block": block | empty}
    delta = (
        {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        if called
        else {"type": "text_delta", "text": block["text"]}
    )
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    stop = {"stop_reason": "tool_use" if called else "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 1}}
    yield {"type": "message_stop"}


@contextmanager
def scripted_model() -> Iterator[str]:
    """Serve it for the length of the block, and return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
