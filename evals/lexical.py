"""BM25 over words: what a search that knows no meaning finds, to compare with."""

import math
import re
from collections import Counter
from collections.abc import Sequence

SATURATION, LENGTH = 1.5, 0.75
"""k1 and b of BM25, as they are usually set."""
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return the words of a text, a plural as its singular."""
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in _WORD.findall(text.lower())]  # noqa: PLR2004 - "is", "its"


def scores(documents: Sequence[str], query: str) -> list[float]:
    """Return how well each document fits a query."""
    counted = [Counter(words(document)) for document in documents]
    mean = sum(count.total() for count in counted) / len(counted)
    asked = words(query)
    found = {word: sum(word in count for count in counted) for word in asked}

    def score(count: Counter[str]) -> float:
        weight = SATURATION * (1 - LENGTH + LENGTH * count.total() / mean)
        return sum(
            math.log(1 + (len(counted) - found[word] + 0.5) / (found[word] + 0.5))
            * count[word]
            * (SATURATION + 1)
            / (count[word] + weight)
            for word in asked
        )

    return [score(count) for count in counted]
