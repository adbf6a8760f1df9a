"""The words in which an operation's contract is declared."""

from enum import StrEnum


class Key(StrEnum):
    """The credential an operation needs; the two are not interchangeable."""

    TRACK = "track"
    APP = "app"
    SENDING = "app or service account"
    """The App key, or a service account token: the transactional sends take either."""


class Access(StrEnum):
    """What a call can do to what is already there."""

    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"


class Effect(StrEnum):
    """Whom a call can reach."""

    NONE = "none"
    DATA = "data"
    MAY_TRIGGER = "may_trigger"
    """Campaigns may react to it and send messages."""
    MESSAGE = "message"
    """It sends to one person, or to the few that it names."""
    AUDIENCE = "audience"
    """It sends to an audience."""


class Gate(StrEnum):
    """Which calls of a write a person is asked about before they leave."""

    FREE = "free"
    """It leaves unasked, unless it names a crowd."""
    ITEMS = "items"
    """It is asked about when one of its items removes what cannot be had back."""
    ASKED = "asked"
    """It never leaves unasked."""


class Repeat(StrEnum):
    """What a second, identical request would do; it decides what may be retried (`retry.py`)."""

    SAFE = "safe"
    SAFE_UNLESS_RECREATED = "safe_unless_recreated"
    """A repeat changes nothing more, unless the thing was made anew in between."""
    DEDUPLICATED = "deduplicated"
    """Customer.io ignores a repeat that carries the same ULID."""
    PER_ITEM = "per_item"
    """It depends on what the items of the request do."""
    NEVER = "never"
    """It would send, trigger or create a second time."""


class Bucket(StrEnum):
    """A published limit; `settings.py` holds its numbers."""

    TRACK = "track"
    APP = "app"
    EMAIL = "email"
    TRANSACTIONAL = "transactional"
    BROADCAST = "broadcast"
