"""What no table thought of: any text, any JSON, any bytes."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cio_mcp.catalog import CATALOG
from tests.hostile.calls import minimal, properties
from tests.hostile.driver import Driver, faults, refusal_faults
from tests.hostile.slots import SLOTS, Kind, Slot
from tests.hostile.test_hostile_identifiers import sent_faults, sent_with_marker
from tests.recording import Reply

several_seconds = settings(max_examples=300, deadline=None)

TEXT_SLOTS = [slot for slot in SLOTS if slot.kind in (Kind.SEGMENT, Kind.TRACK_PERSON, Kind.TEXT)]
# Denser in what is dangerous than all of Unicode.
DANGEROUS = st.text(
    st.sampled_from("./\\%2eEfF5cC0 ?#@&=+:;{}~a\u00e9\u2028\ufeff\uff0e\N{GRINNING FACE}"), max_size=12
)
PRINTABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@several_seconds
@given(slot=st.sampled_from(TEXT_SLOTS), value=st.one_of(DANGEROUS, PRINTABLE))
def test_any_text_names_one_thing_or_is_refused(driver: Driver, slot: Slot, value: str) -> None:
    ended = driver.call(slot.tool, slot.arguments(value))
    if ended.is_error:
        assert not refusal_faults(ended, slot.name, None)
    else:
        like = sent_with_marker(driver, slot, None)
        assert not sent_faults(slot, value, ended, like, slot.marker(None))


NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.just(10**400))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, PRINTABLE, DANGEROUS)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(PRINTABLE, inner, max_size=4)),
    max_leaves=12,
)
AS_TEXT = JSON.map(json.dumps)
# Close enough to what is right to come past the first check.
NEARLY = st.sampled_from(
    [
        {"id": ""}, {"email": "@"}, {"phone": "+1"}, {"segment": {"id": "7"}}, {"and": [{"segment": {"id": 7}}]},
        {"attribute": {"field": "a", "operator": "eq", "value": None}}, [{"identifiers": {}}], [{"id": 1, "data": 1}],
        {"token": "..", "platform": "ios"}, {"action": "add_relationships", "relationships": [{}]}, {"ios": {}, "x": 1},
        "2026-01-31", "0", 0, [None], "a@b,c@d", '"a" <b@c>', "https://example.com:0", "https://[", "+15551234567",
        [{"type": "person"}], [{"type": [], "action": {}}], "delete", "object", "merge",
    ]
)  # fmt: skip


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw a tool and arguments: valid ones, of which some are replaced, left out or added."""
    tool = draw(st.sampled_from(list(CATALOG)))
    names = [*properties(CATALOG[tool]), draw(PRINTABLE)]
    changed = draw(st.dictionaries(st.sampled_from(names), st.one_of(JSON, AS_TEXT, NEARLY), max_size=4))
    left_out = draw(st.sets(st.sampled_from(names), max_size=1))
    return tool, {name: value for name, value in {**minimal(tool), **changed}.items() if name not in left_out}


@settings(several_seconds, max_examples=600)
@given(call=calls())
def test_any_arguments_are_sent_once_or_refused(driver: Driver, call: tuple[str, dict[str, Any]]) -> None:
    ended = driver.call(*call)
    if ended.is_error:
        assert not refusal_faults(ended, "", None)
        assert ended.message.isprintable()
    else:
        assert not faults(ended)
        [request] = ended.requests
        assert request.raw_path.isascii()
        assert request.raw_path.count("/") == CATALOG[call[0]].path.count("/")


BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.text(st.characters(), max_size=40).map(lambda text: json.dumps({"errors": [text], text: text}).encode()),
    st.tuples(JSON, st.binary(max_size=3)).map(lambda parts: json.dumps(parts[0]).encode()[:-1] + parts[1]),
)
# What a call ends with: 429, 408 and 5xx lead to other attempts, which `tests/faults` is about.
STATUSES = st.sampled_from([200, 201, 202, 203, 207, 300, 304, 400, 401, 404, 409, 413, 422, 451])
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "content-encoding", "retry-after", "location", "set-cookie", "x-request-id"]),
    st.one_of(st.sampled_from(["application/json", "gzip", "deflate", "identity", "br", "", "-1"]), st.just("a" * 900)),
)


@settings(several_seconds, max_examples=600)
@given(tool=st.sampled_from(list(CATALOG)), body=BODIES, status=STATUSES, headers=HEADERS)
def test_any_answer_becomes_a_result_or_an_error_with_a_code(
    driver: Driver, tool: str, body: bytes, status: int, headers: dict[str, str]
) -> None:
    # A server may not send a body with this status, and the client would not read it.
    ended = driver.call(tool, minimal(tool), Reply(status=status, body=b"" if status == 304 else body, headers=headers))
    assert not faults(ended)
    assert len(ended.requests) == 1
