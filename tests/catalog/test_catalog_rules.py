import base64
import json
from typing import Any

import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.emails import ATTACHMENT_BYTES, RESERVED_HEADERS
from cio_mcp.catalog.webhooks import EVENTS
from tests.catalog.refusals import EMAIL, SEGMENT, TEMPLATED, accepted, refusal
from tests.catalog.refused import FINE, HELLO, REFUSED, addresses

SENDS = [("send_email", EMAIL), ("send_push", TEMPLATED), ("send_sms", TEMPLATED), ("send_in_app", TEMPLATED)]
LOOKUPS = [name for name, endpoint in CATALOG.items() if "customer_id" in endpoint.in_path]


def sent(tool: str, given: dict[str, Any]) -> dict[str, Any]:
    return accepted(tool, given).model_dump(exclude_none=True)


@pytest.mark.parametrize("tool", FINE)
def test_what_the_refusals_start_from_is_taken(tool: str) -> None:
    accepted(tool, FINE[tool])


@pytest.mark.parametrize(
    ("tool", "changes", "place", "remedy"), [(tool, *row) for tool, rows in REFUSED.items() for row in rows]
)
def test_wrong_arguments_are_refused_at_their_place_with_the_remedy(
    tool: str, changes: dict[str, Any], place: str, remedy: str
) -> None:
    given = {name: value for name, value in {**FINE[tool], **changes}.items() if value is not None}
    said = refusal(tool, given)
    assert said.startswith(f"{place}: ")
    assert remedy in said


@pytest.mark.parametrize(("tool", "given"), SENDS)
@pytest.mark.parametrize(
    ("message", "expected"), [(44, 44), ("44", 44), ("pwdreset", "pwdreset"), ("44 days", "44 days")]
)
def test_a_transactional_message_is_named_by_number_or_trigger_name(
    tool: str, given: dict[str, Any], message: Any, expected: Any
) -> None:
    found = sent(tool, {**given, "transactional_message_id": message})["transactional_message_id"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("tool", "given"), SENDS)
def test_a_trigger_name_may_be_created(tool: str, given: dict[str, Any]) -> None:
    assert sent(tool, {**given, "transactional_message_id": "welcome", "auto_create": True})["auto_create"] is True
    assert "auto_create" not in sent(tool, given)


def test_fifteen_recipients_are_taken_whatever_their_names_hold() -> None:
    named = '"Doe, Jane \\"JD\\" <x@y>" <jane@example.com>, Bob <bob@example.com>'
    given = {**EMAIL, "to": named, "cc": addresses(6), "bcc": addresses(7)}
    assert sent("send_email", given)["to"] == named
    assert "names 16 recipients" in refusal("send_email", {**given, "bcc": addresses(8)})


def test_an_email_without_a_template_needs_its_parts_and_has_them() -> None:
    given = {
        "identifiers": {"id": "1"},
        "to": "a@example.com",
        "from": '"B" <b@example.com>',
        "subject": "Hi",
        "body": "Hi",
    }
    assert sent("send_email", given)["from"] == '"B" <b@example.com>'


@pytest.mark.parametrize("name", sorted(RESERVED_HEADERS | {"content-disposition"}))
def test_no_reserved_header_is_taken_in_any_spelling(name: str) -> None:
    for spelt in (name, name.upper(), name.title()):
        said = refusal("send_email", {**EMAIL, "headers": {"X-Tag": "fine", spelt: "x"}})
        assert f"headers: Value error, must not hold {spelt}, which is reserved" in said


def test_other_headers_and_files_are_taken() -> None:
    extra = {"headers": {"X-Tag": "a b; c=d", "List-Unsubscribe": "<mailto:a@example.com>"}}
    files = {"attachments": {"report 1.tar.gz": HELLO, "empty.txt": "", "ü.csv": HELLO}}
    found = sent("send_email", {**EMAIL, **extra, **files})
    assert {name: found[name] for name in (*extra, *files)} == {**extra, **files}


def test_attachments_of_less_than_2_mb_are_taken_and_2_mb_are_refused() -> None:
    half = base64.b64encode(bytes(ATTACHMENT_BYTES // 2)).decode()
    less = base64.b64encode(bytes(ATTACHMENT_BYTES // 2 - 1)).decode()
    sent("send_email", {**EMAIL, "attachments": {"a.bin": half, "b.bin": less}})
    said = refusal("send_email", {**EMAIL, "attachments": {"a.bin": half, "b.bin": half}})
    assert "has 2,000,000 bytes in all, less than 2,000,000 are taken" in said


@pytest.mark.parametrize("to", ["+15551234567", "{{customer.phone}}"])
def test_an_sms_goes_to_a_number_or_what_liquid_renders(to: str) -> None:
    assert sent("send_sms", {**TEMPLATED, "to": to})["to"] == to


AUDIENCES: dict[str, Any] = {
    "recipients": SEGMENT,
    "emails": ["a@example.com"],
    "ids": ["1"],
    "per_user_data": [{"id": "1", "data": {"code": "x"}}, {"email": "a@example.com", "data": {}}],
    "data_file_url": "https://example.com/people.jsonl",
}
# "Trigger a broadcast" in the App API reference.
FITTING = {
    "recipients": set[str](),
    "emails": {"email_ignore_missing", "email_add_duplicates"},
    "ids": {"id_ignore_missing"},
    "per_user_data": {"id_ignore_missing", "email_ignore_missing", "email_add_duplicates"},
    "data_file_url": {"id_ignore_missing", "email_ignore_missing", "email_add_duplicates"},
}
ALL_FLAGS = ["id_ignore_missing", "email_ignore_missing", "email_add_duplicates"]


@pytest.mark.parametrize("first", AUDIENCES)
@pytest.mark.parametrize("second", AUDIENCES)
def test_a_broadcast_names_its_audience_at_most_one_way(first: str, second: str) -> None:
    given = {"broadcast_id": 1, first: AUDIENCES[first], second: AUDIENCES[second]}
    if first == second:
        assert sent("trigger_broadcast", given) == given
    else:
        assert "must not stand beside" in refusal("trigger_broadcast", given)


@pytest.mark.parametrize("flag", ALL_FLAGS)
@pytest.mark.parametrize("audience", [None, *AUDIENCES])
@pytest.mark.parametrize("value", [True, False])
def test_a_flag_fits_its_audience_or_is_refused_by_name(audience: str | None, flag: str, value: bool) -> None:  # noqa: FBT001
    given: dict[str, Any] = {"broadcast_id": 1, flag: value}
    if audience:
        given[audience] = AUDIENCES[audience]
    if audience and flag in FITTING[audience]:
        assert sent("trigger_broadcast", given)[flag] is value
    else:
        chosen = audience or "the audience set in Customer.io"
        assert refusal("trigger_broadcast", given).startswith(f"{flag}: Value error, does not fit {chosen}, only ")


def test_a_broadcast_without_an_audience_goes_to_the_one_set_in_customer_io() -> None:
    assert sent("trigger_broadcast", {"broadcast_id": "7"}) == {"broadcast_id": 7}


def test_ten_thousand_people_are_taken_at_once() -> None:
    for name in ("ids", "emails", "per_user_data"):
        given = {"broadcast_id": 1, name: AUDIENCES[name][:1] * 10_000}
        assert len(sent("trigger_broadcast", given)[name]) == 10_000


def test_a_newsletter_is_cancelled_with_0_and_needs_no_zone() -> None:
    assert sent("schedule_newsletter", {"newsletter_id": 1, "scheduled_at": 0})["scheduled_at"] == 0
    given = {"newsletter_id": 1, "scheduled_at": "2030-01-01T09:00:00Z", "timezone": "Europe/Berlin"}
    limited = {"tz_match_enabled": True, "rate_limit_email_rate": "5", "rate_limit_time_period": "3600"}
    assert sent("schedule_newsletter", {**given, **limited}) == {
        "newsletter_id": 1, "scheduled_at": 1_893_488_400, "timezone": "Europe/Berlin", "tz_match_enabled": True,
        "rate_limit_email_rate": 5, "rate_limit_time_period": 3600,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "hour"),
    [("2030-01-01T09:00", 17), ("2030-01-01T09:00:00-05:00", 14), ("2030-01-01T09:00Z", 9), (1_893_488_400, 9)],
)
def test_a_time_without_an_offset_is_read_on_the_clock_of_the_zone_beside_it(written: Any, hour: int) -> None:
    zone = "America/Los_Angeles"
    planned = sent("schedule_newsletter", {"newsletter_id": 1, "scheduled_at": written, "timezone": zone})
    read = sent("get_campaign_metrics", {"campaign_id": 1, "start": written, "tz": zone})
    assert planned["scheduled_at"] == read["start"] == 1_893_488_400 + (hour - 9) * 3600


@pytest.mark.parametrize("written", ["1764081500000", "20301201", 1_764_081_500_000])
def test_digits_are_seconds_with_a_zone_beside_them_too(written: Any) -> None:
    given = {"newsletter_id": 1, "scheduled_at": written}
    with_zone = refusal("schedule_newsletter", given | {"timezone": "Europe/Berlin"})
    assert with_zone == refusal("schedule_newsletter", given)
    assert "milliseconds" in with_zone or "too small for unix seconds" in with_zone


def test_a_zone_that_nobody_knows_leaves_a_time_as_it_is() -> None:
    given = {"newsletter_id": 1, "scheduled_at": "2030-01-01T09:00", "timezone": "Nowhere/Else"}
    assert sent("schedule_newsletter", given)["scheduled_at"] == 1_893_488_400


def test_a_person_of_a_list_needs_no_data_of_their_own() -> None:
    assert sent("trigger_broadcast", {"broadcast_id": 1, "per_user_data": [{"id": 1}]})["per_user_data"] == [
        {"id": "1"}
    ]


def test_a_spread_may_stand_alone() -> None:
    assert sent("send_newsletter", {"newsletter_id": 1, "rate_limit_spread": True})["rate_limit_spread"] is True


def test_there_are_five_ways_to_look_a_person_up() -> None:
    assert len(LOOKUPS) == 5


@pytest.mark.parametrize("tool", LOOKUPS)
@pytest.mark.parametrize(
    ("value", "kind"), [("a@example.com", "email"), ("cio_a3000001", "cio_id"), ("+14155552671", "phone")]
)
def test_a_value_that_looks_like_another_kind_needs_its_kind(tool: str, value: str, kind: str) -> None:
    said = refusal(tool, {"customer_id": value})
    assert said.startswith("customer_id: ")
    assert f"set id_type to {kind} (or to id, if it is one)" in said
    assert sent(tool, {"customer_id": value, "id_type": kind})["customer_id"] == value
    assert sent(tool, {"customer_id": value, "id_type": "id"})["customer_id"] == value


@pytest.mark.parametrize("tool", LOOKUPS)
def test_a_lookup_by_a_kind_checks_it_and_completes_a_cio_id(tool: str) -> None:
    assert sent(tool, {"customer_id": "a3000001", "id_type": "cio_id"})["customer_id"] == "cio_a3000001"
    assert sent(tool, {"customer_id": 42}) == {"customer_id": "42"}
    assert "is no e-mail address" in refusal(tool, {"customer_id": "42", "id_type": "email"})
    assert "E.164" in refusal(tool, {"customer_id": "42", "id_type": "phone"})
    assert refusal(tool, {"customer_id": "a@example.com", "id_type": "mail"}).startswith("id_type: ")


def test_a_segment_takes_a_thousand_people_of_one_kind() -> None:
    given = {"segment_id": 1, "ids": [42] * 1000}
    assert sent("add_people_to_segment", given)["ids"] == ["42"] * 1000
    sent("add_people_to_segment", {"segment_id": 1, "ids": ["a@example.com"], "id_type": "email"})
    sent("add_people_to_segment", {"segment_id": 1, "ids": ["a@example.com"], "id_type": "id"})


def test_campaign_metrics_are_asked_for_in_version_2_by_days() -> None:
    assert sent("get_campaign_metrics", {"campaign_id": 1}) == {"campaign_id": 1, "version": 2, "res": "days"}
    assert sent("get_campaign_metrics", {"campaign_id": 1, "version": "2", "res": None})["res"] == "days"
    assert sent("get_campaign_metrics", {"campaign_id": 1, "res": "hours"})["res"] == "hours"


def test_campaign_metrics_of_version_1_are_sent_without_a_resolution() -> None:
    given = {"campaign_id": 1, "version": 1, "period": "days", "steps": 0}
    assert sent("get_campaign_metrics", given) == given


@pytest.mark.parametrize(("period", "most"), [("hours", 24), ("days", 45), ("weeks", 12), ("months", 121)])
def test_the_most_steps_of_a_period_are_taken(period: str, most: int) -> None:
    assert sent("get_broadcast_metrics", {"broadcast_id": 1, "period": period, "steps": most})["steps"] == most


def test_the_whole_of_six_months_can_be_asked_for() -> None:
    sent("list_person_messages", {"customer_id": "1", "start_ts": "2025-07-01", "end_ts": "2026-01-01"})


def test_a_row_of_10_kb_is_taken() -> None:
    row = {"a": "x" * (10_000 - len('{"a":""}'))}
    assert sent("update_collection", {"collection_id": 1, "data": [row]})["data"] == [row]
    assert sent("update_collection", {"collection_id": 1, "name": "x"}) == {"collection_id": 1, "name": "x"}


def test_all_72_events_can_be_reported_and_no_other() -> None:
    assert len(set(EVENTS)) == 72
    given = {"name": "x", "endpoint": "https://example.com/hook", "events": list(EVENTS)}
    assert sent("create_reporting_webhook", given) == given


@pytest.mark.parametrize(
    ("tool", "given", "name"),
    [
        ("identify_person", {"identifier": "1", "attributes": {"plan": "pro"}}, "attributes"),
        ("track_event", {"identifier": "1", "name": "x", "data": {"n": 1}}, "data"),
        ("merge_people", {"primary": {"id": "1"}, "secondary": {"id": "2"}}, "secondary"),
        ("submit_form", {"form_id": "1", "data": {"id": "1"}}, "data"),
        ("send_email", {**EMAIL, "message_data": {"a": 1}}, "message_data"),
        ("send_email", {**EMAIL, "headers": {"X-Tag": "a"}}, "headers"),
        ("send_email", {**EMAIL, "attachments": {"a.txt": HELLO}}, "attachments"),
        ("send_email", EMAIL, "identifiers"),
        ("send_push", {**TEMPLATED, "custom_device": {"token": "t", "platform": "ios"}}, "custom_device"),
        ("send_push", {**TEMPLATED, "custom_payload": {"ios": {}}}, "custom_payload"),
        *[("trigger_broadcast", {"broadcast_id": 1, name: AUDIENCES[name]}, name) for name in list(AUDIENCES)[:4]],
        ("search_people", {"filter": SEGMENT}, "filter"),
        ("add_people_to_segment", {"segment_id": 1, "ids": ["1"]}, "ids"),
        ("create_collection", {"name": "x", "data": [{"a": 1}]}, "data"),
        (
            "create_reporting_webhook",
            {"name": "x", "endpoint": "https://example.com", "events": ["email_sent"]},
            "events",
        ),
    ],
)
def test_json_text_is_taken_wherever_an_object_or_a_list_is(tool: str, given: dict[str, Any], name: str) -> None:
    assert accepted(tool, {**given, name: json.dumps(given[name])}) == accepted(tool, given)


@pytest.mark.parametrize("tool", CATALOG)
def test_an_unknown_argument_is_refused(tool: str) -> None:
    assert "surprise: Extra inputs are not permitted" in refusal(tool, {"surprise": 1})


@pytest.mark.parametrize("value", [True, 1.5, "1.5", 0, -1, "", None, []])
@pytest.mark.parametrize(
    ("tool", "name"),
    [
        (tool, name)
        for tool, endpoint in CATALOG.items()
        for name, schema in endpoint.input_schema()["properties"].items()
        if schema["type"] == "integer" and name in endpoint.in_path
    ],
)
def test_a_number_in_a_path_is_a_whole_number(tool: str, name: str, value: Any) -> None:
    assert f"{name}: Value error, must be a whole number, 1 or more" in refusal(tool, {name: value})
