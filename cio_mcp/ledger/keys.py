"""The key of a ledger: in a file beside it, 32 random bytes, made once; or derived from a secret that is given."""

import os
from pathlib import Path
from secrets import token_bytes

from cio_mcp.ledger.chain import KEY_BYTES, Keys
from cio_mcp.ledger.place import key_path
from cio_mcp.ledger.private_files import check_private, publish, temporary_beside, write_new
from cio_mcp.ledger.terms import Unrecorded

_SECRET_CHARACTERS = 32
"""As many as the bytes of a key that is made here, so that a password does not pass for one."""


def new_keys() -> Keys:
    """Return keys that are kept nowhere."""
    return Keys.derived(token_bytes(KEY_BYTES))


def keys_of(secret: str) -> Keys:
    """Return the keys of a ledger that keeps none beside itself, from a secret of its operator; raises ValueError."""
    if len(secret) < _SECRET_CHARACTERS:
        raise ValueError(
            f"the ledger's key must have {_SECRET_CHARACTERS} characters or more; `openssl rand -hex 32` makes one"
        )
    return Keys.derived(secret.encode())


def made_keys(ledger: Path) -> Keys:
    """Return the keys of a ledger that is about to be made; processes that start at once end with the same."""
    path = key_path(ledger)
    if not os.path.lexists(path):
        temporary = temporary_beside(path)
        write_new(temporary, token_bytes(KEY_BYTES))
        publish(temporary, path)
    return kept_keys(ledger)


def kept_keys(ledger: Path) -> Keys:
    """Return the keys of a ledger; raises Unrecorded if the file is missing, not private or no key."""
    path = key_path(ledger)
    try:
        check_private(path)
        key = path.read_bytes()
    except FileNotFoundError:
        raise Unrecorded(
            f"{path}: the key of {ledger.name} is missing; put it back, or move the ledger away to begin a new one"
        ) from None
    if len(key) != KEY_BYTES:
        raise Unrecorded(f"{path}: is no key of {KEY_BYTES} bytes; put the right one back")
    return Keys.derived(key)
