"""The text of a result against its structured form: what is this server's own, and what is framed as data."""

import json
from typing import Any

from mcp import types

from cio_mcp.framing import unframed
from cio_mcp.server import META
from cio_mcp.wire import THEIRS

# Line ends that JSON may hold as they are, and that no line of a frame holds.
LINE_ENDS = ("\x85", "\u2028", "\u2029")


def text_of(result: types.CallToolResult) -> str:
    """Return the only content of a result, which is text."""
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


def compact(data: Any) -> str:
    """Return JSON without a space too many."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def text_faults(text: str, data: dict[str, Any], *, is_error: bool, meta: dict[str, Any]) -> list[str]:
    """Say what is wrong with the text of a result whose structured form is `data`.

    It is the same as compact JSON, framed exactly if the call reached a key. An error is a line of this server's own
    words, and after it, in a frame, whatever Customer.io said of it.
    """
    try:
        return _error_faults(text, data) if is_error else _data_faults(text, data, reached="credential" in meta[META])
    except ValueError as error:
        return [f"the text cannot be read: {error}"]


def _data_faults(text: str, data: dict[str, Any], *, reached: bool) -> list[str]:
    shown = unframed(text) if reached else text
    return [] if shown == _line(data, framed=reached) else ["the text is not the compact JSON of the result"]


def _error_faults(text: str, data: dict[str, Any]) -> list[str]:
    told = data["error"]
    own = {name: member for name, member in told.items() if name not in THEIRS}
    theirs = {name: member for name, member in told.items() if name in THEIRS}
    line, ended, frame = text.partition("\n")
    found = []
    if line != _line(data | {"error": own}, framed=bool(theirs)):
        found.append("the first line is not the compact JSON of our own words")
    if bool(ended) is not bool(theirs):
        found.append("Customer.io's words have no frame" if theirs else "there is more than our own words")
    if ended and theirs and unframed(frame) != _line(theirs, framed=True):
        found.append("the frame is not the compact JSON of Customer.io's words")
    return found


def _line(data: Any, *, framed: bool) -> str:
    line = compact(data)
    for character in LINE_ENDS if framed else ():
        line = line.replace(character, f"\\u{ord(character):04x}")
    return line
