"""Whose turn it is in a window that several processes share, and when to look again.

Pure: rows of the shared file and the time go in, decisions come out.

Processes with callers waiting stand in one line, each with one ticket for all its callers. A free slot belongs to
the lowest ticket that is alive; who has taken a turn stands at the end again. A ticket dies unless its owner looks
again and again, so that a process that was killed or stopped holds up the others only shortly.
"""

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from cio_mcp.limiter.rates import Rate

HOLD_SECONDS = 5.0
"""An unanswered request is taken to have arrived so long after it left, or after its grant if nothing left. So the
slots of a process that was killed are free after this time and a window."""
RENEW_SECONDS = 2.0
"""How often a slot is prolonged whose request has not left yet, such as one that waits for a second bucket."""
TICKET_SECONDS = 1.0
"""How long a ticket lives after its owner's last look."""
LOOK_SECONDS = 0.4
"""The longest time between two looks: a ticket lives through two that come late."""
SHORTEST_LOOK = 0.001
"""Looks never follow each other faster than this."""
ANY_MOMENT = 0.025
"""From one look to the next, while a request is unanswered for a window and its slot may be free at any moment."""
# From one look to the next, while the one whose turn it is has not taken its slot: first, and at most.
_FIRST_TURN = 0.002
_LONGEST_TURN = 0.05
# More turns a second than this cannot be handed from process to process; a turn of a faster limit has more slots.
_TURNS_PER_SECOND = 50


class Stage(IntEnum):
    """How far the request of a slot is; numbers, as they stand in the file."""

    RESERVED = 0
    """Granted; nothing has left that is known of."""
    WRITTEN = 1
    """Has left, and is not answered."""
    COOLING = 2
    """Answered or given up; free at a moment that is known."""


class Held(NamedTuple):
    """A slot in the file: held by a process until `frees_at`, unless its request is answered earlier.

    As long as it is not cooling, that is `HOLD_SECONDS` and a window after it was granted or written.
    """

    frees_at: float
    process: int
    number: int
    stage: int


class Place(NamedTuple):
    """A process in line: it has `waiting` callers, and looks again before `alive_until`."""

    process: int
    ticket: int
    alive_until: float
    waiting: int


def turn_size(rate: Rate) -> int:
    """Return how many slots a process takes before the next in line has its turn."""
    return max(1, round(rate.limit / rate.window / _TURNS_PER_SECOND))


def ahead(line: Sequence[Place], process: int) -> list[Place]:
    """Return those in line before a process; all of them, if it does not stand in line itself."""
    own = next((place.ticket for place in line if place.process == process), math.inf)
    return [place for place in line if place.ticket < own]


def unanswered(slots: Sequence[Held], rate: Rate, *, grace: float, now: float) -> list[Held]:
    """Return the slots whose requests have left and are unanswered for longer than the grace, the oldest first."""
    horizon = now + HOLD_SECONDS + rate.window - grace
    return sorted(slot for slot in slots if slot.stage == Stage.WRITTEN and slot.frees_at <= horizon)


def presumed(slots: Sequence[Held], rate: Rate, *, grace: float, most: int, now: float) -> list[Held]:
    """Return the slots that are free although their requests are unanswered.

    Of the unanswered, the youngest `most` may still be on their way; older ones are slow at the server, and were
    there at the end of the grace.
    """
    overdue = unanswered(slots, rate, grace=grace, now=now)
    return [slot for slot in overdue[: max(0, len(overdue) - most)] if slot.frees_at <= now + HOLD_SECONDS - grace]


def next_turn(looks: int, now: float) -> float:
    """Return when to look again while a slot is free for somebody ahead, who was given `looks` looks to take it."""
    return now + min(_LONGEST_TURN, math.ldexp(_FIRST_TURN, min(looks, 8)))


def next_look(slots: Sequence[Held], rate: Rate, *, limit: int, before: Sequence[Place], now: float) -> float:
    """Return when to look again while every slot is held: when enough may be free for oneself and those ahead.

    An unanswered request frees its slot no earlier than a window after it left.
    """
    moments = sorted(slot.frees_at if slot.stage == Stage.COOLING else slot.frees_at - HOLD_SECONDS for slot in slots)
    theirs = sum(min(place.waiting, turn_size(rate)) for place in before)
    moment = moments[min(len(slots) - limit + theirs, len(slots) - 1)]
    return min(now + LOOK_SECONDS, max(moment, now + SHORTEST_LOOK) if moment > now else now + ANY_MOMENT)


def free_moments(slots: Sequence[Held], rate: Rate, *, grace: float, answer: float, now: float) -> list[float]:
    """Return when each slot is likely free, in order, if answers take `answer` seconds."""
    return sorted(_free_at(slot, rate, grace, answer, now) for slot in slots)


def _free_at(slot: Held, rate: Rate, grace: float, answer: float, now: float) -> float:
    if slot.stage == Stage.COOLING:
        return slot.frees_at
    if slot.stage == Stage.RESERVED:
        return now + answer + rate.window
    written = slot.frees_at - HOLD_SECONDS - rate.window
    return written + (answer if written + answer > now else grace) + rate.window


def callers_before(others: Sequence[Place], own: int) -> int:
    """Return how many callers of other processes have a slot before one behind `own` others in its process."""
    return sum(min(place.waiting, own + 1) for place in others)
