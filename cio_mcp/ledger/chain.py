"""Pure: the chain of records, in which each carries a keyed digest of itself and of the one before.

```text
mac = HMAC-SHA256(chain key, mac of the record before || bytes of the record)
```

Whoever lacks the key cannot change, remove, insert, repeat or reorder a record unseen. Two things a chain alone cannot
show: that its newest records were cut off, and that somebody who has the key wrote it anew. Noting the head elsewhere
now and then, and comparing with it, shows both up to that head.
"""

import hashlib
import hmac
import json
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

MAC_BYTES = hashlib.sha256().digest_size
KEY_BYTES = 32
CHECKPOINT = "checkpoint"
"""The kind of record that says up to which record the beginning was removed on purpose."""
UNREADABLE = "unreadable"
"""The kind under which a record is shown that is none."""
UNSEEN = (
    "A chain alone does not show a cut tail, nor a rewrite by someone who has the key: "
    "note the head elsewhere and compare with it."
)
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that are derived from the one in the key file, each for one purpose, so that no use can feed another."""

    chain: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    check: bytes = field(repr=False)
    """Kept in the ledger, to tell its own key from another."""

    @classmethod
    def derived(cls, key: bytes) -> Self:
        """Derive the keys."""
        purposes = (b"chain", b"digest", b"check")
        return cls(*(hmac.digest(key, b"cio-mcp ledger " + purpose, "sha256") for purpose in purposes))


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain: the number of a record, and its mac."""

    seq: int
    mac: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.mac.hex()}"

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Read SEQ:MAC as `str` writes it; raises ValueError."""
        seq, colon, mac = text.strip().partition(":")
        is_hex = len(mac) == MAC_BYTES * 2 and all(digit in string.hexdigits for digit in mac)
        if not (colon and seq.isascii() and seq.isdigit() and is_hex):
            raise ValueError("a head is written as SEQ:MAC, as `cio-mcp audit verify` prints it")
        return cls(int(seq), bytes.fromhex(mac))


GENESIS = Link(0, bytes(MAC_BYTES))


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it is stored: canonical JSON, and its mac."""

    seq: int
    body: str
    mac: bytes


def digest(key: bytes, *parts: str) -> str:
    """Return a keyed digest of texts, each with its length, so that no two lists of texts read alike."""
    spelt = (part.encode("utf-8", "surrogatepass") for part in parts)
    return hmac.digest(key, b"".join(len(part).to_bytes(8, "big") + part for part in spelt), "sha256").hex()


class Flaw(StrEnum):
    """What is wrong with a chain."""

    CHANGED = "changed"
    """A record is not what was written here: edited, or taken from elsewhere."""
    REMOVED = "removed"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    CUT = "cut"
    """Records at the end are gone."""
    REWRITTEN = "rewritten"
    """The chain holds, but it is not the one whose head was noted."""
    FORGOTTEN = "forgotten"
    """The noted head lies before what is kept, so it can no longer be compared."""
    INDEX = "index"
    """The tables that decisions are made from do not say what the records say."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong, at record `seq`."""

    flaw: Flaw
    seq: int
    text: str


class Broken(Exception):
    """The chain does not hold from `fault` on."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verification found: `records` verified after `base`, the last of them at `head`."""

    base: Link
    head: Link
    records: int
    fault: Fault | None = None

    @property
    def held(self) -> int:
        """How many of the records hold: all, or those before the first that is wrong."""
        if self.fault is None:
            return self.records
        return max(0, min(self.records, self.fault.seq - self.base.seq - 1))


def canonical(record: Mapping[str, Any]) -> str:
    """Return a record as JSON that is the same for the same record: ASCII, members sorted, no spaces."""
    return json.dumps(record, ensure_ascii=True, sort_keys=True, allow_nan=False, separators=(",", ":"))


def linked(key: bytes, before: Link, record: Mapping[str, Any]) -> Row:
    """Return a record as it is to be stored after `before`; its `seq` is the next."""
    seq = before.seq + 1
    body = canonical({**record, "seq": seq})
    return Row(seq, body, mac_of(key, before.mac, body))


def mac_of(key: bytes, before: bytes, body: str) -> bytes:
    """Return the mac of a record after another."""
    return hmac.digest(key, before + body.encode("utf-8", "surrogatepass"), "sha256")


def followed(rows: Iterable[Row], key: bytes, base: Link) -> Iterator[tuple[Link, Record]]:
    """Yield every record after `base` once it is verified; raises Broken at the first that is not what was written."""
    before, waiting = base, iter(rows)
    for row in waiting:
        record = read(row.body)
        if not (
            row.seq == before.seq + 1
            and record.get("seq") == row.seq
            and hmac.compare_digest(row.mac, mac_of(key, before.mac, row.body))
        ):
            raise Broken(_diagnosed(record, before.seq + 1, waiting))
        before = Link(row.seq, row.mac)
        yield before, record


def verify(rows: Iterable[Row], key: bytes, *, base: Link = GENESIS, noted: Link | None = None) -> Verdict:
    """Verify records after `base`, and against a head that was noted earlier.

    `base` is a claim: it holds only if the newest checkpoint in the chain states it, or if it is the beginning.
    """
    head, count, stated = base, 0, GENESIS
    fault = _before_base(noted, base)
    try:
        for head, record in followed(rows, key, base):
            count += 1
            if record.get("kind") == CHECKPOINT:
                stated = stated_by(record)
            if fault is None and noted is not None and head.seq == noted.seq and head.mac != noted.mac:
                fault = Fault(Flaw.REWRITTEN, head.seq, f"record {head.seq} is not the one whose mac was noted")
    except Broken as broken:
        return Verdict(base=base, head=head, records=count, fault=broken.fault)
    if stated != base:
        fault = Fault(Flaw.REMOVED, base.seq + 1, f"records up to {base.seq} are gone, and no checkpoint says so")
    elif not count:
        fault = Fault(Flaw.CUT, base.seq + 1, "there is no record at all, not even the one of the beginning")
    elif noted is not None and noted.seq > head.seq:
        fault = Fault(Flaw.CUT, head.seq + 1, f"the chain ends at record {head.seq}, but {noted.seq} was noted")
    return Verdict(base=base, head=head, records=count, fault=fault)


def shown(row: Row) -> Record:
    """Return a record as it can be shown, unverified: what is no record is shown as the text that stands there."""
    record = read(row.body)
    if (
        record.get("seq") == row.seq
        and isinstance(record.get("kind"), str)
        and isinstance(record.get("at"), float | int)
    ):
        return record
    return {"seq": row.seq, "kind": UNREADABLE, "at": 0.0, "text": row.body}


def stated_by(checkpoint: Mapping[str, Any]) -> Link:
    """Return the link up to which a checkpoint says that records were removed."""
    return Link(checkpoint["until"], bytes.fromhex(checkpoint["mac"]))


def _before_base(noted: Link | None, base: Link) -> Fault | None:
    if noted is None or noted.seq > base.seq or noted == base:
        return None
    if noted.seq == base.seq:
        return Fault(Flaw.REWRITTEN, base.seq, f"record {base.seq} is not the one whose mac was noted")
    return Fault(
        Flaw.FORGOTTEN, noted.seq, f"records up to {base.seq} were removed by retention: compare with a newer head"
    )


def read(body: object) -> Record:
    """Return a record from its body; empty if somebody made something else of it."""
    try:
        record = json.loads(body) if isinstance(body, str) else {}
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _diagnosed(record: Record, due: int, later: Iterator[Row]) -> Fault:
    """Say what is wrong with a row that stands where record `due` should; the rest of the rows may be used up."""
    claimed = record.get("seq")
    if not isinstance(claimed, int) or claimed == due:
        text = f"record {due} is not what was written: it was changed, or comes from another ledger"
        return Fault(Flaw.CHANGED, due, text)
    if claimed < due:
        return Fault(Flaw.DUPLICATED, due, f"record {claimed} stands again where record {due} should")
    if any(read(other.body).get("seq") == due for other in later):
        return Fault(Flaw.REORDERED, due, f"record {due} does not stand in its place: record {claimed} does")
    gone = f"record {due} is" if claimed == due + 1 else f"records {due} to {claimed - 1} are"
    return Fault(Flaw.REMOVED, due, f"{gone} gone: record {claimed} follows")
