"""Pure: a result no larger than a model should read, which says what was cut and how to get the rest."""

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import islice
from json.encoder import encode_basestring
from typing import Any

BYTES_PER_TOKEN = 1.5
"""What dense JSON has in o200k_base: lists of UUIDs 1.65, ULIDs 1.59, base64 ids 1.52; plain answers have 2 to 4."""
NOTE = "_cut"
_NOTE_BYTES = 600
_NAMED = 3
"""Cut lists that the note names; more would make it a result of its own."""
_LONGEST_NAME = 60
_LEAST = 80
"""Bytes in which something of a value can be shown, with a word on its size."""

_SHARE = 400
"""Bytes that a member may have whatever its even share is: of very many members some whole, not all in crumbs."""
_SMALLEST = len('"":0,')

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How the rest of a list can be asked for: the names of the arguments that the tool has, or what to do instead."""

    by_limit: bool = False
    by_offset: bool = False
    offset: int = 0
    otherwise: str = "Ask for something narrower, or have the operator raise CIO_MCP_RESULT_TOKENS."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """Measures the parts of one answer, each once, and none beyond `most` bytes: what is larger is cut anyway."""

    most: int
    known: dict[int, int] = field(default_factory=dict[int, int])
    """By the `id` of a list or an object, which the answer keeps alive as long as this is in use."""

    def of(self, value: Any) -> int:
        """Return the bytes of the compact JSON if they are no more than `most`, else some number above it."""
        match value:
            case str():
                if len(value) > self.most:
                    return len(value)
                quoted = encode_basestring(value)
                return len(quoted) if quoted.isascii() else len(quoted.encode())
            case list() | dict():
                known = self.known.get(id(value))
                if known is None:
                    known = self.known[id(value)] = self._total(value)
                return known
            case _:  # numbers, truth values and null are as long in JSON as in Python
                return len(repr(value))

    def _total(self, value: list[Any] | dict[str, Any]) -> int:
        total = len("[") if value else len("[]")
        for part in value:
            total += self.of(part) + len(",")
            if isinstance(value, dict):
                total += self.of(value[part]) + len(":")
            if total > self.most:
                break
        return total


@dataclass(slots=True, kw_only=True)
class _Cuts:
    """What was left out: of lists how many items of how many, and whether anything inside an item."""

    sizes: _Sizes
    lists: dict[Path, tuple[int, int]] = field(default_factory=dict[Path, tuple[int, int]])
    inside: bool = False

    @property
    def first_page(self) -> int | None:
        """The items that every list of the answer itself has kept; None if none of them was cut."""
        return min((kept for path, (kept, _) in self.lists.items() if len(path) == 1), default=None)


def compact(data: Any) -> str:
    """Return JSON without spaces, the text form of every result."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def size(data: Any) -> int:
    """Return the bytes of the compact JSON."""
    return len(compact(data).encode())


def skip(data: dict[str, Any], offset: int) -> dict[str, Any]:
    """Drop the first `offset` items of the one list of an answer."""
    return {name: value[offset:] if isinstance(value, list) else value for name, value in data.items()}


def bounded(data: dict[str, Any], *, tokens: int, paging: Paging) -> dict[str, Any]:
    """Return `data` itself if it fits, else a copy that does, with a note under `NOTE`.

    Lists lose whole items at their end before anything inside an item is shortened.
    """
    most = int(tokens * BYTES_PER_TOKEN)
    cuts = _Cuts(sizes=_Sizes(most=most))
    if cuts.sizes.of(data) <= most:
        return data
    fitted = _members(data, most - _NOTE_BYTES, (), cuts)
    if cuts.first_page is not None:
        # The cursor would skip what was cut.
        fitted.pop("next", None)
    return fitted | {NOTE: _note(cuts, tokens, paging)}


def _note(cuts: _Cuts, tokens: int, paging: Paging) -> dict[str, Any]:
    named = {_name(path): f"{kept} of {whole}" for path, (kept, whole) in list(cuts.lists.items())[:_NAMED]}
    more = len(cuts.lists) - _NAMED
    told = {"lists": named} | ({"more_lists": more} if more > 0 else {})
    return told | {"why": f"over {tokens:,} tokens", "rest": _rest(cuts, paging)}


def _name(path: Path) -> str:
    joined = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return _beginning(joined.removeprefix("."), _LONGEST_NAME)


def _rest(cuts: _Cuts, paging: Paging) -> str:
    kept = cuts.first_page
    said = ["Long texts or members were shortened, which no paging brings back."] if cuts.inside else []
    if kept and paging.by_limit:
        said.append(f"Call again with limit {kept} and the same start, then follow next.")
    elif kept and paging.by_offset:
        said.append(f"Call again with offset {paging.offset + kept}.")
    elif cuts.lists:
        said.append(paging.otherwise)
    return " ".join(said)


def _fit(value: Any, room: int, path: Path, cuts: _Cuts) -> Any:
    """Return a value of at most `room` bytes, which is `_LEAST` or more unless the value is as small itself."""
    if cuts.sizes.of(value) <= room:
        return value
    match value:
        case list():
            return _items(value, room, path, cuts)
        case dict():
            return _members(value, room, path, cuts)
        case str():
            cuts.inside = True
            kept = _beginning(value, room - _LEAST // 2)
            return f"{kept}…({len(value) - len(kept):,} characters cut)"
        case _:  # a number of more digits than anything can be counted with
            cuts.inside = True
            return None


def _items(items: list[Any], room: int, path: Path, cuts: _Cuts) -> list[Any]:
    """Return the longest beginning that fits; of a first item that is too large alone, what of it fits."""
    used, kept = len("[]"), 0
    for item in items:
        used += cuts.sizes.of(item) + len(",")
        if used > room:
            break
        kept += 1
    shown = items[:kept]
    if not kept and room - len("[]") >= _LEAST:
        shown = [_fit(items[0], room - len("[]"), (*path, 0), cuts)]
    if len(shown) < len(items):
        cuts.lists[path] = (len(shown), len(items))
    return shown


def _members(members: dict[str, Any], room: int, path: Path, cuts: _Cuts) -> dict[str, Any]:
    """Return the small members whole, and of the larger ones what fits an even share of the room that these leave.

    Of more members than there could be room for, only the first are looked at.
    """
    sizes = {name: cuts.sizes.of(members[name]) for name in islice(members, room // _SMALLEST)}
    cuts.inside |= len(sizes) < len(members)
    left, waiting = room - len("{}"), len(sizes)
    fitted: dict[str, Any] = {}
    for name in sorted(sizes, key=sizes.__getitem__):
        own = cuts.sizes.of(name) + len(":,")
        share = min(max(left // waiting - own, _SHARE), left - own)
        waiting -= 1
        if sizes[name] > share and share < _LEAST:
            cuts.inside = True
            continue
        shown = _fit(members[name], share, (*path, name), cuts)
        if not shown and members[name]:  # an empty object would say that there is nothing
            cuts.inside = True
            continue
        fitted[name] = shown
        left -= own + size(shown)
    return {name: fitted[name] for name in sizes if name in fitted}


def _beginning(text: str, room: int) -> str:
    """Return the longest beginning whose JSON, without its quotes, has at most `room` bytes."""
    most = min(len(text), max(room, 0))
    kept = bisect_right(range(1, most + 1), room + len('""'), key=lambda length: size(text[:length]))
    return text[:kept]
