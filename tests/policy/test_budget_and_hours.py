"""How many people a call reaches, what the budget says to that, and when nothing is sent."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cio_mcp.catalog import CATALOG, Access
from cio_mcp.ledger.terms import Cap
from cio_mcp.policy.addresses import Recipients
from cio_mcp.policy.grants import Budget, Causes, Quiet
from cio_mcp.policy.requirements import CountedAudience, settle
from tests.policy.situations import NOON, WRITES, decided, email, granted

TRIGGER = {"broadcast_id": 1}
OBJECT = {"type": "object", "identifiers": {"object_type_id": "1", "object_id": "o"}}
EVENT = {"type": "person", "action": "event", "name": "e", "identifiers": {"id": "a"}}
RELATED = [{"identifiers": {"id": "a"}}, {"identifiers": {"id": "b"}}]
SENDS: list[tuple[str, dict[str, Any], int | None]] = [
    ("send_email", email(), 1),
    ("send_email", email(to="a@example.com, b@example.com", cc="c@example.com", bcc="d@example.com"), 4),
    ("send_push", WRITES["send_push"], 1),
    ("send_sms", WRITES["send_sms"], 1),
    ("send_in_app", WRITES["send_in_app"], 1),
    ("trigger_broadcast", TRIGGER, None),
    ("trigger_broadcast", TRIGGER | {"recipients": {"segment": {"id": 1}}}, None),
    ("trigger_broadcast", TRIGGER | {"data_file_url": "https://hooks.example.com/x"}, None),
    ("trigger_broadcast", TRIGGER | {"ids": ["a", "b", "c"]}, 3),
    ("trigger_broadcast", TRIGGER | {"emails": ["a@x.example", "b@x.example"]}, 2),
    ("trigger_broadcast", TRIGGER | {"emails": ["a@x.example"], "email_add_duplicates": True}, None),
    ("trigger_broadcast", TRIGGER | {"per_user_data": [{"id": "a", "data": {}}]}, 1),
    ("send_newsletter", WRITES["send_newsletter"], None),
    ("schedule_newsletter", WRITES["schedule_newsletter"], None),
    ("schedule_newsletter", {"newsletter_id": 1, "scheduled_at": 0}, 0),
]
CAUSES: list[tuple[str, dict[str, Any], int | None]] = [
    ("identify_person", WRITES["identify_person"], 1),
    ("upsert_device", WRITES["upsert_device"], 1),
    ("track_event", WRITES["track_event"], 1),
    ("track_event", WRITES["track_event"] | {"data": {"recipient": "a@example.com, b@example.com"}}, 2),
    ("track_event", WRITES["track_event"] | {"data": {"recipient": "a@example.com", "RECIPIENT": "b@example.com"}}, 2),
    ("track_event", WRITES["track_event"] | {"data": {"recipient": ["a@example.com", "b@example.com"]}}, None),
    ("track_event", WRITES["track_event"] | {"data": {"recipient": "{{customer.friends}}"}}, None),
    ("track_anonymous_event", WRITES["track_anonymous_event"], 1),
    ("track_anonymous_event", {"name": "e", "data": {"recipient": '"A, B" <a@example.com>,b@example.com'}}, 2),
    ("merge_people", WRITES["merge_people"], 1),
    ("submit_form", WRITES["submit_form"], 1),
    ("add_people_to_segment", WRITES["add_people_to_segment"], 2),
    ("remove_people_from_segment", WRITES["remove_people_from_segment"], 1),
    ("apply_entity", WRITES["apply_entity"], 1),
    ("apply_entity", {"type": "person", "action": "delete", "identifiers": {"id": "a"}}, 0),
    ("apply_entity", {"type": "person", "action": "merge", "primary": {"id": "a"}, "secondary": {"id": "b"}}, 1),
    ("apply_entity", OBJECT | {"action": "identify"}, None),
    ("apply_entity", OBJECT | {"action": "delete"}, 0),
    ("apply_entity", OBJECT | {"action": "add_relationships", "cio_relationships": RELATED}, 2),
    ("apply_entity", EVENT | {"attributes": {"recipient": "a@example.com,b@example.com,c@example.com"}}, 3),
    ("apply_batch", {"batch": WRITES["apply_batch"]["batch"] * 3}, 3),
    ("apply_batch", {"batch": [EVENT | {"attributes": {"recipient": "a@example.com,b@example.com"}}] * 2}, 4),
    ("apply_batch", {"batch": [*WRITES["apply_batch"]["batch"], OBJECT | {"action": "identify"}]}, None),
]
HARMLESS = [tool for tool in WRITES if tool not in {tool for tool, _, _ in SENDS + CAUSES}]


def allowed(tool: str, given: dict[str, Any], **more: Any) -> Any:
    fields = ["cc", "bcc", "address"]
    anybody = Recipients(domains=frozenset({"*"}))
    return decided(tool, given, granted(fields=fields, hosts=frozenset({"*"}), recipients=anybody, **more))


@pytest.mark.parametrize(("tool", "given", "count"), SENDS)
def test_a_send_counts_everybody_it_reaches(tool: str, given: dict[str, Any], count: int | None) -> None:
    given = email(**(given | {"identifiers": {"id": "a"}})) if tool == "send_email" else given
    assert decided(tool, given).decision.recipients == count


@pytest.mark.parametrize(("tool", "given", "count"), CAUSES)
def test_what_may_cause_messages_counts_whom_it_changes_unless_it_is_free(
    tool: str, given: dict[str, Any], count: int | None
) -> None:
    assert allowed(tool, given).decision.recipients == count
    assert allowed(tool, given, causes=Causes.FREE).decision.recipients == 0
    assert decided(tool, given).decision.recipients == 0


@pytest.mark.parametrize("tool", HARMLESS)
def test_what_causes_no_message_reaches_nobody(tool: str) -> None:
    seen = allowed(tool, WRITES[tool], budget=Budget(per_hour=0))
    assert (seen.allowed, seen.decision.recipients, seen.decision.caps) == (True, 0, ())


def test_reads_count_nothing() -> None:
    reads = [name for name, endpoint in CATALOG.items() if endpoint.access is Access.READ]
    assert reads
    seen = allowed("get_segment", {"segment_id": 1}, budget=Budget(per_day=0))
    assert (seen.allowed, seen.decision.recipients, seen.decision.caps) == (True, 0, ())


def test_a_budget_becomes_caps_for_the_ledger() -> None:
    budget = Budget(per_call=5, per_hour=100, per_day=500)
    seen = allowed("send_push", WRITES["send_push"], budget=budget)
    assert seen.decision.caps == (Cap(recipients=100, seconds=3600), Cap(recipients=500, seconds=86400))
    assert allowed("track_event", WRITES["track_event"], budget=budget, causes=Causes.FREE).decision.caps == ()


@pytest.mark.parametrize(
    "budget", [Budget(per_call=2), Budget(per_hour=2), Budget(per_day=2), Budget(per_call=9, per_hour=2, per_day=3)]
)
def test_a_call_that_the_budget_can_never_hold_is_refused(budget: Budget) -> None:
    assert allowed("trigger_broadcast", TRIGGER | {"ids": ["a", "b"]}, budget=budget).allowed
    refused = allowed("trigger_broadcast", TRIGGER | {"ids": ["a", "b", "c"]}, budget=budget)
    assert refused.decision.rule == "budget"
    assert "it reaches 3 people" in refused.message
    assert refused.next_step.startswith("Reach fewer people at once. Or ask the operator")


def test_nobody_fits_a_budget_of_nothing() -> None:
    assert not allowed("send_push", WRITES["send_push"], budget=Budget(per_day=0)).allowed
    assert allowed("schedule_newsletter", {"newsletter_id": 1, "scheduled_at": 0}, budget=Budget(per_day=0)).allowed


@pytest.mark.parametrize(("tool", "given", "count"), [row for row in SENDS if row[2] is None])
def test_an_audience_must_be_counted_where_there_is_a_budget(
    tool: str, given: dict[str, Any], count: int | None
) -> None:
    assert count is None
    assert allowed(tool, given).decision.requires == ()
    (asked,) = allowed(tool, given, budget=Budget(per_hour=100)).decision.requires
    assert isinstance(asked, CountedAudience)
    assert settle(asked, 100) is None
    assert settle(asked, 0) is None
    for found in (101, None, "100"):
        refusal = settle(asked, found)
        assert refusal is not None
        assert refusal.details == {"rule": "budget"}


@pytest.mark.parametrize(("tool", "given", "count"), [row for row in CAUSES if row[2] is None])
def test_what_may_reach_nobody_knows_how_many_is_refused_where_there_is_a_budget(
    tool: str, given: dict[str, Any], count: int | None
) -> None:
    assert count is None
    assert "how many people it reaches cannot be known" in allowed(tool, given, budget=Budget(per_day=9)).message
    assert allowed(tool, given).allowed


def test_budgets_are_kept_both_or_replaced() -> None:
    one, other = Budget(per_call=1, per_hour=9), Budget(per_hour=5, per_day=7)
    assert one.within(other) == other.within(one) == Budget(per_call=1, per_hour=5, per_day=7)
    assert one.replaced_by(other) == Budget(per_call=1, per_hour=5, per_day=7)
    assert other.replaced_by(one) == Budget(per_call=1, per_hour=9, per_day=7)
    assert str(one) == "1 in a call, 9 in an hour"
    assert str(Budget()) == "not bounded"


BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Quiet(start=time(22), end=time(8), timezone=BERLIN)
LUNCH = Quiet(start=time(12), end=time(13), timezone=BERLIN)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 6, 1, hour, minute, tzinfo=BERLIN).astimezone(UTC)


def in_winter(hour: int) -> datetime:
    return datetime(2026, 1, 5, hour, tzinfo=BERLIN).astimezone(UTC)


def when(tool: str, given: dict[str, Any], now: datetime, *quiet: Quiet, **more: Any) -> bool:
    return decided(tool, given, granted(quiet=quiet, fields=["address"], **more), now=now).allowed


@pytest.mark.parametrize(
    ("now", "sends"),
    [
        (at(7, 59), False), (at(8), True), (at(12), True), (at(21, 59), True), (at(22), False), (at(23, 59), False),
        (at(0), False), (in_winter(7), False), (in_winter(8), True), (in_winter(21), True), (in_winter(22), False),
    ],
)  # fmt: skip
def test_nothing_is_sent_in_quiet_hours(now: datetime, *, sends: bool) -> None:
    for tool in ("send_push", "trigger_broadcast", "track_event"):
        assert when(tool, WRITES[tool], now, NIGHT) is sends
    assert when("track_event", WRITES["track_event"], now, NIGHT, causes=Causes.FREE)
    assert when("delete_person", WRITES["delete_person"], now, NIGHT)
    assert when("get_segment", {"segment_id": 1}, now, NIGHT)


@pytest.mark.parametrize(("hour", "sends"), [(11, True), (12, False), (13, True), (23, True)])
def test_quiet_hours_may_lie_within_a_day(hour: int, *, sends: bool) -> None:
    assert when("send_push", WRITES["send_push"], at(hour), LUNCH) is sends


def test_all_quiet_hours_hold() -> None:
    assert not when("send_push", WRITES["send_push"], at(23), LUNCH, NIGHT)
    assert not when("send_push", WRITES["send_push"], at(12), LUNCH, NIGHT)
    assert when("send_push", WRITES["send_push"], at(14), LUNCH, NIGHT)


def test_a_refusal_names_the_hours() -> None:
    refused = decided("send_push", WRITES["send_push"], granted(quiet=(NIGHT,)), now=at(23))
    assert refused.decision.rule == "quiet"
    assert "nothing is sent from 22:00 to 08:00 Europe/Berlin" in refused.message
    assert refused.next_step.startswith("Plan it for a time outside these hours")


def test_the_hour_of_the_message_counts_and_not_that_of_the_call() -> None:
    def later(moment: datetime) -> dict[str, Any]:
        return WRITES["send_push"] | {"send_at": moment.isoformat()}

    assert when("send_push", later(at(12)), at(6), NIGHT)
    assert not when("send_push", later(at(23)), at(12), NIGHT)
    assert not when("send_push", later(at(12)), at(23), NIGHT), "what lies in the past is sent at once"
    assert when("send_push", later(at(23).replace(year=2025)), at(12), NIGHT)


@pytest.mark.parametrize(
    ("planned", "zone", "match", "sends"),
    [
        (at(12), "UTC", None, True),
        (at(23), "UTC", None, False),
        (at(12), "Europe/Berlin", True, True),
        (at(23), "Europe/Berlin", True, False),
        (at(12), "Asia/Tokyo", True, True),
        (at(16), "Asia/Tokyo", True, False),
        (at(16), "Asia/Tokyo", None, True),
        (at(12), "Nowhere/Atall", True, False),
    ],
)
def test_a_newsletter_is_quiet_by_its_own_plan(
    planned: datetime, zone: str, *, match: bool | None, sends: bool
) -> None:
    given = {"newsletter_id": 1, "scheduled_at": planned.isoformat(), "timezone": zone}
    if match is not None:
        given["tz_match_enabled"] = match
    assert when("schedule_newsletter", given, at(10), NIGHT) is sends


def test_a_newsletter_is_called_off_at_any_hour() -> None:
    assert when("schedule_newsletter", {"newsletter_id": 1, "scheduled_at": 0}, at(23), NIGHT)


def test_noon_is_no_quiet_hour_of_these_tests() -> None:
    assert not NIGHT.covers(NOON)
