"""The room that a receiver has for requests: strangers may fill it, and must not keep anybody out.

Whether a request is Customer.io's is known once its body is whole. Until then it holds what it holds on sufferance:
where there is no room for another, the one that has taken longest gives way. Customer.io sends a body at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

UNPROVEN = 256
"""Requests that are not whole, or are refused and still being sent; far fewer than the server has connections."""
PROVEN = 1_024
"""Requests under way whose signature holds: 500 a second for the two seconds in which a slow disk may hold them up."""
BYTES = 67_108_864
"""Of all bodies together, as far as they are kept: as many as the rest of the server may hold (64 MiB)."""


class NoRoom(Exception):
    """A request cannot be served now; it may come again."""


@dataclass(slots=True, kw_only=True, eq=False)
class Place:
    """The place of one request."""

    room: "Room"
    gave_way: bool = field(default=False, init=False)
    held: int = field(default=0, init=False)
    _scope: anyio.CancelScope | None = field(default=None, init=False)

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        """Let the block wait for the sender: at most so long, and no longer once the place is needed."""
        with anyio.move_on_after(0.0 if self.gave_way else seconds) as self._scope:
            yield

    def hold(self, size: int) -> None:
        """Keep so many bytes more; raises NoRoom."""
        self.room.make_bytes(size, but=self)
        self.held += size
        self.room.held += size

    def prove(self) -> None:
        """Note that the request is Customer.io's, and does not give way any more; raises NoRoom."""
        self.room.admit(self)

    def let_go(self) -> None:
        """Let go of the bytes that are held."""
        self.room.held -= self.held
        self.held = 0

    def give_way(self) -> None:
        """Make the request end for the sake of another."""
        self.gave_way = True
        self.let_go()
        if self._scope is not None:
            self._scope.cancel()


@dataclass(slots=True, kw_only=True)
class Room:
    """Room for the requests of all receivers of a process."""

    most_unproven: int = UNPROVEN
    most_proven: int = PROVEN
    most_bytes: int = BYTES
    held: int = field(default=0, init=False)
    _unproven: dict[Place, None] = field(default_factory=dict[Place, None], init=False)
    """In the order in which they came."""
    _proven: set[Place] = field(default_factory=set[Place], init=False)

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Give a place for the length of the block, if need be that of the one that has taken longest."""
        if len(self._unproven) >= self.most_unproven:
            self._displace(next(iter(self._unproven)))
        place = Place(room=self)
        self._unproven[place] = None
        try:
            yield place
        finally:
            place.let_go()
            self._unproven.pop(place, None)
            self._proven.discard(place)

    def admit(self, place: Place) -> None:
        """Count a request among those that are proven; raises NoRoom."""
        if place.gave_way or len(self._proven) >= self.most_proven:
            raise NoRoom
        self._unproven.pop(place, None)
        self._proven.add(place)

    def make_bytes(self, size: int, *, but: Place) -> None:
        """See that there is room for so many bytes more, whoever else has to give way; raises NoRoom."""
        while self.held + size > self.most_bytes:
            longest = next((each for each in self._unproven if each is not but), None)
            if longest is None or but.gave_way:
                raise NoRoom
            self._displace(longest)

    def _displace(self, place: Place) -> None:
        del self._unproven[place]
        place.give_way()
