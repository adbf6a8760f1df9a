"""Limits, times, ids and recipients: what is at the edge is sent, what is beyond is refused, and nobody is added."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cio_mcp.catalog import CATALOG
from tests.hostile.calls import minimal
from tests.hostile.driver import Driver, refusal_faults
from tests.hostile.slots import ULIDS
from tests.hostile.trying import assert_refused, fields, is_time
from tests.recording import Received

# Customer.io's limits, met exactly

OBJECT = {
    "type": "object",
    "action": "identify",
    "identifiers": {"object_type_id": "1", "object_id": "1"},
}


def sized_item(size: int) -> dict[str, Any]:
    """Return an item whose compact JSON has so many bytes."""
    item = {**OBJECT, "attributes": {"a": ""}}
    missing = size - len(json.dumps(item, separators=(",", ":")))
    return {**item, "attributes": {"a": "x" * missing}}


def test_an_entity_under_32_kb_is_sent_and_one_byte_more_is_not(driver: Driver) -> None:
    [request] = driver.call("apply_entity", sized_item(31_999)).requests
    assert len(request.body) == 31_999
    ended = driver.call("apply_entity", sized_item(32_000))
    assert not refusal_faults(ended, "32,000 bytes", None)
    assert not refusal_faults(driver.call("apply_batch", {"batch": [sized_item(32_000)]}), "batch[0]", None)


def test_a_batch_under_500_kb_is_sent_and_one_byte_more_is_not(driver: Driver) -> None:
    fifteen = [sized_item(31_999)] * 15
    last = 499_999 - len(json.dumps({"batch": fifteen}, separators=(",", ":"))) - len(",")
    [request] = driver.call("apply_batch", {"batch": [*fifteen, sized_item(last)]}).requests
    assert len(request.body) == 499_999
    ended = driver.call("apply_batch", {"batch": [*fifteen, sized_item(last + 1)]})
    assert not refusal_faults(ended, "500,000 bytes", None)


def test_attachments_just_under_2_mb_are_sent_and_20_mb_are_not(driver: Driver) -> None:
    def attached(size: int) -> dict[str, Any]:
        return {**minimal("send_email"), "attachments": {"report.pdf": base64.b64encode(bytes(size)).decode()}}

    assert len(driver.call("send_email", attached(1_999_999)).requests) == 1
    for size in (2_000_000, 20_000_000):
        assert not refusal_faults(driver.call("send_email", attached(size)), "attachments", None)


@pytest.mark.parametrize("name", ["emails", "ids", "per_user_data"])
def test_ten_thousand_people_are_sent_and_one_more_is_not(driver: Driver, name: str) -> None:
    people: dict[str, Callable[[int], Any]] = {
        "emails": lambda i: f"person{i}@example.com",
        "ids": str,
        "per_user_data": lambda i: {"id": str(i), "data": {}},
    }
    many = [people[name](i) for i in range(10_001)]
    call = minimal("trigger_broadcast")
    assert len(driver.call("trigger_broadcast", {**call, name: many[:-1]}).requests) == 1
    assert not refusal_faults(driver.call("trigger_broadcast", {**call, name: many}), name, None)


# Times and ULIDs

TIMES: list[tuple[Any, int | None]] = [
    (-1, None),
    ("-1", None),
    (999_999_999, None),
    (1_000_000_000, 1_000_000_000),
    (1_769_850_000, 1_769_850_000),
    ("1769850000", 1_769_850_000),
    (1_769_850_000_000, None),
    ("1769850000000", None),
    (99_999_999_999, 99_999_999_999),
    (100_000_000_000, None),
    (1_769_850_000.5, None),
    (True, None),
    ("2026-01-31T09:00:00Z", 1_769_850_000),
    ("2026-01-31T10:00:00+01:00", 1_769_850_000),
    ("2026-01-31T09:00:00", 1_769_850_000),
    ("2024-02-29", 1_709_164_800),
    ("2024-02-30", None),
    ("2025-02-29", None),
    ("2026-01-31T24:01:00Z", None),
    ("9999-12-31T23:59:59Z", None),
    ("0001-01-01T00:00:00+23:59", None),
    ("9999-12-31T23:59:59-23:59", None),
    ("1969-12-31", None),
    ("31.01.2026", None),
    ("now", None),
    ("tomorrow\r\n", None),
    ("\u0661\u0667\u0666\u0669\u0668\u0665\u0660\u0660\u0660\u0660", None),
    ("", None),
    ("9" * 5000, None),
    ([], None),
    ({}, None),
]
# 0 cancels there ("Schedule a newsletter" in the App API reference).
ZERO_MEANS_SOMETHING = {("schedule_newsletter", "scheduled_at")}
# Which other arguments go with a time.
BESIDE_A_TIME: dict[str, dict[str, Any]] = {
    "apply_entity": {"type": "person", "action": "identify", "identifiers": {"id": "42"}},
}


def _is_sent(member: str, seconds: int, requests: Sequence[Received]) -> bool:
    """Say whether there was one request, and it holds the time."""
    found = [f'"{member}":{seconds}' in one.body.decode() or f"{member}={seconds}" in one.query for one in requests]
    return found == [True]


@pytest.mark.parametrize(
    ("tool", "name"), [(tool, name) for tool in CATALOG for name in fields(tool, is_time)], ids=str
)
def test_a_time_is_sent_as_unix_seconds_or_refused(driver: Driver, tool: str, name: str) -> None:
    base = {**minimal(tool), **BESIDE_A_TIME.get(tool, {})}
    sent = CATALOG[tool].params.model_fields.get(name)
    member = (sent and sent.serialization_alias) or name
    zero = 0 if (tool, name) in ZERO_MEANS_SOMETHING else None
    wrong = []
    for given, seconds in [*TIMES, (0, zero), ("0", zero)]:
        ended = driver.call(tool, {**base, name: given})
        if seconds is None:
            wrong += [f"{ascii(given)[:40]}: {fault}" for fault in refusal_faults(ended, name, given)]
        elif not _is_sent(member, seconds, ended.requests):
            wrong.append(f"{given!r} was not sent as {seconds}: {ended.message or ended.requests}")
    assert not wrong, "\n".join(wrong)


ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
NO_ULIDS: list[Any] = [
    ULID.lower(), ULID[:-1], f"{ULID}0", f"8{'Z' * 25}", ULID.replace("A", "I"), ULID.replace("A", "L"),
    ULID.replace("A", "O"), ULID.replace("A", "U"), f"{ULID}\n", f" {ULID}", "", "0" * 25 + "\uff10",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8", 1, [], {},
]  # fmt: skip


@pytest.mark.parametrize("slot", sorted(ULIDS))
def test_the_id_of_an_event_is_a_ulid_in_its_canonical_form(driver: Driver, slot: str) -> None:
    tool, name = slot.split(".")
    event = {"action": "event", "name": "text"} if tool == "apply_entity" else {}
    base = {**minimal(tool), **event}
    for given in (ULID, "0" * 26, f"7{'Z' * 25}"):
        [request] = driver.call(tool, {**base, name: given}).requests
        assert json.loads(request.body)["id"] == given
    wrong = {ascii(v): f for v in NO_ULIDS if (f := refusal_faults(driver.call(tool, {**base, name: v}), name, v))}
    assert not wrong


# Whom a message reaches

HEADERS: list[dict[str, Any]] = [
    {"Bcc": "c@example.com"},
    {"bcc": "c@example.com"},
    {"BCC": "c@example.com"},
    {"Bcc ": "c@example.com"},
    {"Bcc:": "c@example.com"},
    {"X\r\nBcc": "c@example.com"},
    {"X-A": "1\r\nBcc: c@example.com"},
    {"X-A": "1\nBcc: c@example.com"},
    {"X-A": "1\x00"},
    {"X-A": "\u00e9"},
    {"\u0412cc": "c@example.com"},
    {"X-A": ["1"]},
    {"X-A": 1},
    {"X-A": ""},
    {"": "1"},
    {"From": "c@example.com"},
    {"Content-" + "A" * 5000: "text/html"},
    {"Content-Type": "text/plain"},
    {"DKIM-Signature": "v=1"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: ascii(headers)[:40])
def test_no_header_names_the_people_or_the_form_of_a_message(driver: Driver, headers: dict[str, Any]) -> None:
    assert_refused(driver, "send_email", [("headers", headers), ("headers", json.dumps(headers))])


FILES: list[dict[str, Any]] = [
    {"../../etc/passwd": "aGVsbG8="},
    {"..\\..\\boot.ini": "aGVsbG8="},
    {"/etc/passwd.txt": "aGVsbG8="},
    {"..": "aGVsbG8="},
    {".bashrc": "aGVsbG8="},
    {"a.pdf\r\nX: y": "aGVsbG8="},
    {"a\x00.pdf": "aGVsbG8="},
    {"a": "aGVsbG8="},
    {"": "aGVsbG8="},
    {"a.pdf": "not base64!"},
    {"a.pdf": "aGVsbG8"},
    {"a.pdf": "data:;base64,aGVsbG8="},
    {"a.pdf": 1},
    {"a.pdf": None},
]


@pytest.mark.parametrize("files", FILES, ids=ascii)
def test_no_attachment_is_named_by_a_path_or_is_no_base64(driver: Driver, files: dict[str, Any]) -> None:
    assert_refused(driver, "send_email", [("attachments", files)])


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("to", '"Bob" <b@example.com>\r\nBcc: c@example.com'),
        ("to", "nobody"),
        ("to", "a@example.com b@example.com"),
        ("to", '"Bob <b@example.com>'),
        ("to", ","),
        ("to", ", ".join(f"p{i}@example.com" for i in range(16))),
        ("from", "a@example.com, b@example.com"),
        ("reply_to", "a@example.com\r\nBcc: c@example.com"),
        ("subject", "Hi\r\nBcc: c@example.com"),
        ("identifiers", {"id": "1", "email": "a@example.com"}),
        ("identifiers", {}),
    ],
)
def test_a_mail_goes_to_nobody_unseen(driver: Driver, name: str, given: Any) -> None:
    assert_refused(driver, "send_email", [(name, given)])


def test_two_recipients_are_two_recipients(driver: Driver) -> None:
    [request] = driver.call("send_email", {**minimal("send_email"), "to": "a@example.com, b@example.org"}).requests
    assert json.loads(request.body)["to"] == "a@example.com, b@example.org"


NO_FILTERS: list[Any] = [
    {}, {"and": []}, {"or": []}, {"not": {}}, {"and": [{}]}, {"not": {"not": {"segment": {"id": 1}}}},
    {"segment": {"id": 1}, "attribute": {"field": "a", "operator": "exists"}}, {"segment": {}}, {"everybody": True},
    {"attribute": {"field": "", "operator": "exists"}}, {"attribute": {"field": "a", "operator": "contains"}},
    {"and": [{"or": [{"and": [{"segment": {"id": 1}}]}]}]}, {"segment": 1},
]  # fmt: skip


@pytest.mark.parametrize(("tool", "name"), [("trigger_broadcast", "recipients"), ("search_people", "filter")])
def test_no_filter_means_everybody_by_mistake(driver: Driver, tool: str, name: str) -> None:
    assert_refused(driver, tool, [(name, value) for value in NO_FILTERS])
