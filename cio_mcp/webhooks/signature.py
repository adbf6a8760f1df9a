"""Pure: does a request come from Customer.io, and is it fresh.

Customer.io signs `v0:<X-CIO-Timestamp>:<raw body>` with HMAC-SHA256 (reporting webhooks reference, "Securely
verifying requests"). The body counts as it came: JSON that was read and written again is another text.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cio_mcp.secret import Secret

TIMESTAMP, SIGNATURE = b"x-cio-timestamp", b"x-cio-signature"
Headers = Iterable[tuple[bytes, bytes]]

_DIGITS = re.compile(rb"[0-9]{1,18}")
_HEXADECIMAL = re.compile(rb"(?:v0=)?([0-9A-Fa-f]{64})")
# The official Ruby client takes timestamps below this for seconds, and above for milliseconds.
_FIRST_MILLISECOND = 100_000_000_000


class Reason(StrEnum):
    """Why a request is not taken for Customer.io's; the value is what the sender is told."""

    NO_TIMESTAMP = "the header X-CIO-Timestamp is missing"
    SEVERAL_TIMESTAMPS = "the header X-CIO-Timestamp is there more than once"
    NO_TIME = "X-CIO-Timestamp is no whole number of unix seconds"
    MILLISECONDS = "X-CIO-Timestamp is in milliseconds, and unix seconds are needed"
    NO_SIGNATURE = "the header X-CIO-Signature is missing"
    SEVERAL_SIGNATURES = "the header X-CIO-Signature is there more than once"
    NO_MAC = "X-CIO-Signature is no HMAC-SHA256 in hexadecimal"
    FORGED = "X-CIO-Signature does not belong to this body, this timestamp and the signing key set here"
    TOO_OLD = "X-CIO-Timestamp lies too far in the past"
    TOO_NEW = "X-CIO-Timestamp lies in the future: compare the clocks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How old a timestamp may be, and how far ahead, in seconds.

    Customer.io repeats a call for seven days, and does not say whether a repeat is signed anew ("Timeouts and
    failures"). What a wide window would let be replayed, the ids of the events already known turn away.
    """

    past: float = 7 * 86_400.0 + 3_600.0
    ahead: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the headers claim: `text` is the timestamp as it came, which is what was signed."""

    text: bytes
    timestamp: int
    mac: bytes


def claim_of(headers: Headers) -> Claim | Reason:
    """Read the two headers; names are lower-case, as ASGI has them."""
    found: dict[bytes, list[bytes]] = {TIMESTAMP: [], SIGNATURE: []}
    for name, value in headers:
        if name in found:
            found[name].append(value.strip(b" \t"))
    times, macs = found[TIMESTAMP], found[SIGNATURE]
    if len(times) != 1:
        return Reason.SEVERAL_TIMESTAMPS if times else Reason.NO_TIMESTAMP
    if len(macs) != 1:
        return Reason.SEVERAL_SIGNATURES if macs else Reason.NO_SIGNATURE
    if not _DIGITS.fullmatch(times[0]):
        return Reason.NO_TIME
    if int(times[0]) >= _FIRST_MILLISECOND:
        return Reason.MILLISECONDS
    mac = _HEXADECIMAL.fullmatch(macs[0])
    if mac is None:
        return Reason.NO_MAC
    return Claim(text=times[0], timestamp=int(times[0]), mac=bytes.fromhex(mac[1].decode()))


@dataclass(slots=True, kw_only=True)
class Check:
    """A signature under examination: the body may come in parts, and need not be kept to be checked."""

    claim: Claim
    keys: Sequence[Secret]
    _macs: list[hmac.HMAC] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        begun = b"v0:" + self.claim.text + b":"
        self._macs = [hmac.new(key.reveal().encode(), begun, hashlib.sha256) for key in self.keys]

    def update(self, part: bytes) -> None:
        """Take the next part of the raw body."""
        for mac in self._macs:
            mac.update(part)

    def holds(self) -> bool:
        """Say whether one of the keys made the signature; every key is tried, so that time tells nothing."""
        return any([hmac.compare_digest(mac.digest(), self.claim.mac) for mac in self._macs])  # noqa: C419 - no short cut


def untimely(claim: Claim, now: float, window: Window) -> Reason | None:
    """Return why a timestamp cannot be accepted at `now`, in seconds since 1970."""
    if claim.timestamp > now + window.ahead:
        return Reason.TOO_NEW
    return Reason.TOO_OLD if claim.timestamp < now - window.past else None


def verify(
    headers: Headers, body: bytes, *, keys: Sequence[Secret], now: float, window: Window | None = None
) -> Claim | Reason:
    """Return what is proven of a whole request, or why nothing is; several keys are all good, as during a rotation."""
    claim = claim_of(headers)
    if isinstance(claim, Reason):
        return claim
    check = Check(claim=claim, keys=keys)
    check.update(body)
    if not check.holds():
        return Reason.FORGED
    return untimely(claim, now, window or Window()) or claim
