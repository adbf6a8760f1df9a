"""What a frame is owed, decided by Python's own JSON reader and not by ours."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Id = int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """The ids that must be answered once each; `unsure` if the frame may be answered once, under any id, or not."""

    ids: tuple[Id, ...] = ()
    unsure: bool = False


class _Twice(ValueError):
    """An object with the same name twice, which readers understand differently."""


def owed(frame: bytes) -> Owed:
    """Return what a frame is owed."""
    try:
        value = json.loads(frame.removeprefix(b"\xef\xbb\xbf").decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return Owed(unsure=True)
    if isinstance(value, list):
        ids = tuple(_of_batch(value))
        return Owed(ids=ids, unsure=not ids)
    if not isinstance(value, dict):
        return Owed(unsure=True)
    return _of_object(value)


def _of_object(message: dict[str, Any]) -> Owed:
    request_id = _usable(message.get("id"))
    answers = "result" in message or "error" in message
    if request_id is None:
        return Owed(unsure=True)
    if answers:  # the answer to a question that was never put, or neither that nor a request
        return Owed(unsure=True)
    return Owed(ids=(request_id,))


def _of_batch(items: list[Any]) -> Iterator[Id]:
    for item in items:
        if isinstance(item, dict) and "method" in item and (request_id := _usable(item.get("id"))) is not None:
            yield request_id


def _usable(value: Any) -> Id | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        return None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _Twice
    return members
