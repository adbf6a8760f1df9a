"""One table of a TOML file, read key by key; every complaint names the file, the place and the nearest valid word."""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

T = TypeVar("T")
SHOWN_CHARACTERS = 60
"""Of a word that is not understood."""
_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    str: "text in quotation marks",
    list: "a list [...]",
}


class Table:
    """A table and its place in the file; whoever reads it says at the end which keys there are."""

    def __init__(self, members: dict[str, Any], *, file: str, place: str = "") -> None:
        self._members = members
        self._file = file
        self._place = place

    def names(self) -> list[str]:
        """Return the keys that are there."""
        return list(self._members)

    def table(self, key: str) -> "Table":
        """Return the table under a key, an empty one if there is none."""
        found = self._members.get(key, {})
        if not isinstance(found, dict):
            raise self.wrong(key, f"must be a table, [{self._at(key)}]")
        return Table(found, file=self._file, place=self._at(key))

    def only(self, known: Collection[str]) -> None:
        """Refuse every key but the known ones: a misspelt one may have been meant to restrict."""
        for key in self._members:
            if key not in known:
                raise self.wrong(key, f"is no key here{nearest(key, known)}")

    def value(self, key: str) -> Any:
        """Return the value of a key as it is, None if it is not there."""
        return self._members.get(key)

    def typed(self, key: str, kind: type[T]) -> T | None:
        """Return the value of a key, None if it is not there; a value of another type is refused."""
        found = self.value(key)
        if found is not None and type(found) is not kind:  # a boolean is no whole number here
            raise self.wrong(key, f"must be {_KINDS[kind]}")
        return found

    def read(self, key: str, value: Any, reader: Callable[[Any], T]) -> T:
        """Return what `reader` makes of a value; its ValueError gets the place."""
        try:
            return reader(value)
        except ValueError as error:
            raise self.wrong(key, str(error)) from None

    def texts(self, key: str, reader: Callable[[str], T]) -> list[T]:
        """Return what `reader` makes of each text in a list; its ValueError gets the place and the text."""
        found: list[T] = []
        for number, text in enumerate(self.typed(key, list) or [], start=1):
            if not isinstance(text, str):
                raise self.wrong(f"{key}[{number}]", "must be text in quotation marks")
            try:
                found.append(reader(text))
            except ValueError as error:
                raise self.wrong(f"{key}[{number}]", f"{text[:SHOWN_CHARACTERS]!r} {error}") from None
        return found

    def wrong(self, key: str, reason: str) -> ValueError:
        """Return a complaint about a key."""
        return ValueError(f"names {self._file}, where {self._at(key)} {reason}")

    def _at(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key


def nearest(word: str, known: Collection[str]) -> str:
    """Return the hint that follows "is no …": the nearest valid word, or all of a few."""
    near = get_close_matches(word, known, n=1)
    if near:
        return f" (did you mean {near[0]}?)"
    return f"; there are {', '.join(sorted(known))}"


def one_of(known: Collection[str], what: str) -> Callable[[str], str]:
    """Return a reader that takes one of a few words."""

    def reader(text: str) -> str:
        if text not in known:
            raise ValueError(f"is no {what}{nearest(text, known)}")
        return text

    return reader
