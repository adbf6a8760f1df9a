"""Whom messages may go to: the person's own address or a listed one, by whatever way they are sent."""

from typing import Any

import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.errors import NotPermitted
from cio_mcp.policy.addresses import Recipients
from cio_mcp.policy.grants import Causes
from cio_mcp.policy.requirements import ListedPerson, OwnAddress, answer, question, settle
from tests.policy.situations import LISTED, ONLY_LISTED, ORIGIN, OWN, WRITES, decided, email, granted

ADA = {"identifiers": {"email": "ada@example.com"}}
BOB = {"identifiers": {"email": "bob@evil.example"}}
PERSON = {"type": "person", "identifiers": {"id": "ada-1"}}


def with_own(**more: Any) -> Any:
    return granted(recipients=OWN, **more)


@pytest.mark.parametrize(
    ("to", "who", "own"),
    [
        ("ada@example.com", {"id": "ada-1"}, {("id", "ada-1", "ada@example.com")}),
        ("ADA@Example.com", {"cio_id": "0300"}, {("cio_id", "0300", "ada@example.com")}),
        ('"Bob" <ada@example.com>', {"id": "ada-1"}, {("id", "ada-1", "ada@example.com")}),
        ("ada@example.com, Ada <ADA@example.com>", {"id": "ada-1"}, {("id", "ada-1", "ada@example.com")}),
        ("ada@example.com", {"email": "Ada@example.com"}, {("email", "Ada@example.com", "ada@example.com")}),
        ("x@example.org, ada@evil.example", {"id": "ada-1"}, {("id", "ada-1", "ada@evil.example")}),
    ],
)
def test_an_address_that_is_not_listed_must_be_the_persons_own(
    to: str, who: dict[str, str], own: set[tuple[str, str, str]]
) -> None:
    seen = decided("send_email", email(to=to, identifiers=who), granted(recipients=Recipients(domains=LISTED.domains)))
    assert seen.allowed
    assert seen.own == own


@pytest.mark.parametrize("to", ["ada@example.com", "x@example.org", "Bob <ADA@EXAMPLE.COM>, x@example.org"])
def test_a_listed_address_needs_nobodys_leave(to: str) -> None:
    seen = decided("send_email", email(to=to), granted(recipients=LISTED))
    assert seen.allowed
    assert seen.decision.requires == ()


@pytest.mark.parametrize(
    ("to", "who"),
    [
        ("ada@example.com, bob@evil.example", {"id": "ada-1"}),
        ("bob@evil.example", {"email": "ada@example.com"}),
        ('"ada@example.com" <bob@evil.example>', {"email": "ada@example.com"}),
        ("ada@example.com, bob@evil.example", {"email": "ada@example.com"}),
    ],
)
def test_an_address_that_cannot_be_the_persons_is_refused_at_once(to: str, who: dict[str, str]) -> None:
    refused = decided("send_email", email(to=to, identifiers=who), with_own())
    assert refused.decision.rule == "recipients"
    assert "`to` must be the identified person's own address" in refused.message
    assert f"the address listed under [recipients] in {ORIGIN}" in refused.next_step
    assert "evil" not in refused.message + refused.next_step


@pytest.mark.parametrize(
    "to", ["bob%evil.example@example.org", "{{x}}@example.org", "{{x}} <x@example.org>", "Bob (c) <x@example.org>"]
)
def test_what_cannot_be_read_for_certain_is_refused_even_in_a_listed_domain(to: str) -> None:
    refused = decided("send_email", email(to=to), granted(recipients=LISTED))
    assert "cannot be read as plain addresses" in refused.message
    assert refused.next_step == 'Write it as ada@example.com or "Ada" <ada@example.com>.'


@pytest.mark.parametrize("field", ["cc", "bcc", "reply_to"])
def test_nobody_has_two_addresses_of_their_own(field: str) -> None:
    agent = with_own(fields=[field])
    refused = decided("send_email", email() | {field: "eve@evil.example"}, agent)
    assert f"`{field}` must be the identified person's own address" in refused.message
    assert decided("send_email", email() | {field: "ADA@example.com"}, agent).allowed


@pytest.mark.parametrize("field", ["cc", "bcc", "reply_to"])
def test_copies_and_answers_go_where_messages_may_go(field: str) -> None:
    agent = with_own(fields=[field])
    assert decided("send_email", email(**{field: "ada@example.com"}), agent).allowed
    refused = decided("send_email", email() | ADA | {field: "bob@evil.example"}, agent)
    assert f"`{field}` must be the identified person's own address" in refused.message
    assert decided(
        "send_email", email() | ADA | {field: "x@example.org"}, granted(recipients=LISTED, fields=[field])
    ).allowed


def test_whoever_is_named_by_an_address_must_be_known_to_customer_io() -> None:
    seen = decided("send_push", WRITES["send_push"] | ADA, with_own())
    assert seen.own == {("email", "ada@example.com", "ada@example.com")}
    assert decided("send_push", WRITES["send_push"] | ADA, with_own(fields=["address"])).decision.requires == ()
    assert decided("send_push", WRITES["send_push"] | ADA, granted(recipients=LISTED)).decision.requires == ()


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("identify_person", {"identifier": "bob@evil.example"}),
        ("upsert_device", WRITES["upsert_device"] | {"identifier": "bob@evil.example"}),
        ("track_event", WRITES["track_event"] | {"identifier": "bob@evil.example"}),
        ("submit_form", {"form_id": "f", "data": {"email": "bob@evil.example"}}),
        ("send_in_app", WRITES["send_in_app"] | BOB),
        ("send_sms", WRITES["send_sms"] | BOB),
        ("apply_entity", PERSON | BOB | {"action": "event", "name": "e"}),
        (
            "apply_entity",
            {"type": "object", "action": "add_relationships", "identifiers": {"object_type_id": "1", "object_id": "o"},
             "cio_relationships": [{"identifiers": {"email": "bob@evil.example"}}]},
        ),
    ],
)  # fmt: skip
def test_naming_somebody_by_an_address_does_not_make_them_a_recipient(tool: str, given: dict[str, Any]) -> None:
    agent = with_own(causes=Causes.FREE)
    if tool == "upsert_device":
        assert decided(tool, given, agent).decision.rule == "fields.address"
        return
    seen = decided(tool, given, agent)
    assert seen.allowed
    assert seen.own == {("email", "bob@evil.example", "bob@evil.example")}


@pytest.mark.parametrize("tool", ["identify_person", "track_event"])
def test_an_address_that_begins_like_a_cio_id_is_an_address(tool: str) -> None:
    seen = decided(tool, WRITES[tool] | {"identifier": "cio_bob@evil.example"}, with_own())
    assert seen.own == {("email", "cio_bob@evil.example", "cio_bob@evil.example")}
    assert decided(tool, WRITES[tool] | {"identifier": "cio_0300"}, with_own()).decision.requires == ()


def test_an_update_that_creates_nobody_asks_for_nothing() -> None:
    given = {"identifier": "bob@evil.example", "_update": True}
    assert decided("identify_person", given, with_own()).decision.requires == ()
    assert len(decided("identify_person", given | {"_update": False}, with_own()).decision.requires) == 1


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("identify_person", {"identifier": "ada-1", "email": "bob@evil.example"}),
        ("identify_person", {"identifier": "ada-1", "attributes": {"phone": "+15550000000"}}),
        ("identify_person", {"identifier": "ada-1", "attributes": {"Phone": 15550000000}}),
        ("submit_form", {"form_id": "f", "data": {"id": "ada-1", "phone": "+15550000000"}}),
        ("upsert_device", WRITES["upsert_device"]),
        ("send_push", WRITES["send_push"] | {"to": "token-of-another"}),
        ("send_push", WRITES["send_push"] | {"custom_device": {"token": "t", "platform": "ios"}}),
        ("send_push", WRITES["send_push"] | {"custom_payload": {"android": {"message": {"topic": "all"}}}}),
        ("send_push", WRITES["send_push"] | {"custom_payload": {"ios": {"x": [{"token": "t"}]}}}),
        ("apply_entity", PERSON | {"action": "identify", "attributes": {"email": "b@evil.example"}}),
        ("apply_entity", PERSON | {"action": "identify", "attributes": {"email": ["b@x.example"]}}),
        ("apply_entity", PERSON | {"action": "add_device", "device": {"token": "t", "platform": "ios"}}),
    ],
)  # fmt: skip
def test_to_give_somebody_an_address_or_a_device_is_a_grant_of_its_own(tool: str, given: dict[str, Any]) -> None:
    for causes in Causes:
        refused = decided(tool, given, with_own(causes=causes))
        assert refused.decision.rule == "fields.address"
        assert f'"address" added to `fields` in {ORIGIN}' in refused.next_step
    assert decided(tool, given, with_own(fields=["address"])).allowed


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("identify_person", {"identifier": "ada-1", "email": "ada@example.com"}),
        ("identify_person", {"identifier": "ada-1", "attributes": {"phone": "+15551234567", "plan": "pro"}}),
        ("identify_person", {"identifier": "ada-1", "attributes": {"phone": None}}),
        ("identify_person", {"identifier": "Bob@evil.example", "email": "bob@evil.example"}),
        ("send_push", WRITES["send_push"] | {"to": "all"}),
        ("send_push", WRITES["send_push"] | {"to": "last_used"}),
        ("send_push", WRITES["send_push"] | {"custom_payload": {"ios": {"aps": {"alert": "hello"}}}}),
    ],
)
def test_what_gives_nobody_a_new_address_needs_no_such_grant(tool: str, given: dict[str, Any]) -> None:
    assert decided(tool, given, granted(recipients=LISTED)).allowed


EVENTS: list[tuple[str, dict[str, Any], str]] = [
    ("track_event", {"identifier": "ada-1", "name": "e"}, "data"),
    ("track_anonymous_event", {"name": "e"}, "data"),
    *(
        (
            "apply_entity",
            {"type": "person", "action": action, "identifiers": {"id": "ada-1"}, "name": "e"},
            "attributes",
        )
        for action in ("event", "page", "screen")
    ),
]


@pytest.mark.parametrize("causes", Causes)
@pytest.mark.parametrize(("tool", "given", "bag"), EVENTS)
def test_an_event_cannot_send_a_campaign_elsewhere(tool: str, given: dict[str, Any], bag: str, causes: Causes) -> None:
    def event(**data: Any) -> dict[str, Any]:
        return given | {bag: data}

    agent = granted(recipients=LISTED, causes=causes)
    assert decided(tool, event(recipient="x@example.org"), agent).allowed
    for key in ("recipient", "Recipient", "RECIPIENT"):
        strangers = {"recipient": "x@example.org", key: "bob@evil.example, eve@evil.example"}
        listed = {"reCIPIENT": "x@example.org"}
        for data in (strangers, listed | strangers, strangers | listed):
            assert decided(tool, event(**data), agent).decision.rule == "recipients"
    assert "cannot be read" in decided(tool, event(recipient=["bob@evil.example"]), agent).message
    both = decided(
        tool, event(recipient="x@example.org", from_address="f@example.org", reply_to="x@example.org"), agent
    )
    assert both.decision.rule == "fields.from, fields.reply_to"
    answers = granted(recipients=LISTED, causes=causes, fields=["from", "reply_to"])
    assert decided(tool, event(recipient="x@example.org", from_address="f@x.example"), answers).allowed
    strangers = {"reply_to": "bob@evil.example, x@evil.example"}
    for replies in (strangers, strangers | {"Reply_To": "x@example.org"}):
        refused = decided(tool, event(recipient="x@example.org", **replies), answers)
        assert refused.decision.rule == "recipients"


def test_the_recipient_of_an_event_may_be_its_persons_own_address() -> None:
    seen = decided("track_event", WRITES["track_event"] | {"data": {"recipient": "ada@example.com"}}, with_own())
    assert seen.own == {("id", "ada-1", "ada@example.com")}
    invitation = {"name": "invited", "data": {"recipient": "bob@evil.example"}}
    assert decided("track_anonymous_event", invitation, with_own()).decision.rule == "recipients"


@pytest.mark.parametrize(
    ("to", "allowed", "own"),
    [
        (None, True, set()),
        ("+15551234567", True, set()),
        ("+15550000000", True, {("id", "ada-1", "+15550000000")}),
        ("{{customer.phone}}", False, set()),
    ],
)
def test_a_telephone_number_is_listed_or_the_persons_own(
    to: str | None, own: set[tuple[str, str, str]], *, allowed: bool
) -> None:
    given = WRITES["send_sms"] | ({"to": to} if to else {})
    seen = decided("send_sms", given, granted(recipients=LISTED))
    assert (seen.allowed, seen.own) == (allowed, own)


@pytest.mark.parametrize("tool", ["send_email", "send_sms", "send_push", "track_event", "identify_person"])
def test_nothing_is_asked_where_anybody_may_get_messages(tool: str) -> None:
    agent = granted(recipients=Recipients(domains=frozenset({"*"})), fields=["address"])
    given = WRITES[tool] | ({"to": "bob%x@evil.example"} if tool == "send_email" else {})
    seen = decided(tool, given, agent)
    assert (seen.allowed, seen.decision.requires) == (True, ())


HEADERS = ["Resent-To", "resent-bcc", "Errors-To", "Disposition-Notification-To", "Return-Receipt-To", "Apparently-To"]


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_names_no_further_recipients(name: str) -> None:
    refused = decided("send_email", email(headers={name: "bob@evil.example"}), with_own(fields=["headers"]))
    assert "a header names further recipients" in refused.message
    assert decided("send_email", email(headers={"X-Campaign": "spring"}), with_own(fields=["headers"])).allowed


FIELDS: dict[str, dict[str, Any]] = {
    "cc": {"cc": "ada@example.com"},
    "bcc": {"bcc": "ada@example.com"},
    "reply_to": {"reply_to": "ada@example.com"},
    "from": {"from": "team@example.com"},
    "headers": {"headers": {"X-Campaign": "spring"}},
    "attachments": {"attachments": {"a.txt": "YQ=="}},
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_a_grant_of_its_own(field: str) -> None:
    given = email(**FIELDS[field])
    others = [name for name in FIELDS if name != field]
    for fields in ([], others):
        refused = decided("send_email", given, granted(recipients=LISTED, fields=fields))
        assert refused.decision.rule == f"fields.{field}"
        assert f"`{field}` is a grant of its own" in refused.message
        assert refused.next_step.startswith(f"Leave {field} out. Or ask the operator")
        assert f'"{field}" added to `fields` in {ORIGIN}' in refused.next_step
    assert decided("send_email", given, granted(recipients=LISTED, fields=[field])).allowed
    assert decided("send_email", given).allowed


def test_the_sender_of_an_sms_is_a_grant_of_its_own_too() -> None:
    for more in ({}, {"to": "+15551234567"}):
        given = WRITES["send_sms"] | more
        assert decided("send_sms", given | {"from": "+15550001111"}, with_own()).decision.rule == "fields.from"
        assert decided("send_sms", given, granted(recipients=LISTED)).allowed


def test_several_broken_rules_are_told_at_once() -> None:
    given = email() | ADA | {"cc": "bob@evil.example", "bcc": "bob@evil.example", "headers": {"X-A": "b"}}
    refused = decided("send_email", given, with_own())
    assert refused.decision.rule == "fields.cc, fields.bcc, fields.headers"
    assert refused.message.count("grant of its own") == 3


def requirement(tool: str, given: dict[str, Any], recipients: Recipients = OWN) -> OwnAddress | ListedPerson:
    (found,) = decided(tool, given, granted(recipients=recipients)).decision.requires
    assert isinstance(found, OwnAddress | ListedPerson)
    return found


def refusal_of(found: NotPermitted | None) -> NotPermitted:
    assert found is not None
    return found


def test_an_own_address_is_settled_by_what_customer_io_has() -> None:
    asked = requirement("send_email", email())
    assert question(asked) == {"customer_id": "ada-1", "id_type": "id"}
    CATALOG["get_person_attributes"].params.model_validate(question(asked))  # does not raise
    assert settle(asked, "ada@example.com") is None
    assert settle(asked, "ADA@Example.com") is None
    for found in ("bob@example.com", "", None, "ada@example.com.evil.example", "ada@example.com ", 1):
        refusal = refusal_of(settle(asked, found))
        assert refusal.message.startswith("This server does not let this call of send_email pass: `to` must be")
        assert refusal.details == {"rule": "recipients"}


def test_a_cio_id_and_a_number_are_looked_up_as_such() -> None:
    by_cio_id = requirement("send_email", email(identifiers={"cio_id": "cio_0300"}))
    assert question(by_cio_id)["id_type"] == "cio_id"
    CATALOG["get_person_attributes"].params.model_validate(question(by_cio_id))  # does not raise
    by_phone = requirement(
        "apply_entity", {"type": "person", "action": "identify", "identifiers": {"phone": "+15551234567"}}
    )
    assert question(by_phone) == {"customer_id": "+15551234567", "id_type": "phone"}
    assert settle(by_phone, answer(by_phone, {"customer": {"attributes": {"phone": "+15551234567"}}})) is None
    assert settle(by_phone, answer(by_phone, {"customer": {"attributes": {"email": "+15551234567"}}})) is not None


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ({"customer": {"identifiers": {"email": "Ada@example.com"}}}, "ada@example.com"),
        ({"customer": {"attributes": {"email": "ada@example.com"}}}, "ada@example.com"),
        ({"customer": {"identifiers": {"email": ""}, "attributes": {"email": "ada@example.com"}}}, "ada@example.com"),
        ({"customer": {"identifiers": {"email": None}, "attributes": {}}}, None),
        ({"customer": {"identifiers": [], "attributes": "ada@example.com"}}, None),
        ({"customer": {"attributes": {"email": ["ada@example.com"]}}}, None),
        ({"customer": None}, None),
        ({}, None),
    ],
)
def test_a_reply_is_read_without_trust_in_its_form(reply: dict[str, Any], found: str | None) -> None:
    assert answer(requirement("send_email", email()), reply) == found


def test_a_listed_person_is_settled_by_the_list() -> None:
    asked = requirement("send_push", WRITES["send_push"], ONLY_LISTED)
    assert isinstance(asked, ListedPerson)
    assert answer(asked, {"customer": {"identifiers": {"email": "x@example.org"}}}) == "x@example.org"
    assert settle(asked, "X@Example.org") is None
    for found in ("bob@evil.example", None, 3):
        assert refusal_of(settle(asked, found)).code == "not_permitted"


def test_more_people_than_can_be_looked_up_are_refused() -> None:
    def batch(number: int) -> dict[str, Any]:
        who = [{"email": f"p{each}@example.com"} for each in range(number)]
        return {"batch": [{"type": "person", "action": "identify", "identifiers": each} for each in who]}

    assert len(decided("apply_batch", batch(10), with_own()).decision.requires) == 10
    refused = decided("apply_batch", batch(11), with_own())
    assert "11 people would have to be looked up" in refused.message
    assert decided("apply_batch", {"batch": batch(1)["batch"] * 20}, with_own()).allowed
