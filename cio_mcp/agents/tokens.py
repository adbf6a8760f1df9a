"""Static agent tokens: how they look, how they are recognised, and whom they prove.

A token is `ciomcp_<id>_<secret><checksum>`. The prefix lets secret scanners find one that was published; the id is
public and names the token in lists and logs; the secret has 256 random bits; the checksum tells a bad copy from a
wrong token before anything is sent.

Kept is HMAC-SHA-256 of the text under a salt of its own. A slow hash protects what people choose, because that can be
guessed; 2^256 secrets cannot be tried at any speed, and a hash that takes long would be paid with every call, and let
strangers spend this server's time. The salt keeps equal digests of two stores from telling anything.
"""

import hmac
import logging
import re
import secrets
import string
import zlib
from contextlib import suppress
from typing import Final

from cio_mcp.agents.agent import Agent
from cio_mcp.agents.token_store import KeptToken, Proof, TokenState, TokenStore, TokensUnavailable
from cio_mcp.secret import Secret

PREFIX: Final = "ciomcp_"
ID_LENGTH: Final = 12
_ID_LETTERS: Final = "23456789abcdefghjkmnpqrstuvwxyz"
"""None that is taken for another when it is read aloud."""
_LETTERS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH: Final = 43
"""Of 62 letters each: 62^43 > 2^256."""
_CHECKSUM_LENGTH: Final = 6
"""62^6 > 2^32, the values of CRC-32."""
LENGTH: Final = len(PREFIX) + ID_LENGTH + 1 + SECRET_LENGTH + _CHECKSUM_LENGTH
PATTERN: Final = rf"{PREFIX}(?P<id>[{_ID_LETTERS}]{{{ID_LENGTH}}})_[0-9A-Za-z]{{{SECRET_LENGTH + _CHECKSUM_LENGTH}}}"
"""Every token, as a regular expression that secret scanners can be given."""
_SALT_BYTES: Final = 16
NOTED_EVERY: Final = 600.0
"""Seconds; "last used" is this coarse, so that a busy agent costs one write in ten minutes."""
_DECOY: Final = Proof(id="", salt=bytes(_SALT_BYTES), digest=bytes(32))


class Mistyped(ValueError):
    """A text is no whole token; says what is wrong with it and never what it is."""


def mint() -> tuple[Secret, Proof]:
    """Return the text of a new token, to be shown once, and what is kept of it."""
    token_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(ID_LENGTH))
    secret = "".join(secrets.choice(_LETTERS) for _ in range(SECRET_LENGTH))
    begun = f"{PREFIX}{token_id}_{secret}"
    text = begun + _checksum(begun)
    salt = secrets.token_bytes(_SALT_BYTES)
    return Secret(text), Proof(id=token_id, salt=salt, digest=_digest(salt, text))


def id_in(text: str) -> str:
    """Return the id in a token's text; raises Mistyped if it is no token, or a bad copy of one.

    Looks at the text alone: what it says, whoever holds the text can find out without asking anybody.
    """
    if not text.startswith(PREFIX):
        raise Mistyped(f"is no token of cio-mcp: those begin with {PREFIX}")
    if len(text) < LENGTH:
        raise Mistyped(f"is cut short: it has {len(text)} of {LENGTH} characters; copy it again")
    if len(text) > LENGTH:
        raise Mistyped(f"has {len(text)} characters instead of {LENGTH}: something else was copied with it")
    found = re.fullmatch(PATTERN, text)
    if found is None or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:
        raise Mistyped("has a wrong character: its checksum does not fit; copy it again")
    return found["id"]


def public_name(token_id: str) -> str:
    """Return what a token is called in lists, logs and records: its beginning, which proves nothing."""
    return f"{PREFIX}{token_id}"


def id_named(text: str) -> str | None:
    """Return the id that a token's public name means, or a token itself, whole or cut; None if it is neither."""
    found = re.match(rf"{PREFIX}([{_ID_LETTERS}]{{{ID_LENGTH}}})(?:_|\Z)", text)
    return found[1] if found else None


def fits(kept: Proof | None, text: str) -> bool:
    """Say whether a text is the token that is kept; as much work, in constant time, where nothing is kept."""
    compared = kept or _DECOY
    same = hmac.compare_digest(_digest(compared.salt, text), compared.digest)
    return same and kept is not None


class TokenAuthenticator:
    """Knows agents by the tokens of a store; what was revoked proves nobody within a second, what has expired at once.

    Raises TokensUnavailable while the store cannot be read. Nothing is remembered of a token but when its use was last
    noted or refused.
    """

    def __init__(self, store: TokenStore) -> None:
        self._store = store
        self._noted: dict[tuple[str, TokenState], float] = {}
        self._log = logging.getLogger(__name__)

    async def agent(self, token: str) -> Agent | None:
        """Return the agent that a token proves; None if it proves nobody, for whatever reason."""
        try:
            token_id = id_in(token)
        except Mistyped:
            return None
        look = await self._store.look(token_id)
        kept = look.kept
        if not fits(kept.proof if kept else None, token) or kept is None:
            return None
        state = kept.state(look.now)
        if state is not TokenState.ACTIVE:
            self._tell(kept, state, look.now)
            return None
        await self._note_use(kept, look.now)
        return kept.agent

    async def _note_use(self, kept: KeptToken, now: float) -> None:
        recently = kept.used_at is not None and now - kept.used_at < NOTED_EVERY
        if recently or not self._is_due(kept, TokenState.ACTIVE, now):
            return
        with suppress(TokensUnavailable):  # who was proven stays so where the time of it cannot be written
            await self._store.note_use(kept.proof.id, every=NOTED_EVERY)

    def _tell(self, kept: KeptToken, state: TokenState, now: float) -> None:
        """Say, now and then, that somebody still uses a token that has ended: whoever gets here holds its secret."""
        if self._is_due(kept, state, now):
            self._log.warning("%s of %s is still used, but %s", public_name(kept.proof.id), kept.permit.agent, state)

    def _is_due(self, kept: KeptToken, state: TokenState, now: float) -> bool:
        """Say it once in a while of each token, also when doing it failed; only holders of a secret get here."""
        last = self._noted.get((kept.proof.id, state))
        if last is not None and 0 <= now - last < NOTED_EVERY:
            return False
        self._noted[kept.proof.id, state] = now
        return True


def _digest(salt: bytes, text: str) -> bytes:
    return hmac.digest(salt, text.encode(), "sha256")


def _checksum(text: str) -> str:
    number, spelt = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_LETTERS))
        spelt = _LETTERS[digit] + spelt
    return spelt
