"""Values that become one segment of a path: what may stand there, and how it is written.

HTTP clients collapse `.` and `..`, which percent-encoding leaves as they are: "delete the device `..`" would leave
as "delete the person". Such values are refused here, the only place that writes a path.
"""

import re
from urllib.parse import quote, unquote

# A proxy may decode once more than it should; three rounds see through every nesting that real ones undo.
_ROUNDS = 3
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_segment(value: str) -> str:
    """Return `value` if it can stand in a path; raise ValueError with the reason if not."""
    if not value:
        raise ValueError("must not be empty")
    if value != value.strip():
        raise ValueError("must not begin or end with a space")
    if _CONTROL.search(value):
        raise ValueError("must not hold control characters")
    if _climbs(value):
        raise ValueError("must not be or contain a path step '.' or '..'")
    return value


def _climbs(value: str) -> bool:
    for _ in range(_ROUNDS):
        if any(step in (".", "..") for step in re.split(r"[/\\]", value)):
            return True
        value = unquote(value)
    return False


def fill(template: str, values: dict[str, str]) -> str:
    """Write a path: every placeholder of `template` becomes one percent-encoded segment."""
    return template.format(**{name: quote(check_segment(value), safe="") for name, value in values.items()})
