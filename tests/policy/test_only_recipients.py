"""`--test-recipients`, and a file that lets messages go to nobody but the listed."""

from typing import Any

import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.policy.addresses import recipient_list
from cio_mcp.policy.grants import Causes
from cio_mcp.policy.reach import touches
from cio_mcp.policy.requirements import ListedPerson
from cio_mcp.policy.touches import ANYBODY
from tests.policy.situations import ONLY_LISTED, ORIGIN, WRITES, Seen, decided, email, granted

ONLY = recipient_list(["ada@example.com", "+15551234567", "@example.org"])


def only(tool: str, given: dict[str, Any], agent: Any = None) -> Seen:
    return decided(tool, given, agent, test_recipients=ONLY)


def looked_up(seen: Seen) -> set[tuple[str, str]]:
    return {(each.person.kind, each.person.value) for each in seen.decision.requires if isinstance(each, ListedPerson)}


BROADCAST = {"broadcast_id": 1}
ROWS = [{"id": "a", "data": {}}, {"email": "x@example.org", "data": {}}]
PERSON = {"type": "person", "identifiers": {"email": "ada@example.com"}}
OBJECT = {"type": "object", "identifiers": {"object_type_id": "1", "object_id": "o"}}
PROVABLE: list[tuple[str, dict[str, Any], set[tuple[str, str]]]] = [
    ("send_email", email(), set()),
    ("send_email", email(to="x@example.org, Ada <ADA@example.com>", bcc="x@example.org"), set()),
    ("send_email", email(identifiers={"email": "x@example.org"}), set()),
    ("send_sms", WRITES["send_sms"] | {"to": "+15551234567"}, set()),
    ("send_push", WRITES["send_push"] | {"identifiers": {"email": "x@example.org"}}, set()),
    ("send_push", WRITES["send_push"], {("id", "ada-1")}),
    ("send_sms", WRITES["send_sms"], {("id", "ada-1")}),
    ("send_in_app", WRITES["send_in_app"] | {"identifiers": {"cio_id": "0300"}}, {("cio_id", "0300")}),
    ("trigger_broadcast", BROADCAST | {"emails": ["ada@example.com", "x@example.org"]}, set()),
    ("trigger_broadcast", BROADCAST | {"emails": ["ada@example.com"], "email_add_duplicates": True}, set()),
    ("trigger_broadcast", BROADCAST | {"ids": ["a", "b"]}, {("id", "a"), ("id", "b")}),
    ("trigger_broadcast", BROADCAST | {"per_user_data": ROWS}, {("id", "a")}),
    ("schedule_newsletter", {"newsletter_id": 1, "scheduled_at": 0}, set()),
    ("identify_person", WRITES["identify_person"], {("id", "ada-1")}),
    ("identify_person", {"identifier": "x@example.org"}, set()),
    ("identify_person", {"identifier": "cio_0300"}, {("cio_id", "cio_0300")}),
    ("track_event", WRITES["track_event"], {("id", "ada-1")}),
    ("track_anonymous_event", {"name": "invited", "data": {"recipient": "x@example.org"}}, set()),
    ("submit_form", {"form_id": "f", "data": {"email": "x@example.org"}}, set()),
    ("add_people_to_segment", {"segment_id": 1, "id_type": "email", "ids": ["x@example.org"]}, set()),
    ("add_people_to_segment", WRITES["add_people_to_segment"], {("id", "ada-1"), ("id", "ada-2")}),
    ("apply_entity", WRITES["apply_entity"], {("id", "ada-1")}),
    ("delete_person", WRITES["delete_person"], set()),
    ("create_segment", WRITES["create_segment"], set()),
]  # fmt: skip
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("send_email", email(to="bob@evil.example")),
    ("send_email", email(to="ada@example.com, bob@evil.example")),
    ("send_email", email(cc="bob@evil.example")),
    ("send_email", email(bcc="bob@evil.example")),
    ("send_email", email(to='"ada@example.com" <bob@evil.example>')),
    ("send_email", email(identifiers={"email": "bob@evil.example"})),
    ("send_sms", WRITES["send_sms"] | {"to": "+15551234567", "identifiers": {"email": "bob@evil.example"}}),
    ("send_sms", WRITES["send_sms"] | {"to": "+15550000000"}),
    ("send_sms", WRITES["send_sms"] | {"to": "{{customer.phone}}"}),
    ("send_push", WRITES["send_push"] | {"identifiers": {"email": "bob@evil.example"}}),
    ("send_push", WRITES["send_push"] | {"to": "token", "identifiers": {"email": "ada@example.com"}}),
    ("trigger_broadcast", BROADCAST),
    ("trigger_broadcast", BROADCAST | {"recipients": {"segment": {"id": 1}}}),
    ("trigger_broadcast", BROADCAST | {"recipients": {"not": {"segment": {"id": 1}}}}),
    ("trigger_broadcast", BROADCAST | {"data_file_url": "https://hooks.example.com/x"}),
    ("trigger_broadcast", BROADCAST | {"emails": ["ada@example.com", "bob@evil.example"]}),
    ("trigger_broadcast", BROADCAST | {"ids": [str(each) for each in range(11)]}),
    ("send_newsletter", WRITES["send_newsletter"]),
    ("schedule_newsletter", WRITES["schedule_newsletter"]),
    ("identify_person", {"identifier": "bob@evil.example"}),
    ("identify_person", {"identifier": "cio_bob@evil.example"}),
    ("identify_person", {"identifier": "ada@example.com", "email": "bob@evil.example"}),
    ("upsert_device", WRITES["upsert_device"] | {"identifier": "ada@example.com"}),
    ("track_event", WRITES["track_event"] | {"identifier": "ada@example.com", "data": {"recipient": "b@evil.example"}}),
    *(
        (tool, given | {bag: each})
        for tool, given, bag in (
            ("track_event", {"identifier": "ada@example.com", "name": "e"}, "data"),
            ("track_anonymous_event", {"name": "e"}, "data"),
            ("apply_entity", PERSON | {"action": "event", "name": "e"}, "attributes"),
        )
        for each in (
            {"recipient": "b@evil.example", "Recipient": "ada@example.com"},
            {"Recipient": "ada@example.com", "recipient": "b@evil.example"},
        )
    ),
    ("track_anonymous_event", WRITES["track_anonymous_event"]),
    # Whatever the one lacks it takes from the other: a number, a device.
    ("merge_people", WRITES["merge_people"]),
    ("merge_people", {"primary": {"email": "x@example.org"}, "secondary": {"email": "ada@example.com"}}),
    ("apply_entity", {"type": "person", "action": "merge", "primary": {"id": "a"}, "secondary": {"id": "b"}}),
    ("submit_form", {"form_id": "f", "data": {"email": "bob@evil.example"}}),
    ("add_people_to_segment", {"segment_id": 1, "id_type": "email", "ids": ["x@example.org", "bob@evil.example"]}),
    ("apply_entity", OBJECT | {"action": "identify"}),
    ("apply_entity", {"type": "delivery", "action": "event", "identifiers": {"id": "d"}, "name": "opened",
                      "attributes": {"device_token": "t"}}),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "given", "people"), PROVABLE)
def test_what_reaches_only_the_listed_passes(tool: str, given: dict[str, Any], people: set[tuple[str, str]]) -> None:
    seen = only(tool, given)
    assert (seen.allowed, looked_up(seen)) == (True, people)
    assert seen.decision.caps == ()


@pytest.mark.parametrize(("tool", "given"), REFUSED)
def test_whatever_may_reach_anybody_else_is_refused(tool: str, given: dict[str, Any]) -> None:
    refused = only(tool, given)
    assert refused.decision.rule in ("--test-recipients", "recipients")
    assert "evil" not in refused.message + refused.next_step


@pytest.mark.parametrize(("tool", "given"), REFUSED)
def test_a_file_may_say_the_same(tool: str, given: dict[str, Any]) -> None:
    fields = ["cc", "bcc", "address"]
    agent = granted(recipients=ONLY_LISTED, fields=fields, hosts=frozenset({"*"}))
    assert decided(tool, given, agent).decision.rule == "recipients"


def test_answers_must_be_listed_by_a_file_that_says_so_but_not_for_a_test() -> None:
    given = email(reply_to="team@evil.example")
    assert only("send_email", given).allowed
    assert not decided("send_email", given, granted(recipients=ONLY_LISTED, fields=["reply_to"])).allowed


@pytest.mark.parametrize("tool", ["identify_person", "track_event", "add_people_to_segment", "apply_entity"])
def test_causes_that_a_file_calls_free_are_left_alone(tool: str) -> None:
    assert looked_up(only(tool, WRITES[tool], granted(causes=Causes.FREE))) == set()
    assert looked_up(only(tool, WRITES[tool], granted())) != set()


def test_a_listed_address_is_not_given_to_somebody_who_is_not() -> None:
    free = granted(causes=Causes.FREE, fields=["address"])
    given = {"identifier": "bob-1", "email": "ada@example.com"}
    assert looked_up(only("identify_person", given, free)) == {("id", "bob-1")}


EVENT = {"type": "person", "action": "event", "name": "e", "identifiers": {"id": "bob-1"}}
STRANGER, DEVICE = {"recipient": "bob@evil.example"}, {"token": "t", "platform": "ios"}
RELATED = {"action": "add_relationships", "cio_relationships": [{"identifiers": {"email": "bob@evil.example"}}]}
CHOSEN: list[tuple[str, dict[str, Any]]] = [
    ("track_event", WRITES["track_event"] | {"data": STRANGER}),
    ("track_event", WRITES["track_event"] | {"data": {"Recipient": "ada@example.com, bob@evil.example"}}),
    ("track_anonymous_event", {"name": "invited", "data": STRANGER}),
    ("apply_entity", EVENT | {"attributes": STRANGER}),
    ("apply_batch", {"batch": [WRITES["apply_entity"], EVENT | {"attributes": STRANGER}]}),
    ("identify_person", {"identifier": "bob@evil.example"}),
    ("identify_person", {"identifier": "ada@example.com", "email": "bob@evil.example"}),
    ("track_event", WRITES["track_event"] | {"identifier": "bob@evil.example"}),
    ("submit_form", {"form_id": "f", "data": {"email": "bob@evil.example"}}),
    ("apply_entity", OBJECT | RELATED),
    ("upsert_device", WRITES["upsert_device"] | {"identifier": "ada@example.com"}),
    ("apply_entity", PERSON | {"action": "add_device", "device": DEVICE}),
]


@pytest.mark.parametrize(("tool", "given"), CHOSEN)
def test_an_address_that_a_change_chooses_is_checked_though_its_causes_are_free(
    tool: str, given: dict[str, Any]
) -> None:
    anybody = granted(causes=Causes.FREE, fields=["address"], recipients=recipient_list(["@*"]))
    assert only(tool, given, anybody).decision.rule == "--test-recipients"
    listed = granted(causes=Causes.FREE, fields=["address"], recipients=ONLY_LISTED)
    assert decided(tool, given, listed).decision.rule == "recipients"
    assert decided(tool, given, anybody).allowed


def test_an_update_that_creates_nobody_is_left_alone_where_causes_are_free() -> None:
    given = {"identifier": "bob@evil.example", "update": True}
    assert only("identify_person", given, granted(causes=Causes.FREE, fields=["address"])).allowed
    assert not only("identify_person", given).allowed


def test_both_lists_hold() -> None:
    file = granted(recipients=ONLY_LISTED)
    assert only("send_email", email(to="x@example.org"), file).allowed
    narrower = recipient_list(["ada@example.com"])
    refused = decided("send_email", email(to="x@example.org"), file, test_recipients=narrower)
    assert refused.decision.rule == "--test-recipients"
    assert ORIGIN not in refused.next_step


def test_recipients_are_counted_with_a_list_and_without_grants() -> None:
    assert only("send_email", email(to="x@example.org, ada@example.com")).decision.recipients == 2
    assert only("track_event", WRITES["track_event"]).decision.recipients == 1
    assert decided("track_event", WRITES["track_event"]).decision.recipients == 0


@pytest.mark.parametrize("tool", ["send_email", "track_event"])
def test_a_tool_whose_arguments_nobody_can_read_reaches_anybody(tool: str) -> None:
    strange = CATALOG["get_segment"].params.model_validate({"segment_id": 1})
    assert touches(CATALOG[tool], strange) == (ANYBODY,)
    assert (ANYBODY.count, ANYBODY.others) == (None, True)


def test_a_list_says_nothing_of_changes_whose_causes_are_free() -> None:
    free = granted(recipients=ONLY_LISTED, causes=Causes.FREE)
    assert decided("identify_person", {"identifier": "bob-1"}, free).decision.requires == ()
    assert looked_up(decided("identify_person", {"identifier": "bob-1"}, granted(recipients=ONLY_LISTED))) != set()


def test_a_refused_call_counts_nobody() -> None:
    assert only("send_email", email(to="bob@evil.example")).decision.recipients == 0
