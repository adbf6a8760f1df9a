"""How far Customer.io's clock is from this machine's, by the date of an answer (RFC 9110, "Date")."""

from email.utils import parsedate_to_datetime

CLOSE_SECONDS = 20.0
"""An answer that took longer than this tells the time too roughly: it was given somewhere between question and end."""
_CUT_OFF = 1.0
"""The date is cut off to whole seconds."""


def ahead(date: str, *, asked: float, answered: float) -> float | None:
    """Return by how many seconds Customer.io's clock is ahead, 0 where it may agree; None if the answer does not tell.

    `asked` and `answered` are when the request left and the answer was there, in seconds since 1970 on this machine.
    """
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    if not 0 <= answered - asked <= CLOSE_SECONDS:
        return None
    least, most = theirs - answered, theirs + _CUT_OFF - asked
    return max(least, min(0.0, most))
