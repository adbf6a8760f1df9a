"""Of arguments, nothing that could be somebody's is recorded in clear, and who is meant can be looked for."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.ledger import redaction
from cio_mcp.ledger.chain import Keys, digest
from cio_mcp.ledger.redaction import SHOWN, marked, redacted
from tests.faults.arguments import ARGUMENTS

KEYS = Keys.derived(b"a" * 32)
ADA, BOB = "ada@example.com", "bob@example.org"


def keyed(*parts: str) -> str:
    return digest(KEYS.digest, *parts)


def mark(identifier: str) -> str:
    return marked(identifier, keyed)


def shown(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return redacted(CATALOG[tool].params.model_validate(arguments), keyed)


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "identify_person",
        {"identifier": ADA, "email": BOB, "attributes": {"plan": ADA, "phone": "+15550100001"}, "unsubscribed": True},
        {
            "identifier": mark(ADA),
            "email": mark(BOB),
            "attributes": {"phone": mark("+15550100001"), "others": "<1 member>"},
            "unsubscribed": True,
        },
    ),
    ("list_segment_people", {"segment_id": 7, "start": ADA}, {"segment_id": 7, "start": "<15 characters>"}),
    ("get_person_attributes", {"customer_id": ADA, "id_type": "email"}, {"customer_id": mark(ADA), "id_type": "email"}),
    ("add_people_to_segment", {"segment_id": 7, "ids": ["a", 5]}, {"segment_id": 7, "ids": [mark("a"), mark("5")]}),
    (
        "send_email",
        {
            "transactional_message_id": 1,
            "to": f"Ada <{ADA}>, {BOB}",
            "bcc": BOB,
            "from": ADA,
            "subject": ADA,
            "identifiers": {"email": ADA},
            "message_data": {"note": ADA, "deep": {"email": ADA}},
        },
        {
            "transactional_message_id": 1,
            "to": [mark(ADA), mark(BOB)],
            "bcc": mark(BOB),
            "from": mark(ADA),
            "subject": "<15 characters>",
            "identifiers": {"email": mark(ADA)},
            "message_data": "<2 members>",
        },
    ),
    (
        "apply_entity",
        {"type": "person", "action": "delete", "identifiers": {"phone": "+15550100001"}},
        {"type": "person", "action": "delete", "identifiers": {"phone": mark("+15550100001")}},
    ),
    (
        "apply_batch",
        {"batch": [{"type": "person", "action": "identify", "identifiers": {"id": "a"}, "attributes": {"x": ADA}}]},
        {
            "batch": [
                {"type": "person", "action": "identify", "identifiers": {"id": mark("a")}, "others": "<1 member>"},
            ]
        },
    ),
    ("merge_people", {"primary": {"id": "a"}, "secondary": {"email": BOB}},
     {"primary": {"id": mark("a")}, "secondary": {"email": mark(BOB)}}),
    (
        "trigger_broadcast",
        {"broadcast_id": 3, "per_user_data": [{"email": ADA, "data": {"x": BOB}}]},
        {"broadcast_id": 3, "per_user_data": [{"email": mark(ADA), "others": "<1 member>"}]},
    ),
    ("submit_form", {"form_id": "contact", "data": {"email": ADA, "name": "Ada"}},
     {"form_id": "<7 characters>", "data": {"email": mark(ADA), "others": "<1 member>"}}),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "arguments", "expected"), CASES, ids=[case[0] for case in CASES])
def test_who_is_meant_is_digested_and_of_the_rest_the_size_is_told(
    tool: str, arguments: dict[str, Any], expected: dict[str, Any]
) -> None:
    told = shown(tool, arguments)
    assert {name: told[name] for name in expected} == expected


def test_a_long_list_is_recorded_by_its_beginning_and_its_length() -> None:
    told = shown("trigger_broadcast", {"broadcast_id": 3, "emails": [f"p{n}@example.com" for n in range(SHOWN + 7)]})
    assert told["emails"] == [*(mark(f"p{n}@example.com") for n in range(SHOWN)), "<7 more>"]


@pytest.mark.parametrize("is_newer", [False, True], ids=["as this Python reads it", "as a newer one reads it"])
def test_an_address_beside_a_name_that_no_standard_knows_is_recorded(
    monkeypatch: pytest.MonkeyPatch, *, is_newer: bool
) -> None:
    if is_newer:
        monkeypatch.setattr(redaction, "getaddresses", lambda _texts: [("", "")])
    told = shown("send_email", {"transactional_message_id": 1, "to": f"Ada [VIP] <{ADA}>", "identifiers": {"id": "1"}})
    assert mark(ADA) in ([told["to"]] if isinstance(told["to"], str) else told["to"])


def test_whom_a_filter_names_by_an_identifier_is_recorded_and_nothing_else_of_it() -> None:
    by_email = {"attribute": {"field": "email", "operator": "eq", "value": ADA}}
    by_phone = {"attribute": {"field": "phone", "operator": "eq", "value": 15550100001}}
    by_plan = {"attribute": {"field": "plan", "operator": "eq", "value": "trial"}}
    named = {"attribute": {"value": mark(ADA), "others": "<2 members>"}}
    deep = {"and": [{"or": [{"not": by_email}, {"segment": {"id": 3}}]}, by_plan]}
    assert shown("search_people", {"filter": deep}) == {
        "filter": {
            "and": [{"or": [{"not": named}, "<1 member>"]}, {"attribute": "<3 members>"}],
        }
    }
    recipients = shown("trigger_broadcast", {"broadcast_id": 1, "recipients": by_phone})["recipients"]
    assert recipients == {"attribute": {"value": mark("15550100001"), "others": "<2 members>"}}
    hostile = {"attributes": {"field": ["email"], "value": ADA}, "identifier": ADA}
    assert shown("identify_person", hostile)["attributes"] == "<2 members>"


def test_an_identifier_is_the_same_however_it_is_written_and_differs_by_key() -> None:
    assert len({mark(text) for text in (ADA, ADA.upper(), f" {ADA} ")}) == 1
    assert mark("cio_A3000001") == mark("a3000001")
    assert mark(f"cio_{ADA}") != mark(ADA), "an address is no cio_id, whatever it begins with"
    other = Keys.derived(b"b" * 32)
    assert marked(ADA, lambda *parts: digest(other.digest, *parts)) != mark(ADA)


CANARY = "Canary7"


def poisoned(value: Any, name: str) -> Iterator[Any]:
    """Yield copies of arguments in which one text, or the name of one member, is replaced by what must not be seen."""
    match value:
        case str():
            yield from (f"{CANARY}-{name}@example.com", f"+1555{len(name):07}", f"{CANARY} {name}")
        case dict():
            yield {**value, CANARY: CANARY}
            for key, member in value.items():
                yield from ({**value, key: changed} for changed in poisoned(member, str(key)))
        case list():
            yield [*value, CANARY]
            yield [CANARY]
            for at, item in enumerate(value):
                yield from ([*value[:at], changed, *value[at + 1 :]] for changed in poisoned(item, name))
        case int():
            yield CANARY


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("tool", sorted(CATALOG))
def test_no_text_of_any_argument_of_any_tool_stands_in_clear(tool: str) -> None:
    params = CATALOG[tool].params
    for name, info in params.model_fields.items():
        if (alias := info.alias or name) in params.choices:
            continue
        for value in (CANARY, [CANARY], {CANARY: CANARY}, {"id": CANARY, "email": CANARY, "action": CANARY},
                      [{"type": CANARY, "identifiers": {"email": CANARY}, "attributes": {"a": CANARY}}]):  # fmt: skip
            told = redacted(params.model_construct(None, **{alias: value}), keyed)  # what no validation has looked at
            assert (info.serialization_alias or name) in told
            assert CANARY not in json.dumps(told), (alias, value)


@pytest.mark.parametrize("tool", sorted(ARGUMENTS))
def test_what_a_tool_takes_in_earnest_shows_no_text_but_choices(tool: str) -> None:
    params = CATALOG[tool].params
    for arguments in (ARGUMENTS[tool], *poisoned(ARGUMENTS[tool], tool)):
        try:
            checked = params.model_validate(arguments)
        except ValueError:
            continue
        told = redacted(checked, keyed)
        clear = {text for name, value in told.items() if name not in params.choices for text in texts(value)}
        harmless = {text for text in clear if text.startswith(("hmac:", "<"))}
        assert clear - harmless <= {"person", "object", "delivery", "identify", "event", "delete", "converted"}
        assert CANARY not in json.dumps(told)


def texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for member in value.values():
                yield from texts(member)
        case list():
            for item in value:
                yield from texts(item)
