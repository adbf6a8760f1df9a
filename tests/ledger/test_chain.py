"""The chain shows every record that is not what was written, and says what happened to it."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from cio_mcp.ledger.chain import CHECKPOINT, GENESIS, Flaw, Keys, Link, Row, canonical, linked, mac_of, verify

KEYS = Keys.derived(b"a" * 32)
LENGTH = 24
MUTATIONS = 10_000
SEED = 20_260_728


def chain_of(name: str, length: int = LENGTH, keys: Keys = KEYS) -> list[Row]:
    rows: list[Row] = []
    before = GENESIS
    for number in range(length):
        rows.append(
            linked(keys.chain, before, {"kind": "outcome", "at": 1000.5 + number, "operation": f"{name}{number}"})
        )
        before = Link(rows[-1].seq, rows[-1].mac)
    return rows


def head_of(rows: Sequence[Row]) -> Link:
    return Link(rows[-1].seq, rows[-1].mac)


ROWS = chain_of("a")
OTHER = chain_of("b")  # another ledger under the same key, so that every single mac of it is genuine


def flaw_of(rows: Sequence[Row], noted: Link | None = None) -> Flaw | None:
    fault = verify(rows, KEYS.chain, noted=noted).fault
    return fault.flaw if fault else None


def test_a_chain_that_nobody_touched_holds() -> None:
    verdict = verify(ROWS, KEYS.chain, noted=head_of(ROWS))
    assert (verdict.fault, verdict.records, verdict.head) == (None, LENGTH, head_of(ROWS))


@pytest.mark.parametrize(
    ("rows", "flaw", "seq"),
    [
        ([*ROWS[:4], replace(ROWS[4], body=ROWS[4].body.replace("a4", "a5")), *ROWS[5:]], Flaw.CHANGED, 5),
        ([*ROWS[:4], replace(ROWS[4], mac=bytes(32)), *ROWS[5:]], Flaw.CHANGED, 5),
        ([*ROWS[:4], replace(ROWS[4], body="{"), *ROWS[5:]], Flaw.CHANGED, 5),
        ([*ROWS[:4], replace(ROWS[4], body="[" * 100_000), *ROWS[5:]], Flaw.CHANGED, 5),
        ([*ROWS[:4], *ROWS[5:]], Flaw.REMOVED, 5),
        (ROWS[2:], Flaw.REMOVED, 1),
        ([*ROWS[:4], ROWS[5], ROWS[4], *ROWS[6:]], Flaw.REORDERED, 5),
        ([*ROWS[:4], ROWS[3], *ROWS[4:]], Flaw.DUPLICATED, 5),
        ([*ROWS[:4], *OTHER[4:]], Flaw.CHANGED, 5),
        ([], Flaw.CUT, 1),
    ],
    ids=["body", "mac", "no JSON", "deep JSON", "removed", "beginning", "swapped", "twice", "spliced", "emptied"],
)
def test_the_first_fault_is_named_with_its_record(rows: list[Row], flaw: Flaw, seq: int) -> None:
    fault = verify(rows, KEYS.chain).fault
    assert fault is not None
    assert (fault.flaw, fault.seq) == (flaw, seq)


def test_rows_that_were_numbered_anew_are_no_chain() -> None:
    without = [*ROWS[:4], *ROWS[5:]]
    renumbered = [replace(row, seq=number) for number, row in enumerate(without, 1)]
    assert flaw_of(renumbered) is Flaw.REMOVED


def test_a_cut_tail_shows_only_beside_a_head_that_was_noted() -> None:
    assert flaw_of(ROWS[:-3]) is None
    assert flaw_of(ROWS[:-3], noted=head_of(ROWS)) is Flaw.CUT


def test_a_chain_written_anew_with_the_key_shows_only_beside_a_head_that_was_noted() -> None:
    assert flaw_of(OTHER) is None
    assert flaw_of(OTHER, noted=head_of(ROWS)) is Flaw.REWRITTEN


def test_another_key_makes_no_chain() -> None:
    foreign = chain_of("a", keys=Keys.derived(b"b" * 32))
    assert flaw_of(foreign) is Flaw.CHANGED


def pruned(until: int) -> list[Row]:
    """Return the chain with its beginning removed as retention does it."""
    base = ROWS[until - 1]
    said = {"kind": CHECKPOINT, "until": base.seq, "mac": base.mac.hex(), "at": 1.0}
    return [*ROWS[until:], linked(KEYS.chain, head_of(ROWS), said)]


def test_a_beginning_that_was_removed_on_purpose_is_no_fault() -> None:
    verdict = verify(pruned(6), KEYS.chain, base=head_of(ROWS[:6]))
    assert (verdict.fault, verdict.records) == (None, LENGTH - 6 + 1)


@pytest.mark.parametrize("more", [1, 5])
def test_a_beginning_that_no_checkpoint_states_is_found(more: int) -> None:
    rows = pruned(6)
    fault = verify(rows[more:], KEYS.chain, base=head_of(ROWS[: 6 + more])).fault
    assert fault is not None
    assert fault.flaw is Flaw.REMOVED
    assert flaw_of(rows) is Flaw.REMOVED


def test_a_forged_checkpoint_is_found() -> None:
    base = ROWS[8]
    said = {"kind": CHECKPOINT, "until": base.seq, "mac": base.mac.hex(), "at": 1.0}
    forged = linked(Keys.derived(b"c" * 32).chain, head_of(ROWS), said)
    fault = verify([*ROWS[9:], forged], KEYS.chain, base=Link(base.seq, base.mac)).fault
    assert fault is not None
    assert fault.flaw is Flaw.CHANGED


@pytest.mark.parametrize(
    ("noted", "flaw"),
    [
        (head_of(ROWS[:6]), None),
        (Link(6, bytes(32)), Flaw.REWRITTEN),
        (head_of(ROWS[:5]), Flaw.FORGOTTEN),
        (head_of(ROWS[:7]), None),
        (Link(7, bytes(32)), Flaw.REWRITTEN),
    ],
)
def test_a_noted_head_is_compared_as_far_as_records_are_kept(noted: Link, flaw: Flaw | None) -> None:
    fault = verify(pruned(6), KEYS.chain, base=head_of(ROWS[:6]), noted=noted).fault
    assert (fault.flaw if fault else None) is flaw


Mutation = Callable[[random.Random], list[Row]]


def flipped(dice: random.Random) -> list[Row]:
    rows = list(ROWS)
    at = dice.randrange(LENGTH)
    if dice.random() < 0.5:
        body = bytearray(rows[at].body.encode())
        body[dice.randrange(len(body))] ^= 1 << dice.randrange(7)  # the text stays ASCII, which a body is
        rows[at] = replace(rows[at], body=body.decode())
    else:
        mac = bytearray(rows[at].mac)
        mac[dice.randrange(len(mac))] ^= 1 << dice.randrange(8)
        rows[at] = replace(rows[at], mac=bytes(mac))
    return rows


def deleted(dice: random.Random) -> list[Row]:
    at = dice.randrange(LENGTH - 1)  # what is cut at the end is a mutation of its own
    return ROWS[:at] + ROWS[dice.randrange(at + 1, LENGTH) :]


def reordered(dice: random.Random) -> list[Row]:
    rows = list(ROWS)
    first, second = dice.sample(range(LENGTH), 2)
    rows[first], rows[second] = rows[second], rows[first]
    return renumbered_or_not(rows, dice)


def duplicated(dice: random.Random) -> list[Row]:
    rows = list(ROWS)
    rows.insert(dice.randrange(LENGTH + 1), dice.choice(ROWS))
    return renumbered_or_not(rows, dice)


def spliced(dice: random.Random) -> list[Row]:
    at = dice.randrange(LENGTH)
    back = dice.randrange(at + 1, LENGTH + (at > 0))  # a whole other ledger in its place is no splice
    return ROWS[:at] + OTHER[at:back] + ROWS[back:]


def truncated(dice: random.Random) -> list[Row]:
    return ROWS[: dice.randrange(LENGTH)]


def renumbered_or_not(rows: list[Row], dice: random.Random) -> list[Row]:
    return [replace(row, seq=number) for number, row in enumerate(rows, 1)] if dice.random() < 0.5 else rows


def test_ten_thousand_mutations_are_all_found() -> None:
    dice = random.Random(SEED)  # noqa: S311 - a test that can be run again
    kinds: tuple[Mutation, ...] = (flipped, deleted, reordered, duplicated, spliced, truncated)
    for number in range(MUTATIONS):
        kind = kinds[number % len(kinds)]
        rows = kind(dice)
        noted = head_of(ROWS) if kind is truncated else None
        assert rows != ROWS, kind.__name__
        assert flaw_of(rows, noted), f"{kind.__name__}, mutation {number} of seed {SEED}"


def test_a_record_is_written_the_same_way_whatever_the_order_of_its_members() -> None:
    assert canonical({"b": 1, "a": {"d": "é", "c": 2}}) == '{"a":{"c":2,"d":"\\u00e9"},"b":1}'
    with pytest.raises(ValueError, match="Out of range"):
        canonical({"a": float("nan")})


def test_the_mac_is_that_of_the_record_and_the_one_before() -> None:
    assert ROWS[1].mac == mac_of(KEYS.chain, ROWS[0].mac, ROWS[1].body)
    assert json.loads(ROWS[1].body)["seq"] == 2


@pytest.mark.parametrize("text", ["", "1", "1:", "x:" + "0" * 64, "1:" + "0" * 63, "1:" + "g" * 64, "-1:" + "0" * 64])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"SEQ:MAC|hexadecimal"):
        Link.parsed(text)


def test_a_head_is_read_as_it_is_written() -> None:
    assert Link.parsed(f" {head_of(ROWS)}\n") == head_of(ROWS)


def test_keys_do_not_show_themselves_and_differ_by_purpose() -> None:
    assert repr(KEYS) == "Keys()"
    assert len({KEYS.chain, KEYS.digest, KEYS.check}) == 3
