"""A text that does not show itself, and what may stand for it."""

import hashlib
from collections.abc import Callable


class Secret:
    """A credential whose text appears only where `reveal` is called.

    `repr`, `str`, f-strings, log lines and tracebacks with locals show stars; pickling and copying are refused.
    """

    __slots__ = ("_reveal",)

    def __init__(self, text: str) -> None:
        # A closure, so that no attribute holds the text itself.
        self._reveal: Callable[[], str] = lambda: text

    def reveal(self) -> str:
        """Return the text; only `credentials.py` has a reason to."""
        return self._reveal()

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._reveal())

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def digest(*parts: str) -> str:
    """Return twelve digits that are the same on every machine, and tell nothing of a key."""
    return hashlib.sha256(" ".join(("cio-mcp", *parts)).encode()).hexdigest()[:12]
