"""Pure: a request as a person may read it: without secrets, no longer than can be read, and with what that left out."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cio_mcp.catalog.endpoint import Endpoint, Key
from cio_mcp.scrub import text
from cio_mcp.shaping import size
from cio_mcp.wire import Request

BODY_BYTES = 1_600
"""Of the body in a plan: about a third of the 1,500 tokens that a whole plan should cost."""
REDACTED = "***"

# Customer.io fetches them or posts to them: whoever knows the whole address can often do so too.
_CAPABILITIES = frozenset({"endpoint", "url", "data_file_url"})
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """How much of a body is shown: characters of a text, items of a list, members of an object, levels."""

    text: int
    items: int
    members: int
    levels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A list in a body: how many items it has, and how many of them are shown."""

    name: str
    count: int
    shown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A request as it is shown, and the lists in its body."""

    request: dict[str, Any]
    lists: tuple[Listed, ...] = ()


# From generous to tight: the first in which the whole body fits is taken.
_ROOMS = (
    _Room(text=240, items=10, members=40, levels=8),
    _Room(text=120, items=3, members=20, levels=5),
    _Room(text=60, items=2, members=10, levels=3),
    _Room(text=40, items=1, members=6, levels=2),
    _Room(text=20, items=1, members=3, levels=1),
)


def request(endpoint: Endpoint, built: Request, *, key: str, host: str) -> Shown:
    """Return a request as it would leave: method, host, path, headers without secrets, body, bytes of the body."""
    headers = {"Authorization": f"{'Basic' if endpoint.key is Key.TRACK else 'Bearer'} {REDACTED}"}
    if key == "service_account":
        headers["X-Workspace-Id"] = REDACTED
    if built.body is not None:
        headers["Content-Type"] = "application/json"
    told = {"method": built.method, "host": host, "path": built.target, "headers": headers}
    if not built.body:
        return Shown(request=told | {"body": None, "bytes": 0})
    members = json.loads(built.body)
    body, room = _fitted(endpoint, members)
    lists = tuple(_lists(endpoint, members, body, room))
    return Shown(request=told | {"body": body, "bytes": len(built.body)}, lists=lists)


def _fitted(endpoint: Endpoint, members: dict[str, Any]) -> tuple[dict[str, Any], _Room]:
    """Return a body with long texts and lists shortened, files by their size, addresses without their secrets."""
    # Only the tool's own arguments: an attribute may have any name.
    own = {name: value for name, value in members.items() if name in endpoint.params.model_fields}
    whole = members | {name: _files(own[name]) for name in own if name == "attachments"}
    addresses = {name: address(own[name], whole_path=False) for name in own if name in _CAPABILITIES}
    for room in _ROOMS[:-1]:
        shown = _members(whole, room) | addresses
        if size(shown) <= BODY_BYTES:
            return shown, room
    return _members(whole, _ROOMS[-1]) | addresses, _ROOMS[-1]


def _lists(endpoint: Endpoint, members: dict[str, Any], body: dict[str, Any], room: _Room) -> Iterator[Listed]:
    """Yield the lists among the members of a body; those of a wrapped one lie a level deeper."""
    whole, told = (each[endpoint.wrap] if endpoint.wrap else each for each in (members, body))
    for name, value in whole.items():
        if isinstance(value, list):
            is_listed = isinstance(told, dict) and isinstance(told.get(name), list)
            yield Listed(name=name, count=len(value), shown=min(len(value), room.items) if is_listed else 0)


def _files(files: Mapping[str, str]) -> dict[str, str]:
    return {name: f"({len(b64decode(content)):,} bytes)" for name, content in files.items()}


def _shortened(value: Any, room: _Room) -> Any:
    match value:
        case str():
            return _text(value, room.text)
        case list():
            return _items(value, room)
        case dict():
            return _members(value, room)
        case _:
            return value


def _text(value: str, characters: int) -> str:
    plain = text(_URL.sub(lambda found: address(found[0], whole_path=True), value[: 20 * characters]))
    return plain if len(plain) <= characters else f"{plain[:characters]}…({len(value):,} characters)"


def _items(items: list[Any], room: _Room) -> Any:
    if room.levels == 0:
        return f"({len(items):,} items)"
    deeper = _deeper(room)
    shown = [_shortened(item, deeper) for item in items[: room.items]]
    return [*shown, f"…({len(items):,} items)"] if len(items) > room.items else shown


def _members(members: Mapping[str, Any], room: _Room) -> Any:
    if room.levels == 0:
        return f"({len(members):,} members)"
    deeper = _deeper(room)
    shown = {_text(name, room.text): _shortened(members[name], deeper) for name in list(members)[: room.members]}
    return shown | {"…": f"({len(members):,} members)"} if len(members) > room.members else shown


def _deeper(room: _Room) -> _Room:
    return _Room(text=room.text, items=room.items, members=room.members, levels=room.levels - 1)


def address(url: str, *, whole_path: bool) -> str:
    """Return a URL without user, query and fragment, and unless `whole_path` without its path."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"(an address of {len(url):,} characters)"
    user = f"{REDACTED}@" if "@" in parts.netloc else ""
    place = f"[{host}]" if ":" in host else host
    path = parts.path if whole_path else "/…" if parts.path.strip("/") else "/"
    query = "?<redacted>" if parts.query or parts.fragment else ""
    return f"{parts.scheme}://{user}{place}{f':{port}' if port else ''}{path}{query}"
