"""What a process remembers of its calls: enough to look for them, never without bound."""

from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.params import Params
from cio_mcp.recollection import Recollection

SEGMENT = CATALOG["create_segment"]


def named(name: str) -> Params:
    """Return the arguments of a call."""
    return SEGMENT.params.model_validate({"name": name})


def test_arguments_are_kept_until_they_are_forgotten() -> None:
    kept = Recollection()
    assert kept.recall("1") is None
    kept.keep("1", SEGMENT, named("a"))
    assert kept.recall("1") == named("a")
    kept.forget("1")
    kept.forget("1")
    assert kept.recall("1") is None


def test_the_oldest_make_room_for_new_ones() -> None:
    kept = Recollection(calls=2)
    for number in "123":
        kept.keep(number, SEGMENT, named(number))
    assert [kept.recall(number) is not None for number in "123"] == [False, True, True]


def test_what_they_hold_is_bounded_in_bytes_too() -> None:
    kept = Recollection(size=250)
    for number in "123":
        kept.keep(number, SEGMENT, named(number * 90))  # about 100 bytes each
    assert [kept.recall(number) is not None for number in "123"] == [False, True, True]
    kept.forget("2")
    kept.keep("4", SEGMENT, named("4" * 90))
    assert [kept.recall(number) is not None for number in "34"] == [True, True]


def test_what_is_too_large_drives_nothing_else_out() -> None:
    kept = Recollection(size=250)
    kept.keep("1", SEGMENT, named("a"))
    kept.keep("2", SEGMENT, named("b" * 300))
    assert (kept.recall("1"), kept.recall("2")) == (named("a"), None)


def test_a_call_kept_again_counts_once() -> None:
    kept = Recollection(size=250)
    for _ in range(9):
        kept.keep("1", SEGMENT, named("a" * 90))
    kept.keep("2", SEGMENT, named("b" * 90))
    assert kept.recall("1") is not None
