"""Who is an operator: whoever knows the key or holds an operator's token, and then whoever holds the session."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cio_mcp.secret import Secret

ATTEMPTS = 5
WITHIN_SECONDS = 60.0
"""So many wrong keys in this time, whoever gave them, and nobody may try until it is over."""
SESSION_SECONDS = 8 * 3600.0
"""A working day; then the operator signs in anew."""
_SESSIONS = 32
_TOKEN_BYTES = 32


class WrongKey(Exception):
    """The key is not the operator's."""


class Unrecognizable(Exception):
    """Where operators' tokens are kept cannot be read now."""


class TooMany(Exception):
    """Too many wrong keys were given; after `wait` seconds one may try again."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait


Operators = Callable[[str], Awaitable[str | None]]
"""Given a token, returns the name of the operator whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open session: of the operator with this name, or of whoever has the key."""

    operator: str
    ends: float
    token: Secret | None
    """With which the operator signed in: when it is revoked or expires, the session ends."""


class Doorkeeper:
    """Knows the operators. Sessions live in memory alone, and end with the process."""

    def __init__(
        self, key: Secret | None, *, operators: Operators | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the key, and what knows operators by their tokens; without either nobody can sign in."""
        self._key = hashlib.sha256(key.reveal().encode()).digest() if key else None
        self._operators = operators
        self._now = now
        self._failed: deque[float] = deque(maxlen=ATTEMPTS)
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    @property
    def asks(self) -> bool:
        """Whether one can sign in, and so must."""
        return self._key is not None or self._operators is not None

    async def sign_in(self, given: str) -> str:
        """Open a session and return its token; raises WrongKey, TooMany or Unrecognizable."""
        now = self._now()
        if len(self._failed) == ATTEMPTS and (wait := self._failed[0] + WITHIN_SECONDS - now) > 0:
            raise TooMany(wait)
        self._failed.append(now)  # at once: whoever asks meanwhile counts too
        try:
            operator = await self._whose(given)
        except Unrecognizable:
            self._failed.remove(now)  # nobody has said that it is wrong
            raise
        if operator is None:
            raise WrongKey
        self._failed.remove(now)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        proof = Secret(given) if operator else None
        self._sessions[_named(token)] = Session(operator=operator, ends=now + SESSION_SECONDS, token=proof)
        while len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        return token

    async def _whose(self, given: str) -> str | None:
        digest = hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest()
        if self._key is not None and hmac.compare_digest(digest, self._key):
            return ""
        return await self._operators(given) if self._operators else None

    async def session(self, token: str | None) -> Session | None:
        """Return the open session to which a token belongs; raises Unrecognizable."""
        found = self._sessions.get(_named(token)) if token else None
        if found is None or self._now() >= found.ends:
            return None
        return found if found.token is None or await self._whose(found.token.reveal()) == found.operator else None

    def sign_out(self, token: str | None) -> None:
        """End a session."""
        if token:
            self._sessions.pop(_named(token), None)


def _named(token: str) -> bytes:
    """Return under what a session is kept: how long a look takes tells nothing of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
