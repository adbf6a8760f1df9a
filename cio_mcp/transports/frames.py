"""Lines of JSON-RPC in and out: pure, total, and bounded in memory.

MCP's stdio transport is one JSON-RPC message a line, UTF-8 (MCP specification, "Transports"). What the SDK's own
reader drops without a word is answered here, so that no client waits for an answer that never comes.
"""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mcp import types
from pydantic import ValidationError

MAX_LINE = 4 * 1024 * 1024
"""Bytes in one line, without its end: what the SDK accepts as the body of an HTTP request."""

_EDGE = 4096  # bytes kept of either end of a line that is too long, to find its id in
_BOM = b"\xef\xbb\xbf"

_log = logging.getLogger(__name__)

Refusals = tuple[types.JSONRPCError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversized:
    """A line that was too long to keep: its first and last 4 KiB."""

    head: bytes
    tail: bytes


class LineBuffer:
    """Cuts chunks of bytes into lines, holding at most one line of `limit` bytes."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._held = bytearray()
        self._head: bytes | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes | Oversized]:
        """Yield the lines that end in this chunk, without their ends."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._hold(part)
            yield self._take()
        self._hold(rest)

    def finish(self) -> Iterator[bytes | Oversized]:
        """Yield the last line if the input ended without a newline."""
        if self._held:
            yield self._take()

    def _hold(self, part: bytes) -> None:
        self._held += part
        if self._head is None and len(self._held) > self._limit:
            self._head = bytes(self._held[:_EDGE])
        if self._head is not None:
            del self._held[:-_EDGE]

    def _take(self) -> bytes | Oversized:
        line, head = bytes(self._held), self._head
        self._held.clear()
        self._head = None
        return line if head is None else Oversized(head=head, tail=line)


def decode(line: bytes | Oversized) -> types.JSONRPCMessage | Refusals:
    """Read one line: a message to serve, or the error answers it is due (none for a blank line).

    An unreadable answer to a request of ours comes back as an inbound `JSONRPCError`, so that whoever waits for it
    fails now and not at its time limit.
    """
    if isinstance(line, Oversized):
        return _unparsed(line, types.INVALID_REQUEST, f"The message is longer than the limit of {MAX_LINE} bytes")
    line = line.removeprefix(_BOM).strip()
    if not line:
        return ()
    try:
        message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError as exc:
        return _explain(line, exc)
    if isinstance(message, types.JSONRPCNotification) and b'"id"' in line and "id" in json.loads(line):
        # The SDK reads a request with an unusable id as a notification, and would leave it unanswered.
        return (_error(None, types.INVALID_REQUEST, "A request id must be a string or an integer"),)
    return message


def encode(message: types.JSONRPCMessage) -> bytes:
    """Write one message as a line; an answer that cannot be written as JSON becomes -32603 for the same id.

    Raises `ValueError` for a request or notification that cannot be written.
    """
    try:
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
    except (ValueError, RecursionError) as exc:
        if not isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            reason = f"{message.method} holds a value that JSON in UTF-8 cannot carry"
            raise ValueError(reason) from None  # noqa: TRY004 - the value is wrong, not the type of message
        _log.error("An answer could not be written as JSON: %s", type(exc).__name__)
        unwritable = "The answer holds a value that JSON in UTF-8 cannot carry"
        text = _error(message.id, types.INTERNAL_ERROR, unwritable).model_dump_json(exclude_unset=True)
    return text.encode() + b"\n"


def _explain(line: bytes, exc: ValidationError) -> types.JSONRPCMessage | Refusals:
    first = exc.errors(include_url=False, include_input=False)[0]
    if first["type"] != "json_invalid":
        return _not_a_message(json.loads(line))
    reason = f"Parse error: {first['ctx']['error']}"
    try:
        # Python reads what the strict parser refuses (a lone surrogate, say): enough to learn the id.
        value = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as reading:
        # Only nesting leaves the line's end trustworthy; otherwise it may be the end of something inside.
        tail = line[-_EDGE:] if isinstance(reading, RecursionError) else b""
        return _unparsed(Oversized(head=line[:_EDGE], tail=tail), types.PARSE_ERROR, reason)
    return _refuse_batch(value) if isinstance(value, list) else _refuse(value, types.PARSE_ERROR, reason)


def _not_a_message(value: Any) -> types.JSONRPCMessage | Refusals:
    if isinstance(value, list):
        return _refuse_batch(value)
    return _refuse(value, types.INVALID_REQUEST, "This is not a JSON-RPC 2.0 message with an object for params")


def _refuse_batch(items: list[Any]) -> Refusals:
    # Batches exist in 2025-03-26 only, and the SDK serves them nowhere (MCP specification 2025-06-18, "Changes").
    reason = "JSON-RPC batches are not supported: send one message at a time"
    ids = [_usable(item.get("id")) for item in items if isinstance(item, dict) and "method" in item]
    return tuple(_error(i, types.INVALID_REQUEST, reason) for i in ids if i is not None) or (
        _error(None, types.INVALID_REQUEST, reason),
    )


def _refuse(value: Any, code: int, reason: str) -> types.JSONRPCMessage | Refusals:
    fields = value if isinstance(value, dict) else {}
    message_id = _usable(fields.get("id"))
    if "method" not in fields and ("result" in fields or "error" in fields):
        return _error(message_id, code, reason)
    return (_error(message_id, code, reason),)


def _unparsed(edges: Oversized, code: int, reason: str) -> types.JSONRPCMessage | Refusals:
    found = _ID_AT_HEAD.match(edges.head) or _ID_AT_TAIL.search(edges.tail)
    message_id = _usable(_load(found[1])) if found else None
    error = _error(message_id, code, reason)
    return error if _RESPONSE_AT_HEAD.match(edges.head) else (error,)


# Clients write the id first (after jsonrpc and method) or last (before jsonrpc); anywhere else it stays unread.
_ID = rb'("(?:[^"\\]|\\.)*"|-?\d{1,40})'
_ID_AT_HEAD = re.compile(
    rb'\s*\{\s*(?:"(?:jsonrpc|method)"\s*:\s*"[^"\\]*"\s*,\s*)*"id"\s*:\s*' + _ID + rb"(?=\s*[,}])"
)
_ID_AT_TAIL = re.compile(rb'[,{]\s*"id"\s*:\s*' + _ID + rb'\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')
_RESPONSE_AT_HEAD = re.compile(
    rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*|"id"\s*:\s*' + _ID + rb'\s*,\s*)*"(?:result|error)"\s*:'
)


def _load(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _usable(value: Any) -> types.RequestId | None:
    """Return the id if an answer can carry it: an integer, or a string that UTF-8 can write."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.encode("utf-8", "replace").decode() == value:
        return value
    return None


def _error(message_id: types.RequestId | None, code: int, reason: str) -> types.JSONRPCError:
    return types.JSONRPCError(jsonrpc="2.0", id=message_id, error=types.ErrorData(code=code, message=reason))
