r"""Pure: make upstream text harmless to carry. What it says stays untrusted; what breaks or hides is shown instead.

One lone surrogate ends a stdio server when its answer is written, and NaN is no JSON at all. A character that nobody
sees is shown as its escape, such as `\u{202e}`. Text that already held those letters reads the same, and does as
little.
"""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from cio_mcp.unseen import UNSEEN, escape, shown

DEPTH = 100
"""Deeper JSON is an attack: Customer.io's own answers nest less than ten levels."""
HIDDEN = 200_000
"""Hidden characters of one answer that are looked at, each of which may become ten: more are an attack.

Even 10 MB of Persian, the script that needs most of them, have fewer: at one in thirty characters, 170,000.
"""
NAME_CHARACTERS = 80
"""How much of a name a person has to read before they decide."""

_SPACES = re.compile(r"\s+")
# What ends a line or the quotation around it; of the characters that `str.splitlines` knows, `text` leaves no others.
_ENDING = re.compile('[\t\n\r\u2028\u2029"]')
_WORDS = re.compile(r"[^\W\d_]+")
# Latin, Greek and Cyrillic letters by their blocks; others have few that pass for Latin ones.
_LATIN = re.compile("[A-Za-z\xaa\xba\xc0-\u02af\u1d00-\u1d25\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff\uff21-\uff5a]")
_GREEK = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")
_CYRILLIC = re.compile("[\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f]")
_ALPHABETS = (_LATIN, _GREEK, _CYRILLIC)
_LONGEST_NUMBER = 300
_SCRUBBED = (str, list, dict)


def text(value: str) -> str:
    """Show half characters, control characters and hidden ones as escapes; tabs and line breaks stay.

    What makes an emoji or shapes a word stays too: see `unseen`.
    """
    return value if _is_plain(value) else UNSEEN.sub(shown, value)


def _is_plain(value: str) -> bool:
    """Say of most texts, at a tenth of the cost, that nothing in them is hidden."""
    return value.isascii() and value.isprintable()


def one_line(value: str, characters: int) -> str:
    """Return scrubbed text on one line, cut to a length."""
    return _cut(_SPACES.sub(" ", text(value)).strip(), characters)


def _cut(line: str, characters: int) -> str:
    return line if len(line) <= characters else line[: characters - 1] + "…"


def visible(value: str, characters: int = NAME_CHARACTERS) -> str:
    """Return a name as a person must see it before they decide: quoted, on one line, with a remark on what it hides.

    Line breaks and quotation marks inside are escapes, so that nothing in a name ends the quotation. `characters`
    bounds what stands between the marks; the remark is on the whole.
    """
    line = _ENDING.sub(lambda found: escape(found[0]), text(value))
    said = _remarks(value)
    return f'"{_cut(line, characters)}"' + (f" ({', '.join(said)})" if said else "")


def _remarks(value: str) -> list[str]:
    found = {
        "holds hidden characters": text(value) != value,
        "mixes alphabets in a word": _mixes_alphabets(value),
        "holds decomposed letters": not unicodedata.is_normalized("NFC", value),
    }
    return [remark for remark, holds in found.items() if holds]


def suspicious(value: str) -> bool:
    """Say whether a name holds hidden characters, or a word of letters from two of Latin, Greek and Cyrillic.

    A whole word in look-alikes of another alphabet is not noticed: it may be a word of that alphabet.
    """
    return text(value) != value or _mixes_alphabets(value)


def _mixes_alphabets(value: str) -> bool:
    if value.isascii():
        return False
    return any(sum(bool(letters.search(word)) for letters in _ALPHABETS) > 1 for word in _WORDS.findall(value))


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else digits


def _fraction(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _constant(_name: str) -> None:
    """Read NaN and the infinities, which Python would take for numbers, as null."""


def read_json(body: bytes) -> Any:
    """Parse an upstream body and scrub every text in it, names of members too; raises ValueError."""
    try:
        data = json.loads(
            body.decode("utf-8-sig", errors="replace"),
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_constant,
        )
        return _Scrubbing().scrubbed(data, DEPTH)
    except RecursionError:
        raise ValueError("nested too deeply") from None


@dataclass(slots=True, kw_only=True)
class _Scrubbing:
    """One parsed answer, changed in place: of very many values a copy costs more than parsing them."""

    left: int = HIDDEN
    plain: set[str] = field(default_factory=set[str])
    """Names of members that hide nothing."""

    def scrubbed(self, value: Any, depth: int) -> Any:
        if depth < 0:
            raise ValueError("nested too deeply")
        match value:
            case str():
                return self._text(value)
            case list():
                for place, item in enumerate(value):
                    if isinstance(item, _SCRUBBED):
                        value[place] = self.scrubbed(item, depth - 1)
            case dict():
                for name, member in value.items():
                    if isinstance(member, _SCRUBBED):
                        value[name] = self.scrubbed(member, depth - 1)
                return self._named(value)
        return value

    def _named(self, members: dict[str, Any]) -> Mapping[str, Any]:
        if self.plain.issuperset(members):  # the objects of a list have the same names
            return members
        names = {name: self._text(name) for name in members}
        self.plain.update(name for name, shown in names.items() if shown == name)
        return renamed(members, {name: shown for name, shown in names.items() if shown != name})

    def _text(self, value: str) -> str:
        return value if _is_plain(value) else UNSEEN.sub(self._shown, value)

    def _shown(self, found: re.Match[str]) -> str:
        self.left -= found.end() - found.start()
        if self.left < 0:
            raise ValueError("too many hidden characters")
        return shown(found)


def renamed(members: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    """Return members with some under new names, in the same order; a name that is taken gets a number, none is lost."""
    if not names:
        return members
    taken = set(members) - set(names)
    tries: Counter[str] = Counter()
    result: dict[str, Any] = {}
    for name, member in members.items():
        free = _free(names[name], taken, tries) if name in names else name
        taken.add(free)
        result[free] = member
    return result


def _free(name: str, taken: Collection[str], tries: Counter[str]) -> str:
    found = name
    while found in taken:
        tries[name] += 1
        found = f"{name} ({tries[name] + 1})"
    return found
