"""How the person behind a call can be asked, and what they answered; nothing here knows a protocol."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum


class Way(Enum):
    """How a client can put a question to the person who uses it."""

    NONE = "none"
    """It cannot, or does not say so."""
    INLINE = "inline"
    """While the call waits."""
    ROUND_TRIP = "round trip"
    """The call is answered with the question, and made again with the answer."""


class Reply(Enum):
    """What came of a question."""

    YES = "yes"
    NO = "no"
    SILENT = "silent"
    """No answer in time, or the client never showed the question."""


async def _silence(_question: str) -> Reply:
    """Answer for a client that cannot ask."""
    return Reply.SILENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The person behind a call, as far as the client lets us reach them.

    `ask` puts a question and waits for the reply (INLINE). `reply` and `state` are what came back with a call that
    was made again (ROUND_TRIP): `state` is the handle of the question, as this server gave it out.
    """

    way: Way = Way.NONE
    ask: Callable[[str], Awaitable[Reply]] = _silence
    reply: Reply | None = None
    state: str | None = None


NOBODY = Person()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question that the client is to put to the person before the call is made again."""

    text: str
    handle: str
