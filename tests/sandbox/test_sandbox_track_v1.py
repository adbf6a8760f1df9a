"""Track v1: what is refused, and what is accepted in silence."""

import pytest

from tests.sandbox.sandbox_talk import START, Talk

ULID = "01J00000000000000000000001"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/customers/x", {"n" * 151: "v"}),
        ("PUT", "/customers/x", {"n": "v" * 1001}),
        ("PUT", "/customers/x", {"n": "é" * 501}),
        ("PUT", "/customers/x", {f"n{i}": 1 for i in range(301)}),
        ("PUT", "/customers/" + "i" * 151, {}),
        ("PUT", "/customers/x", {"created_at": 1_700_000_000_000}),
        ("PUT", "/customers/x", {"cio_relationships": {"action": "add", "relationships": []}}),
        ("PUT", "/customers/x", [1]),
        ("POST", "/customers/x/events", {}),
        ("POST", "/customers/x/events", {"name": " "}),
        ("POST", "/customers/x/events", {"name": "n" * 101}),
        ("POST", "/customers/x/events", {"name": "n", "type": "click"}),
        ("POST", "/customers/x/events", {"name": "n", "data": "text"}),
        ("POST", "/customers/x/events", {"name": "n", "data": {"k": "v" * 100_000}}),
        ("POST", "/customers/x/events", {"name": "n", "timestamp": "now"}),
        ("POST", "/events", {"anonymous_id": "a"}),
        ("PUT", "/customers/x/devices", {}),
        ("PUT", "/customers/x/devices", {"device": {"id": "t"}}),
        ("PUT", "/customers/x/devices", {"device": {"id": "t", "platform": "web"}}),
        ("PUT", "/customers/x/devices", {"device": {"token": "t", "platform": "ios"}}),
        ("PUT", "/customers/x/devices", {"device": {"id": "t", "platform": "ios", "attributes": {"n": 1}}}),
        ("POST", "/forms/f/submit", {"email": "a@example.com"}),
        ("POST", "/forms/f/submit", {"data": {"name": "n"}}),
        ("POST", "/forms/f/submit", {"data": {"email": "a@example.com", "id": "1"}}),
        ("POST", "/forms/f/submit", {"data": {"email": "a@example.com", "age": 3}}),
        ("POST", "/segments/2/add_customers", {}),
        ("POST", "/segments/2/add_customers", {"ids": []}),
        ("POST", "/segments/2/add_customers", {"ids": ["1"] * 1001}),
        ("POST", "/segments/2/add_customers", {"ids": [1]}),
        ("POST", "/segments/2/add_customers?id_type=phone", {"ids": ["1"]}),
        ("POST", "/segments/1/add_customers", {"ids": ["1"]}),
        ("POST", "/metrics", {"delivery_id": "x", "metric": "seen"}),
    ],
)
def test_a_malformed_call_is_refused_with_a_list_of_errors(cio: Talk, method: str, path: str, body: object) -> None:
    response = cio.track(method, f"/v1{path}", body)
    assert response.status_code == 400, response.text
    (message,) = response.json()["meta"]["errors"]
    assert isinstance(message, str)


@pytest.mark.parametrize("body", [b"{", b'{"name": NaN}', b"\xff", b"[" * 100_000, b'"text"'])
def test_what_is_not_a_json_object_is_refused(cio: Talk, body: bytes) -> None:
    response = cio.track("POST", "/v1/customers/x/events", content=body)
    assert response.status_code == 400
    assert response.json()["meta"]["errors"]


@pytest.mark.parametrize(
    "primary", [{"id": "1", "email": "a@example.com"}, {"phone": "+15550100"}, {}, "1", {"id": ""}]
)
def test_a_merge_names_one_identifier_on_each_side(cio: Talk, primary: object) -> None:
    response = cio.track("POST", "/v1/merge_customers", {"primary": primary, "secondary": {"id": "2"}})
    assert response.status_code == 400
    assert isinstance(response.json()["meta"]["error"], str)


def test_an_unknown_segment_is_404(cio: Talk) -> None:
    assert cio.track("POST", "/v1/segments/99/add_customers", {"ids": ["1"]}).status_code == 404


def test_identify_creates_updates_and_removes_attributes(cio: Talk) -> None:
    cio.track("PUT", "/v1/customers/zoe", {"plan": "pro", "seats": 3, "vip": True})
    cio.track("PUT", "/v1/customers/zoe", {"plan": "", "email": "zoe@example.com"})
    found = cio.attributes("zoe")
    assert found is not None
    assert {k: found.get(k) for k in ("plan", "seats", "vip", "email")} == {
        "plan": None,
        "seats": "3",
        "vip": "true",
        "email": "zoe@example.com",
    }


def test_update_only_creates_nobody(cio: Talk) -> None:
    assert cio.track("PUT", "/v1/customers/zoe", {"_update": True, "plan": "pro"}).json() == {}
    assert cio.attributes("zoe") is None


def test_a_path_identifier_is_read_by_its_shape(cio: Talk) -> None:
    cio.track("PUT", "/v1/customers/zoe%40example.com", {"plan": "pro"})
    (found,) = cio.read("/customers?email=ZOE%40example.com")["results"]
    assert (found["id"], found["email"]) == (None, "zoe@example.com")
    cio.track("PUT", f"/v1/customers/cio_{found['cio_id']}", {"id": "zoe"})
    assert cio.attributes("zoe") is not None
    cio.track("PUT", "/v1/customers/cio_ffff", {"plan": "pro"})
    assert cio.read("/segments/1/customer_count")["count"] == 30
    cio.track("PUT", "/v1/customers/cio_zoe%40example.com", {"plan": "pro"})
    (also,) = cio.read("/customers?email=cio_zoe%40example.com")["results"]
    assert (also["id"], also["email"]) == (None, "cio_zoe@example.com")


def test_a_new_id_with_a_known_email_renames_the_owner(cio: Talk) -> None:
    before = cio.read("/customers?email=ada%40example.com")["results"][0]["cio_id"]
    cio.track("PUT", "/v1/customers/ada-new", {"email": "ada@example.com"})
    (found,) = cio.read("/customers?email=ada%40example.com")["results"]
    assert (found["id"], found["cio_id"]) == ("ada-new", before)
    assert cio.attributes("ada-1") is None


def test_identifiers_of_two_people_are_a_silent_failure(cio: Talk) -> None:
    assert cio.track("PUT", "/v1/customers/1", {"email": "ada@example.com", "plan": "x"}).status_code == 200
    found = cio.attributes("1")
    assert found is not None
    assert (found["email"], found["plan"]) == ("person1@example.com", "x")
    types = [line["type"] for line in cio.read("/customers/1/activities")["activities"]]
    assert "failed_attribute_change" in types


def test_a_deleted_person_can_come_back_a_suppressed_one_cannot(cio: Talk) -> None:
    cio.track("DELETE", "/v1/customers/1")
    cio.track("PUT", "/v1/customers/1", {})
    assert cio.attributes("1") is not None
    cio.track("POST", "/v1/customers/1/suppress")
    cio.track("PUT", "/v1/customers/1", {})
    assert cio.attributes("1") is None
    cio.track("POST", "/v1/customers/1/unsuppress")
    assert cio.attributes("1") is None
    cio.track("PUT", "/v1/customers/1", {})
    assert cio.attributes("1") is not None


def test_suppressing_an_id_blocks_the_address_as_well(cio: Talk) -> None:
    cio.track("POST", "/v1/customers/ada-1/suppress")
    cio.track("PUT", "/v1/customers/ADA%40example.com", {})
    assert cio.read("/customers?email=ada%40example.com")["results"] == []


@pytest.mark.parametrize(
    ("path", "body", "allowed", "found"),
    [
        ("ada%40example.com", {"id": "ada-2"}, True, "ada-1 ada@example.com"),
        ("cio_a300001a", {"id": "ada-2"}, True, "ada-2 ada@example.com"),
        ("ada-1", {"email": "new@example.com"}, True, "ada-1 new@example.com"),
        ("ada-1", {"email": "new@example.com"}, False, "ada-1 ada@example.com"),
        ("cio_a300001a", {"email": "new@example.com"}, False, "ada-1 new@example.com"),
    ],
)
def test_an_identifier_that_is_set_changes_only_where_it_may(
    cio: Talk, path: str, body: object, *, allowed: bool, found: str
) -> None:
    cio.sandbox.app.state.world.email_by_id = allowed
    assert cio.track("PUT", f"/v1/customers/{path}", body).status_code == 200
    customer = cio.read("/customers/cio_a300001a/attributes?id_type=cio_id")["customer"]["identifiers"]
    assert f"{customer['id']} {customer['email']}" == found


def test_a_deleted_person_leaves_segments_and_objects_but_not_the_messages(cio: Talk) -> None:
    world = cio.sandbox.app.state.world
    cio.track("DELETE", "/v1/customers/ada-1")
    assert "a300001a" not in world.segments.by_id[2].members
    assert all("a300001a" not in thing.people for thing in world.objects)
    assert "ada-1" in {m["customer_id"] for m in cio.read("/messages?limit=1000")["messages"]}


def test_a_suppressed_address_cannot_come_back_through_another_id(cio: Talk) -> None:
    cio.track("POST", "/v1/customers/ada-1/suppress")
    cio.track("PUT", "/v1/customers/ada-2", {"email": "ada@example.com"})
    assert cio.read("/customers?email=ada%40example.com")["results"] == []


def test_a_ulid_seen_before_is_ignored_and_another_id_is_not(cio: Talk) -> None:
    events = cio.sandbox.app.state.world.events
    before = len(events)
    for event_id in (ULID, ULID, "not-a-ulid", "not-a-ulid"):
        cio.track("POST", "/v1/customers/1/events", {"name": "bought", "id": event_id})
    assert len(cio.sandbox.app.state.world.events) - before == 3


def test_an_event_is_trimmed_kept_and_creates_an_unknown_person(cio: Talk) -> None:
    event = {"name": "  bought ", "data": {"sku": "A-1"}, "timestamp": int(START) - 60}
    cio.track("POST", "/v1/customers/zoe/events", event)
    (line,) = cio.read("/customers/zoe/activities?type=event")["activities"]
    assert (line["name"], line["data"], line["timestamp"]) == ("bought", {"sku": "A-1"}, int(START) - 60)


def test_anonymous_events_of_the_last_30_days_join_the_person(cio: Talk) -> None:
    for name, days in (("old", 31), ("recent", 29)):
        timestamp = int(START) - days * 86_400
        cio.track("POST", "/v1/events", {"name": name, "anonymous_id": "anon", "timestamp": timestamp})
    cio.track("PUT", "/v1/customers/zoe", {"anonymous_id": "anon"})
    names = [line["name"] for line in cio.read("/customers/zoe/activities?type=event")["activities"]]
    assert names == ["recent"]


def test_a_merge_moves_history_and_deletes_the_secondary(cio: Talk) -> None:
    cio.track("POST", "/v1/merge_customers", {"primary": {"id": "2"}, "secondary": {"id": "ada-1"}})
    assert cio.attributes("ada-1") is None
    assert {m["subject"] for m in cio.read("/customers/2/messages")["messages"]} >= {"Your receipt", "Welcome"}
    assert 2 in [s["id"] for s in cio.read("/customers/2/segments")["segments"]]
    assert cio.read("/customers/2/relationships")["cio_relationships"][0]["identifiers"]["object_id"] == "acme"


def test_a_merge_into_nobody_does_nothing(cio: Talk) -> None:
    body = {"primary": {"id": "nobody"}, "secondary": {"id": "1"}}
    assert cio.track("POST", "/v1/merge_customers", body).json() == {}
    assert cio.attributes("1") is not None


def test_segment_entries_of_another_kind_are_ignored(cio: Talk) -> None:
    body = {"ids": ["ada@example.com", "bob-2", "nobody"]}
    before = cio.read("/segments/2/customer_count")["count"]
    assert cio.track("POST", "/v1/segments/2/add_customers", body).json() == {}
    assert cio.read("/segments/2/customer_count")["count"] == before + 1
    cio.track("POST", "/v1/segments/2/remove_customers?id_type=email", {"ids": ["bob@example.com"]})
    assert cio.read("/segments/2/customer_count")["count"] == before


def test_a_refused_form_is_still_registered(cio: Talk) -> None:
    assert cio.track("POST", "/v1/forms/lead/submit", {"data": {"name": "x"}}).status_code == 400
    assert cio.sandbox.app.state.world.forms == {"lead": 0}


def test_relationships_can_be_set_with_identify(cio: Talk) -> None:
    identifiers = {"object_type_id": "1", "object_id": "acme"}
    entry = {"identifiers": identifiers, "relationship_attributes": {"role": "viewer"}}
    body = {"cio_relationships": {"action": "add_relationships", "relationships": [entry]}}
    cio.track("PUT", "/v1/customers/1", body)
    (found,) = cio.read("/customers/1/relationships")["cio_relationships"]
    assert (found["object_type_id"], found["attributes"]) == (1, {"role": "viewer"})


def test_preferences_come_back_as_json_in_a_string(cio: Talk) -> None:
    cio.track("PUT", "/v1/customers/1", {"cio_subscription_preferences": {"topics": {"topic_1": True}}})
    cio.track("PUT", "/v1/customers/1", {"cio_subscription_preferences.topics.topic_2": False})
    found = cio.attributes("1")
    assert found is not None
    assert found["cio_subscription_preferences"] == '{"topics":{"topic_1":true,"topic_2":false}}'


def test_preferences_of_another_shape_are_replaced_by_a_single_topic(cio: Talk) -> None:
    body = {"cio_subscription_preferences": {"topics": "x"}, "cio_subscription_preferences.topics.topic_2": True}
    assert cio.track("PUT", "/v1/customers/1", body).status_code == 200
    found = cio.attributes("1")
    assert found is not None
    assert found["cio_subscription_preferences"] == '{"topics":{"topic_2":true}}'


@pytest.mark.parametrize(("value", "expected"), [("TRUE", True), (1, True), ("1", True), ("yes", False), (0, False)])
def test_only_true_and_one_mean_unsubscribed(cio: Talk, value: object, expected: bool) -> None:  # noqa: FBT001 - data
    cio.track("PUT", "/v1/customers/1", {"unsubscribed": value})
    assert cio.read("/customers/1/attributes")["customer"]["unsubscribed"] is expected


def test_the_region_is_told_by_the_track_key(cio: Talk) -> None:
    assert cio.track("GET", "/v1/accounts/region").json() == {
        "url": "https://track.customer.io",
        "region": "us",
        "environment_id": 1,
    }
