"""Results are bounded, and what was cut is said."""

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cio_mcp.shaping import BYTES_PER_TOKEN, NOTE, Paging, bounded, compact, size, skip
from tests.conftest import Connect
from tests.recording import Recorder, Reply

LEAST = 1000  # tokens, the smallest that may be set
BUDGET = int(LEAST * BYTES_PER_TOKEN)
NOWHERE = Paging()
BY_LIMIT = Paging(by_limit=True)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(texts, inner, max_size=30),
    max_leaves=50,
)
answers = st.dictionaries(texts, values | st.lists(values).map(lambda items: items * 40), max_size=12)


@given(answers, st.integers(LEAST, 3000), st.builds(Paging, by_limit=st.booleans(), by_offset=st.booleans()))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_whatever_comes_is_bounded_json_and_says_when_it_was_cut(
    data: dict[str, Any], tokens: int, paging: Paging
) -> None:
    data.pop(NOTE, None)
    before = copy.deepcopy(data)
    shaped = bounded(data, tokens=tokens, paging=paging)
    assert data == before
    assert size(shaped) <= tokens * BYTES_PER_TOKEN
    assert json.loads(compact(shaped)) == shaped
    fits = size(data) <= tokens * BYTES_PER_TOKEN
    assert (shaped is data) is fits
    assert (NOTE in shaped) is not fits
    if not fits:
        assert shaped[NOTE]["rest"]


def people(count: int) -> list[dict[str, str]]:
    return [{"id": f"person-{number}", "email": f"person{number}@example.com"} for number in range(count)]


def test_a_list_loses_whole_items_at_its_end_and_the_note_counts_them() -> None:
    shaped = bounded({"identifiers": people(100), "next": "abc"}, tokens=LEAST, paging=BY_LIMIT)
    kept = len(shaped["identifiers"])
    assert 1 < kept < 100
    assert shaped["identifiers"] == people(kept)
    assert shaped[NOTE] == {
        "lists": {"identifiers": f"{kept} of 100"},
        "why": "over 1,000 tokens",
        "rest": f"Call again with limit {kept} and the same start, then follow next.",
    }


def test_the_cursor_goes_with_what_it_would_skip_and_stays_otherwise() -> None:
    assert "next" not in bounded({"identifiers": people(100), "next": "abc"}, tokens=LEAST, paging=BY_LIMIT)
    assert bounded({"text": "x" * 5000, "next": "abc"}, tokens=LEAST, paging=BY_LIMIT)["next"] == "abc"
    one = bounded({"messages": [{"id": "m", "body": "x" * 5000}], "next": "abc"}, tokens=LEAST, paging=BY_LIMIT)
    assert one["next"] == "abc"
    assert one["messages"][0]["id"] == "m"


def test_as_much_is_kept_as_fits() -> None:
    shaped = bounded({"identifiers": people(100)}, tokens=LEAST, paging=BY_LIMIT)
    assert size(shaped) > BUDGET - 600


def test_of_two_lists_side_by_side_the_shorter_remainder_decides() -> None:
    data = {"identifiers": people(200), "ids": [f"person-{number}" for number in range(200)]}
    shaped = bounded(data, tokens=LEAST, paging=BY_LIMIT)
    least = min(len(shaped["identifiers"]), len(shaped["ids"]))
    assert f"limit {least} " in shaped[NOTE]["rest"]


def test_an_offset_goes_on_from_the_one_that_was_given() -> None:
    shaped = bounded({"rows": people(100)}, tokens=LEAST, paging=Paging(by_offset=True, offset=40))
    assert shaped[NOTE]["rest"] == f"Call again with offset {40 + len(shaped['rows'])}."


def test_without_paging_the_way_out_is_told() -> None:
    assert "CIO_MCP_RESULT_TOKENS" in bounded({"rows": people(100)}, tokens=LEAST, paging=NOWHERE)[NOTE]["rest"]


def test_a_single_huge_text_is_shortened_and_says_by_how_much() -> None:
    shaped = bounded({"body": "é" * 1_000_000, "id": 7}, tokens=LEAST, paging=NOWHERE)
    kept, cut = re.fullmatch(r"(é+)…\(([\d,]+) characters cut\)", shaped["body"]).groups()  # type: ignore[union-attr]
    assert len(kept) + int(cut.replace(",", "")) == 1_000_000
    assert shaped["id"] == 7
    assert shaped[NOTE]["rest"] == "Long texts or members were shortened, which no paging brings back."


def test_many_long_texts_share_the_room_evenly_and_their_marks_do_not_break_the_bound() -> None:
    shaped = bounded({f"text-{n}": "x" * 1000 for n in range(40)}, tokens=14_000, paging=NOWHERE)
    assert size(shaped) <= 14_000 * BYTES_PER_TOKEN
    lengths = {len(member) for name, member in shaped.items() if name != NOTE}
    assert (len(shaped), max(lengths) - min(lengths) < 100) == (41, True)


@pytest.mark.parametrize("member", ["x" * 100, 1, {"a": "x" * 90}], ids=["texts", "numbers", "objects"])
def test_a_huge_object_keeps_some_members_whole(member: Any) -> None:
    shaped = bounded({"attributes": {f"name-{n}": member for n in range(10_000)}}, tokens=LEAST, paging=NOWHERE)
    whole = [kept for kept in shaped["attributes"].values() if kept == member]
    assert len(whole) >= 4
    assert len(shaped["attributes"]) - len(whole) <= 1


def test_a_list_deep_inside_is_cut_where_it_is_and_named_by_its_path() -> None:
    data = {"customer": {"id": "ada-1", "data": [{"devices": people(300)}]}, "next": "abc"}
    shaped = bounded(data, tokens=LEAST, paging=BY_LIMIT)
    devices = shaped["customer"]["data"][0]["devices"]
    assert devices == people(len(devices))
    assert 1 < len(devices) < 300
    assert shaped[NOTE]["lists"] == {"customer.data[0].devices": f"{len(devices)} of 300"}
    assert "limit" not in shaped[NOTE]["rest"]
    assert (shaped["customer"]["id"], shaped["next"]) == ("ada-1", "abc")


def test_many_cut_lists_are_counted_and_not_all_named() -> None:
    shaped = bounded({f"list-{n}" * 9: people(100) for n in range(3)}, tokens=2000, paging=NOWHERE)
    assert len(shaped[NOTE]["lists"]) == 3
    shaped = bounded({f"list-{n}": people(100) for n in range(8)}, tokens=5000, paging=NOWHERE)
    assert (len(shaped[NOTE]["lists"]), shaped[NOTE]["more_lists"]) == (3, 5)


@pytest.mark.parametrize("data", [{}, {"rows": []}, {"a": {}}, {"text": ""}])
def test_what_is_empty_stays_as_it_is(data: dict[str, Any]) -> None:
    assert bounded(data, tokens=LEAST, paging=BY_LIMIT) is data


def test_the_limit_itself_still_fits() -> None:
    data = {"text": "x" * (BUDGET - size({"text": ""}))}
    assert size(data) == BUDGET
    assert bounded(data, tokens=LEAST, paging=NOWHERE) is data
    data["text"] += "x"
    assert NOTE in bounded(data, tokens=LEAST, paging=NOWHERE)


def test_a_number_of_thousands_of_digits_is_left_out() -> None:
    shaped = bounded({"n": 10**3000, "id": 1}, tokens=LEAST, paging=NOWHERE)
    assert shaped.keys() == {"id", NOTE}


def test_skipping_drops_the_first_items_and_nothing_else() -> None:
    assert skip({"rows": [1, 2, 3], "name": "x"}, 2) == {"rows": [3], "name": "x"}
    assert skip({"rows": [1]}, 9) == {"rows": []}


@pytest.mark.anyio
async def test_the_bound_is_25_000_tokens_until_it_is_set(connected: Connect, recorder: Recorder) -> None:
    recorder.default = Reply(body=json.dumps({"segments": people(5000)}).encode())
    async with connected() as client:
        data = (await client.call_tool("list_segments", {})).structured_content or {}
    assert 36_000 < size(data) <= 25_000 * BYTES_PER_TOKEN
    assert data[NOTE]["why"] == "over 25,000 tokens"


@pytest.mark.anyio
async def test_errors_are_bounded_too(connected: Connect, recorder: Recorder) -> None:
    rows = [{"batch_index": number, "reason": "invalid", "field": "name", "message": "bad"} for number in range(5000)]
    recorder.default = Reply(status=207, body=json.dumps({"errors": rows}).encode())
    person = {"type": "person", "action": "identify", "identifiers": {"id": "ada-1"}, "attributes": {"plan": "pro"}}
    async with connected(CIO_MCP_RESULT_TOKENS="1000") as client:
        result = await client.call_tool("apply_batch", {"batch": [person]})
    data = result.structured_content or {}
    assert size(data) <= 1000 * BYTES_PER_TOKEN
    assert (result.is_error, data["error"]["code"]) == (True, "partly_rejected")
    kept = data["error"]["rejected"]
    assert kept == rows[: len(kept)]
    assert data[NOTE]["lists"] == {"error.rejected": f"{len(kept)} of 5000"}
    assert "look each up" in data[NOTE]["rest"]
