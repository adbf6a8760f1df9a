"""Pure: a result no larger than a model should read, which says what was cut and how to get the rest."""

import json
from dataclasses import dataclass
from typing import Any

BYTES_PER_TOKEN = 2.5
"""A low bound for JSON of identifiers and times in o200k_base; `benchmarks/tokens.py` measures it."""
NOTE = "_cut"
_NOTE_BYTES = 600
# Texts are shortened in these steps before a list loses its last items.
_TEXT_STEPS = (4000, 1000, 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How the rest of a list can be asked for: the names of the arguments that the tool has."""

    by_limit: bool = False
    by_offset: bool = False
    offset: int = 0


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
    """Return `data` itself if it fits, else a copy that does, with a note under `NOTE`."""
    most = int(tokens * BYTES_PER_TOKEN)
    if size(data) <= most:
        return data
    room = max(most - _NOTE_BYTES, 200)
    whole = {name: len(value) for name, value in data.items() if isinstance(value, list)}
    fitted = _fit(data, room)
    kept = {name: len(value) for name, value in fitted.items() if isinstance(value, list)}
    cut = {name: f"{kept.get(name, 0)} of {count}" for name, count in whole.items() if kept.get(name, 0) < count}
    if cut:
        # The cursor would skip what was cut.
        fitted.pop("next", None)
    return fitted | {NOTE: {"lists": cut, "why": f"over {tokens:,} tokens", "rest": _rest(cut, kept, paging)}}


def _rest(cut: dict[str, str], kept: dict[str, int], paging: Paging) -> str:
    name = next(iter(cut), None)
    if name is None:
        return "Long texts or members were shortened; they cannot be had in one result."
    if paging.by_limit:
        return f"Call again with limit {max(1, kept.get(name, 0))} and the same start, then follow next."
    if paging.by_offset:
        return f"Call again with offset {paging.offset + kept.get(name, 0)}."
    return "Ask for something narrower, or have the operator raise CIO_MCP_RESULT_TOKENS."


def _fit(data: dict[str, Any], room: int) -> dict[str, Any]:
    """Cut lists first; shorten texts only when a single item is already too large."""
    for longest in (None, *_TEXT_STEPS):
        candidate = data if longest is None else _shortened(data, longest)
        candidate = _lists_cut(candidate, room)
        if size(candidate) <= room:
            return candidate
    return _members_cut(_shortened(_lists_cut(data, room), _TEXT_STEPS[-1]), room)


def _lists_cut(data: dict[str, Any], room: int) -> dict[str, Any]:
    """Cut top-level lists, the largest first, each to its longest beginning that fits (at least one item)."""
    result = dict(data)
    by_size = sorted((name for name in data if isinstance(data[name], list)), key=lambda n: size(data[n]), reverse=True)
    total = size(result)
    for name in by_size:
        if total <= room:
            break
        items = result[name]
        result[name] = _beginning(items, room - (total - size(items)))
        total = size(result)
    return result


def _beginning(items: list[Any], room: int) -> list[Any]:
    used = len("[]")
    for count, item in enumerate(items):
        used += size(item) + len(",")
        if used > room:
            return items[: max(1, count)]
    return items


def _shortened(value: Any, longest: int) -> Any:
    match value:
        case str() if len(value) > longest:
            return f"{value[:longest]}…({len(value) - longest:,} characters cut)"
        case list():
            return [_shortened(item, longest) for item in value]
        case dict():
            return {name: _shortened(member, longest) for name, member in value.items()}
        case _:
            return value


def _members_cut(data: dict[str, Any], room: int) -> dict[str, Any]:
    """Keep the members that fit; one that is too large alone becomes a word about its size."""
    result: dict[str, Any] = {}
    used = len("{}")
    for name, member in data.items():
        key = name if len(name) <= _TEXT_STEPS[-1] else name[: _TEXT_STEPS[-1]]
        kept = member if size(member) <= room // 2 else _inner(member, room // 2)
        used += size(key) + size(kept) + len(":,")
        if used > room:
            break
        result[key] = kept
    return result


def _inner(member: Any, room: int) -> Any:
    if isinstance(member, dict):
        return _members_cut(member, room)
    if isinstance(member, list):
        kept = _beginning(member, room)
        return kept if size(kept) <= room else [f"({len(member):,} items of {size(member):,} bytes left out)"]
    return f"({size(member):,} bytes left out)"
