"""How a limit is written down."""

import math
import re
from dataclasses import dataclass
from typing import Self

_FORM = re.compile(r"([0-9]+)/([0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)s?")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` requests in any `window` seconds, wherever the window is laid."""

    limit: int
    window: float = 1.0

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"a rate allows at least one request, not {self.limit}")
        if not 0 < self.window < math.inf:
            raise ValueError(f"a rate's window is a positive number of seconds, not {self.window}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "10/1" or "10/1s": ten requests in any second. ValueError says what was expected."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a rate; write REQUESTS/SECONDS, such as 10/1s or 1/10s")
        return cls(int(match[1]), float(match[2]))

    def __str__(self) -> str:
        return f"{self.limit}/{str(float(self.window)).removesuffix('.0')}s"
