"""Frames from a seed: JSON-RPC by a grammar that knows the rules well enough to break them, then bytes at random."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

METHODS = (
    "initialize", "notifications/initialized", "notifications/cancelled", "notifications/progress", "ping",
    "server/discover", "tools/list", "tools/call", "resources/list", "resources/read", "prompts/list", "prompts/get",
    "completion/complete", "logging/setLevel", "sampling/createMessage", "elicitation/create", "roots/list",
    "subscriptions/listen", "tasks/get", "rpc.discover", "", "tools/call\u0000", "TOOLS/LIST", "\u202etsil/sloot",
)  # fmt: skip
TOOLS = (
    "list_segments", "get_segment", "search_people", "get_person_attributes", "find_people_by_email", "get_broadcast",
    "identify_person", "track_event", "delete_person", "send_email", "trigger_broadcast", "get_rate_budget",
    "get_operation", "no_such_tool", "", "send_email ", "__init__",
)  # fmt: skip
NAMES = (
    "customer_id", "id_type", "segment_id", "email", "identifiers", "to", "filter", "limit", "start", "dry_run", "name",
    "data", "broadcast_id", "operation_id", "confirm_token", "attributes", "_meta", "__proto__", "dryRun", "To",
)  # fmt: skip
VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28", "1999-01-01", "", "latest", None, 7)
ATOMS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1e308, -0.0, 2**31, 2**63, 2**64, -(2**63) - 1, 10**40, "", " ", "..", "a/b",
    "\u0000", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "\U0001f600", "é" * 40, "x" * 5000, "a@example.com", "7",
    "{}", '"}]', "</untrusted>", "%2e%2e", "NaN", [], {}, [[]], {"": ""}, {"a": {"b": {"c": [1, 2, 3]}}},
)  # fmt: skip
RAW: tuple[bytes, ...] = (
    b"", b" ", b"\t\r", b"null", b"true", b"0", b"-", b'"', b"{", b"}", b"[", b"[]", b"{}", b"[[]]", b"\xff\xfe",
    b"\x00", b"\xef\xbb\xbf", b"nul", b'{"id"', b'{"id":1', b'{"jsonrpc":"2.0"}', b"{" * 500, b"[" * 5000,
    b'{"a":' * 2000, b"Content-Length: 5\r", b"GET / HTTP/1.1\r", b'{"id":1e1}', b"{'id':1}", b"/* */{}",
    b'{"jsonrpc":"2.0","id":01,"method":"ping"}', b'{"id":NaN,"method":"ping"}', b'"\\ud800"', b'{"id":"\\', b"\x1b[2J",
)  # fmt: skip
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "1"},
}


class Frames:
    """An endless supply of frames; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self._number = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield self._frame().replace(b"\n", b" ")

    def _frame(self) -> bytes:
        kind = self._random.random()
        if kind < 0.05:
            return self._random.choice(RAW)
        if kind < 0.08:
            return self._written([self._message() for _ in range(self._random.randrange(4))])
        frame = self._written(self._message())
        for _ in range(self._random.choice((0, 0, 0, 1, 1, 2, 5))):
            frame = self._random.choice(MUTATIONS)(self._random, frame)
        return frame

    def _written(self, value: Any) -> bytes:
        text = json.dumps(value, ensure_ascii=self._random.random() < 0.7, separators=self._random.choice(_SPACING))
        return text.encode("utf-8", "surrogatepass")

    def _message(self) -> Any:
        """Make a message, mostly a request in good order but for one or two members."""
        method = self._random.choice(METHODS[:12]) if self._random.random() < 0.8 else self._random.choice(METHODS)
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": self._id(), "method": method}
        if method.startswith("notifications/") and self._random.random() < 0.7:
            del message["id"]
        if self._random.random() < 0.9:
            message["params"] = self._params(method)
        for _ in range(self._random.choice((0, 0, 0, 0, 1, 1, 2))):
            self._spoil(message)
        if self._random.random() < 0.3:
            items = list(message.items())
            self._random.shuffle(items)
            message = dict(items)
        return message

    def _id(self) -> int | str:
        self._number += 1
        number = _FIRST_ID + self._number * 7919  # far apart: a changed digit seldom makes another frame's id
        return number if self._random.random() < 0.5 else f"f-{number}"

    def _params(self, method: str) -> Any:
        params: dict[str, Any] = {}
        if method == "tools/call":
            params = {"name": self._random.choice(TOOLS), "arguments": self._arguments()}
        elif method == "initialize":
            info = {"name": "fuzz", "version": "1"}
            params = {"protocolVersion": self._random.choice(VERSIONS), "capabilities": {}, "clientInfo": info}
        elif method == "notifications/cancelled":
            params = {"requestId": f"never-{self._random.randrange(100)}"}
        elif self._random.random() < 0.3:
            params = self._arguments()
        if self._random.random() < 0.5:
            params["_meta"] = dict(ENVELOPE)
            if self._random.random() < 0.2:
                params["_meta"][self._random.choice(list(ENVELOPE))] = self._random.choice(VERSIONS + ATOMS)
        if self._random.random() < 0.05:
            params["inputResponses"], params["requestState"] = self._arguments(), self._random.choice(ATOMS)
        return params

    def _arguments(self) -> dict[str, Any]:
        number = self._random.randrange(4)
        return {self._random.choice(NAMES): self._random.choice(ATOMS) for _ in range(number)}

    def _spoil(self, message: dict[str, Any]) -> None:
        name = self._random.choice(("jsonrpc", "id", "method", "params", "result", "error", "extra", "Id"))
        if self._random.random() < 0.3:
            message.pop(name, None)
        elif name == "params" and isinstance(message.get("params"), dict) and self._random.random() < 0.7:
            message["params"][self._random.choice(("name", "arguments", "_meta", "cursor"))] = self._random.choice(
                ATOMS
            )
        else:
            message[name] = self._random.choice(ATOMS)


def is_own(request_id: object) -> bool:
    """Tell whether an id looks like one that one frame alone has."""
    if isinstance(request_id, str) and request_id.startswith("f-") and request_id[2:].isdecimal():
        request_id = int(request_id[2:])
    return isinstance(request_id, int) and _FIRST_ID < request_id < 10 * _FIRST_ID


_FIRST_ID = 7_000_000_000
_SPACING = ((",", ":"), (", ", ": "), (" ,\t", "  : "))


def _flip(chance: random.Random, frame: bytes) -> bytes:
    if not frame:
        return frame
    at = chance.randrange(len(frame))
    return frame[:at] + bytes([frame[at] ^ (1 << chance.randrange(8))]) + frame[at + 1 :]


def _insert(chance: random.Random, frame: bytes) -> bytes:
    at = chance.randrange(len(frame) + 1)
    return frame[:at] + chance.randbytes(chance.choice((1, 1, 2, 8))) + frame[at:]


def _delete(chance: random.Random, frame: bytes) -> bytes:
    at = chance.randrange(len(frame) + 1)
    return frame[:at] + frame[at + chance.choice((1, 1, 3, 20)) :]


def _cut(chance: random.Random, frame: bytes) -> bytes:
    return frame[: chance.randrange(len(frame) + 1)]


def _repeat(chance: random.Random, frame: bytes) -> bytes:
    start, end = sorted(chance.randrange(len(frame) + 1) for _ in range(2))
    return frame[:end] + frame[start:end] * chance.choice((1, 2, 50)) + frame[end:]


def _structure(chance: random.Random, frame: bytes) -> bytes:
    """Put one piece of JSON's own punctuation somewhere."""
    at = chance.randrange(len(frame) + 1)
    piece = chance.choice((b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"null", b"1e999", b"-", b"0"))
    return frame[:at] + piece + frame[at:]


MUTATIONS: Sequence[Callable[[random.Random, bytes], bytes]] = (_flip, _insert, _delete, _cut, _repeat, _structure)
