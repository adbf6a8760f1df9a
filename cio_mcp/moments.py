"""Pure: a time as people, models and programs read it."""

from datetime import UTC, datetime


def moment(seconds: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC, to the second."""
    try:
        return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return "out of range"
