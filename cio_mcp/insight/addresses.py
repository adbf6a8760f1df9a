"""Pure: whether a message went to where its person can be reached now."""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from cio_mcp import sensitive
from cio_mcp.planning.answers import member, word

ADDRESSES: Mapping[str, str] = {"email": "email", "sms": "phone", "twilio": "phone", "whatsapp": "phone"}
"""The attribute to which each channel sends; SMS has two names."""
_BETWEEN = re.compile(r"[\s,;<>]+")
"""Of several recipients, and of a name and its address."""
_PUNCTUATION = re.compile(r"[^0-9,;]+")


class Place(Enum):
    """Where a message went, compared with where its person is."""

    THEIRS = auto()
    ELSEWHERE = auto()
    WITHHELD = auto()
    """An address is masked, so that nothing was compared."""
    NOWHERE = auto()
    """It went to no address, or to which one is not told."""


def of_person(person: Mapping[str, Any], name: str) -> list[str]:
    """Return a person's present addresses of a kind: as an attribute, and as an identifier."""
    held = (member(person, "attributes").get(name), member(person, "identifiers").get(name))
    return [each for each in held if isinstance(each, str) and each]


def place(message: Mapping[str, Any], person: Mapping[str, Any] | None) -> Place:
    """Compare the recipient of a message with the person's present address, whatever the case of its letters."""
    name = ADDRESSES.get(word(message.get("type")))
    recipient = message.get("recipient")
    if person is None or name is None or not isinstance(recipient, str) or not recipient:
        return Place.NOWHERE
    own = of_person(person, name)
    if own and any(map(sensitive.is_masked, (recipient, *own))):
        return Place.WITHHELD
    is_theirs = any(_spelt(recipient, name) & _spelt(each, name) for each in own)
    return Place.THEIRS if is_theirs else Place.ELSEWHERE


def _spelt(text: str, name: str) -> set[str]:
    """Return the addresses in a text, each as it is written whoever writes it."""
    plain = _PUNCTUATION.sub("", text) if name == "phone" else text.casefold()
    return {plain.strip(), *_BETWEEN.split(plain)} - {""}
