"""Pure: whether two runs of an example came to the same, but for what differs from run to run."""

import re
from typing import Any

_DIFFERS = re.compile(
    r"(?P<ulid>\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b)"
    # base64url may begin and end with a hyphen, where \b finds no edge of a word.
    r"|(?P<token>(?<![\w-])[\w-]{32}(?![\w=-]))"
    r"|(?P<delivery>(?<![\w-])[\w-]{27}=)"
    r"|(?P<digest>hmac:[0-9a-f]{16})"
    r"|(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| UTC)|\b1[6-9]\d{8}\b)"
    r"|(?P<port>(?<=127\.0\.0\.1:)\d+)"
    r"|(?P<seconds>\b\d+(?:\.\d+)?(?= s(?:econds)?\b)|(?<=_seconds: )\d+(?:\.\d+)?|(?<=\"seconds_ago\": )\d+)"
)
_MEASURED = frozenset(
    {"available", "granted", "lag_seconds", "next_free", "retry_after_seconds", "seconds_ago", "waited_seconds"}
)
"""Members that tell how fast the machine was."""
_SINCE_1970 = range(1_600_000_000, 2_000_000_000)


def settled(value: Any, name: str = "") -> Any:
    """Return JSON with a word in the place of everything that differs from run to run."""
    match value:
        case dict():
            return {member: settled(each, member) for member, each in value.items()}
        case list():
            return [settled(each, name) for each in value if not _is_early(each)]
        case bool() | None:
            return value
        case int() | float():
            return "<measured>" if name in _MEASURED else "<time>" if int(value) in _SINCE_1970 else value
        case str():
            return _DIFFERS.sub(lambda found: f"<{found.lastgroup}>", value)
    return value


def _is_early(row: Any) -> bool:
    """Say whether a row of a timeline is one that only whoever asks before the first event is told of."""
    return isinstance(row, dict) and row.get("metric") == "created"


def unless_the_same(kept: Any, made: Any) -> Any:
    """Return what was kept if a new run came to the same, so that only changes show as changes."""
    return kept if settled(kept) == settled(made) else made
