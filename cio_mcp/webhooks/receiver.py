"""Answers Customer.io: an ASGI application for the path that its reporting webhooks are sent to.

One call that is not answered with 2xx holds up all that come after it, for seven days if need be (reference,
"Timeouts and failures"). So what can never be kept is not refused but set aside, if it is signed; only what cannot be
kept *now* is refused, with 503, after which Customer.io comes again without waiting for an hour.
"""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from cio_mcp.observing import UNOBSERVED, Observer
from cio_mcp.secret import Secret
from cio_mcp.webhooks.events import Read, Unreadable, read
from cio_mcp.webhooks.intake import Intake
from cio_mcp.webhooks.room import NoRoom, Place, Room
from cio_mcp.webhooks.signature import Check, Claim, Reason, Window, claim_of, untimely
from cio_mcp.webhooks.store import ASIDE_BYTES, Arrival, Aside, EventsUnavailable, Kept, Received

READ_BYTES = 1_048_576
"""A body up to here is read as an event; the largest is that of an e-mail with its content, of which mail programs
show about 100 kB."""
MOST_BYTES = 4_194_304
"""A signed body up to here is set aside, so that it does not hold up others; more is refused unread, as by the
rest of this server (MCP SDK: 4 MiB)."""
READ_SECONDS = 4.0
"""After that, Customer.io has given up on the call (reference, "Timeouts and failures")."""
DRAIN_SECONDS = 0.5
"""How long the rest of a refused body is read and dropped: an answer to a sender that still writes would be lost."""
REFUSALS_SECONDS = 10.0
"""How often refusals are counted in the store and logged: whoever floods the receiver must not flood these."""
_SIGNED_TOO_LATE = "it was signed too long ago, and its event is not known here"


class _Refusal(Exception):
    """An answer other than 2xx; `counted` is the name under which the operator learns of it."""

    def __init__(self, status: int, words: str, *, counted: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.counted = counted


@dataclass(slots=True)
class _Incoming:
    """The body of a request as it comes in."""

    receive: Receive
    ended: bool = False

    async def part(self) -> bytes:
        """Return the next part; raises ClientDisconnect if the sender is gone."""
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self.ended = not message.get("more_body", False)
        found: bytes = message.get("body", b"")
        return found

    async def drain(self) -> None:
        """Read the rest and drop it."""
        size = 0
        while not self.ended and size <= 2 * MOST_BYTES:
            size += len(await self.part())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """A body whose signature holds: its beginning, and the size and digest of all of it."""

    claim: Claim
    beginning: bytes
    size: int
    digest: bytes


@dataclass(slots=True, kw_only=True, eq=False)
class Receiver:
    """Receives the events of one workspace. `keys` returns the signing keys that are good now, one or two of them.

    `room` is what it may hold, together with the others that are handed the same.
    """

    intake: Intake
    keys: Callable[[], Sequence[Secret]]
    now: Callable[[], float]
    window: Window = field(default_factory=Window)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("cio_mcp.webhooks"))
    observer: Observer = UNOBSERVED
    room: Room = field(default_factory=Room)
    _refused: Counter[str] = field(default_factory=Counter[str], init=False)
    _told_at: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        keys = self.keys()
        if not all(keys) or not keys:
            raise ValueError("a receiver needs a signing key: without one, anybody could write events")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever its path: that is the business of whoever mounts this."""
        try:
            with self.room.place() as place:
                response = await self._answered(scope, _Incoming(receive), place)
        except ClientDisconnect:
            return
        await response(scope, receive, send)
        if self._refused:
            await self._tell_refusals()

    async def _answered(self, scope: Scope, incoming: _Incoming, place: Place) -> Response:
        try:
            body = await self._proven(scope, incoming, place)
            return PlainTextResponse(await self._taken(body))
        except EventsUnavailable as problem:
            self.log.error("an event could not be kept, and Customer.io is told to come again: %s", problem)  # noqa: TRY400 - no traceback is needed
            return _told("it cannot be kept now; come again", 503, {"retry-after": "5"})
        except _Refusal as refusal:
            self._refused[refusal.counted] += 1
            with place.waiting(DRAIN_SECONDS):
                await incoming.drain()
            headers = {"allow": "POST"} if refusal.status == 405 else {}  # noqa: PLR2004 - RFC 9110, 15.5.6
            return _told(refusal.words, refusal.status, headers | {"connection": "close"})

    async def _proven(self, scope: Scope, incoming: _Incoming, place: Place) -> _Body:
        """Read a request and check its signature; raises _Refusal, at the earliest moment at which that is known."""
        claim = self._claimed(scope)
        try:
            with place.waiting(READ_SECONDS):
                body = await self._read(claim, incoming, place)
                place.prove()
                return body
        except NoRoom:
            raise _busy() from None
        raise _busy() if place.gave_way else _Refusal(408, "the body did not come in time", counted="slow")

    def _claimed(self, scope: Scope) -> Claim:
        """Return what the headers of a request claim; raises _Refusal where no body could prove it."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        if scope["method"] != "POST":
            raise _Refusal(405, "events are sent with POST", counted="method")
        claim = claim_of(headers)
        if isinstance(claim, Reason):
            raise _unproven(claim)
        if untimely(claim, self.now(), self.window) is Reason.TOO_NEW:
            raise _unproven(Reason.TOO_NEW)
        for name, value in headers:
            if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                raise _Refusal(415, "send the body as it is, not compressed", counted="compressed")
            if name == b"content-length" and value.isdigit() and int(value[:20]) > MOST_BYTES:
                raise _too_large()
        return claim

    async def _read(self, claim: Claim, incoming: _Incoming, place: Place) -> _Body:
        check, digest = Check(claim=claim, keys=self.keys()), hashlib.sha256()
        beginning, size = bytearray(), 0
        while not incoming.ended:
            part = await incoming.part()
            size += len(part)
            if size > MOST_BYTES:
                raise _too_large()
            check.update(part)
            digest.update(part)
            kept = part[: READ_BYTES - len(beginning)]
            place.hold(len(kept))
            beginning += kept
        if not check.holds():
            raise _unproven(Reason.FORGED)
        return _Body(claim=claim, beginning=bytes(beginning), size=size, digest=digest.digest())

    async def _taken(self, body: _Body) -> str:
        """Keep what a body says and return the word for it; raises _Refusal for an old one that is not known."""
        received = self._received(body)
        if untimely(body.claim, self.now(), self.window):
            known = isinstance(received, Arrival) and await self.intake.store.knows(received.event.event_id)
            if not known:
                raise _Refusal(401, _SIGNED_TOO_LATE, counted=Reason.TOO_OLD.name.lower())
        kept = await self.intake.take(received)
        if kept is Kept.NEW and isinstance(received, Arrival):
            self.observer.received(received.received_at - received.event.at)
        if kept is Kept.OTHERWISE and isinstance(received, Arrival):
            self.log.warning("event %s came again with another content; the first stays", received.event.event_id)
        if kept is Kept.ASIDE and isinstance(received, Aside):
            self.log.warning("a signed body of %d bytes was set aside: %s", received.size, received.reason)
        return _SAID[kept]

    def _received(self, body: _Body) -> Received:
        now = self.now()
        if body.size > READ_BYTES:
            found: Read | Unreadable = Unreadable(f"over {READ_BYTES:,} bytes")
        else:
            found = read(body.beginning, otherwise_at=body.claim.timestamp)
        if isinstance(found, Read):
            return Arrival(event=found.event, digest=found.digest, received_at=now)
        beginning = body.beginning[:ASIDE_BYTES]
        return Aside(body=beginning, digest=body.digest, size=body.size, reason=found.reason, received_at=now)

    async def _tell_refusals(self) -> None:
        """Count what was refused where the operator's tools can see it; the answer is out already."""
        now = time.monotonic()
        if now - self._told_at < REFUSALS_SECONDS:
            return
        self._told_at = now
        refused, self._refused = self._refused, Counter()
        told = ", ".join(f"{name}: {count}" for name, count in sorted(refused.items()))
        self.log.warning("requests to the webhook were refused (%s)", told)
        try:
            await self.intake.store.note_refused(refused)
        except EventsUnavailable:
            self._refused.update(refused)


_SAID = {
    Kept.NEW: "kept",
    Kept.AGAIN: "known already",
    Kept.OTHERWISE: "known already, with another content",
    Kept.ASIDE: "set aside: it is no event that can be read",
}


def _told(words: str, status: int, headers: dict[str, str]) -> Response:
    return JSONResponse({"error": {"message": words}}, status, headers)


def _unproven(reason: Reason) -> _Refusal:
    return _Refusal(401, reason.value, counted=reason.name.lower())


def _busy() -> _Refusal:
    return _Refusal(503, "too many requests at once", counted="busy")


def _too_large() -> _Refusal:
    return _Refusal(413, f"a body has at most {MOST_BYTES:,} bytes", counted="too_large")
