"""Reading a ledger without changing it: what the audit commands ask."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from cio_mcp.ledger import chain, spending
from cio_mcp.ledger.chain import Fault, Flaw, Keys, Link, Record, Verdict
from cio_mcp.ledger.entries import CARRIED, ENDS, INTENT, base, filed, rows, stored
from cio_mcp.ledger.pen import Connection

SEARCHED = 2_000
"""Records: who asks for the last calls of one agent does not have all of them read."""
# What the table repeats of an intent, and what a record means that does not say it.
_INDEXED = {"principal": "local", "workspace": "", "fingerprint": "", "recipients": 0, "tick": None}


def records(connection: Connection, after: int = 0, limit: int | None = None) -> Iterator[Record]:
    """Yield the records after a number, unverified."""
    for count, row in enumerate(rows(connection, after)):
        if limit is not None and count >= limit:
            return
        yield chain.shown(row)


def of_principal(connection: Connection, principal: str, limit: int, until: int) -> list[Record]:
    """Return the newest records of one principal among the last `SEARCHED` up to a number, the newest first."""
    found = [each for each in records(connection, max(0, until - SEARCHED)) if each.get("principal") == principal]
    return found[: -limit - 1 : -1]


def mentioning(connection: Connection, marks: Sequence[str], operation: str) -> Iterator[Record]:
    """Yield the records in which one of these texts stands, and those of an operation, unverified."""
    values = (*(f"%{mark}%" for mark in marks), operation)  # in a mark nothing stands for other characters
    named = " OR ".join(["body LIKE ?"] * len(marks))
    asked = f"SELECT seq, body, mac FROM records WHERE {named} OR operation = ? ORDER BY seq"  # noqa: S608 - constants only
    with closing(connection.execute(asked, values)) as found:
        yield from (chain.shown(stored(*row)) for row in found)


def of_operation(connection: Connection, operation: str) -> Iterator[Record]:
    """Yield the records of an operation, unverified."""
    asked = "SELECT seq, body, mac FROM records WHERE operation = ? ORDER BY seq"
    with closing(connection.execute(asked, (operation,))) as found:
        yield from (chain.shown(stored(*row)) for row in found)


def verify(connection: Connection, keys: Keys, noted: Link | None = None) -> Verdict:
    """Verify the chain, and that the tables decisions are made from say what the records say."""
    verdict = chain.verify(rows(connection), keys.chain, base=base(connection), noted=noted)
    if verdict.fault:
        return verdict
    return replace(verdict, fault=_Index(connection, verdict).fault())


def _number(stored: object) -> int:
    """Return a number of the table; SQLite would keep something else in its place too."""
    return stored if isinstance(stored, int) else 0


@dataclass(frozen=True, slots=True)
class _Index:
    """The table of operations beside a verified chain."""

    connection: Connection
    verdict: Verdict

    def fault(self) -> Fault | None:
        """Return the first record that the tables contradict."""
        begun = ended = 0
        for row, operation in filed(self.connection):
            record = chain.read(row.body)
            if operation != record.get("operation"):
                return Fault(Flaw.INDEX, row.seq, f"record {row.seq} is kept under another operation than its own")
            if record["kind"] in (INTENT, CARRIED, *ENDS):
                told = self._told(record)
                if told is None:
                    return Fault(
                        Flaw.INDEX, row.seq, f"operation {record['operation']} is not kept as record {row.seq} says"
                    )
                begun, ended = begun + told[0], ended + told[1]
        return self._strangers(begun, ended)

    def _told(self, record: Record) -> tuple[bool, bool] | None:
        """Say whether a record is the one that the table names for beginning or end; None if they contradict."""
        seq, begins, ends = record["seq"], record["kind"] in (INTENT, CARRIED), "ending" in record
        row = self._row(record["operation"])
        if row is None:
            # It ended at once, or its intent was removed when its time had come.
            return None if begins or record.get("intent", 0) > self.verdict.base.seq else (False, False)
        if (begins and _number(row["intent_seq"]) < seq) or (ends and _number(row["outcome_seq"]) < seq):
            return None
        is_intent, is_outcome = begins and row["intent_seq"] == seq, ends and row["outcome_seq"] == seq
        if is_intent and any(row[name] != record.get(name, absent) for name, absent in _INDEXED.items()):
            return None
        if is_outcome and row["ending"] != record["ending"]:
            return None
        return is_intent, is_outcome

    def _row(self, operation: str) -> Record | None:
        found = self.connection.execute("SELECT * FROM operations WHERE operation = ?", (operation,))
        values = found.fetchone()
        names = [column[0] for column in found.description]
        return dict(zip(names, values, strict=True)) if values else None

    def _strangers(self, begun: int, ended: int) -> Fault | None:
        """Return a fault if the table holds beginnings or ends that no record tells of, as after a cut tail."""
        (rows_held, ends, unlike) = self.connection.execute(
            "SELECT COUNT(*), COUNT(outcome_seq), "
            "COUNT(CASE WHEN (ending IS NULL) <> (outcome_seq IS NULL) THEN 1 END) FROM operations"
        ).fetchone()
        if (rows_held, ends, unlike) == (begun, ended, 0):
            return self._totals()
        text = "operations are kept that no record tells of: the end of the chain was cut, or the table changed"
        return Fault(Flaw.INDEX, self.verdict.head.seq + 1, text)

    def _totals(self) -> Fault | None:
        if spending.is_true(self.connection):
            return None
        text = "the totals of what was sent are not those of the records: the table was changed"
        return Fault(Flaw.INDEX, self.verdict.head.seq + 1, text)
