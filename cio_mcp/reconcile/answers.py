"""What can be relied on in an answer, whose shape may be any."""

import re
from collections.abc import Mapping
from typing import Any

# Ids of deliveries are URL-safe base64 (App API reference, "message_id").
_ID = re.compile(r"[A-Za-z0-9_=-]{1,100}")

Answer = Mapping[str, Any]


def rows(answer: Answer, name: str) -> list[dict[str, Any]] | None:
    """Return the objects of a list; None unless it is the whole of one."""
    found = answer.get(name)
    if not isinstance(found, list) or answer.get("next"):
        return None
    return [row for row in found if isinstance(row, dict)] if all(isinstance(row, dict) for row in found) else None


def member(answer: Answer, name: str) -> dict[str, Any]:
    """Return an object, empty if there is none."""
    found = answer.get(name)
    return found if isinstance(found, dict) else {}


def whole(value: Any) -> int | None:
    """Return a number that counts, names or dates something, if it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def identity(value: Any) -> int | str | None:
    """Return an id that can be shown: a number, or a text that can hold no sentence."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else whole(value)
