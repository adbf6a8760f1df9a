"""Track v2: every variant, every refusal, and partly accepted batches."""

from typing import Any

import pytest

from tests.sandbox.sandbox_talk import Talk

ADA = {"id": "ada-1"}
ACME = {"object_type_id": "1", "object_id": "acme"}


def person(action: str, **more: Any) -> dict[str, Any]:
    return {"type": "person", "action": action, "identifiers": ADA} | more


def thing(action: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "action": action, "identifiers": ACME} | more


VARIANTS: list[dict[str, Any]] = [
    person("identify", attributes={"plan": "pro"}, cio_relationships=[{"identifiers": ACME}]),
    person("delete"),
    person("event", name="bought", attributes={"sku": 1}),
    person("page", name="https://example.com"),
    person("screen", name="home"),
    person("add_relationships", cio_relationships=[{"identifiers": ACME}]),
    person("delete_relationships", cio_relationships=[{"identifiers": ACME}]),
    person("add_device", device={"token": "t", "platform": "ios"}),
    person("delete_device", device={"token": "t"}),
    {"type": "person", "action": "merge", "primary": {"id": "1"}, "secondary": {"id": "2"}},
    person("suppress"),
    person("unsuppress"),
    {"type": "person", "action": "identify", "identifiers": {"phone": "+15550100001"}},
    thing("identify", attributes={"seats": 1}, cio_relationships=[{"identifiers": ADA}]),
    thing("identify_anonymous", cio_relationships=[{"identifiers": {"anonymous_id": "a"}}]),
    thing("delete"),
    thing("add_relationships", cio_relationships=[{"identifiers": ADA}]),
    thing("delete_relationships", cio_relationships=[{"identifiers": ADA}]),
    {
        "type": "delivery",
        "action": "event",
        "identifiers": {"id": "RPI="},
        "name": "opened",
        "attributes": {"device_token": "t"},
    },
]


@pytest.mark.parametrize("item", VARIANTS)
def test_each_variant_is_accepted(cio: Talk, item: dict[str, Any]) -> None:
    response = cio.track("POST", "/v2/entity", item)
    assert (response.status_code, response.json()) == (200, {})


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({}, "type"),
        ({"type": "company"}, "type"),
        ({"type": "person"}, "action"),
        (person("merge"), "primary"),
        (person("create"), "action"),
        ({"type": "person", "action": "identify"}, "identifiers"),
        (person("identify", identifiers={"id": "1", "email": "a@example.com"}), "identifiers"),
        (person("identify", identifiers={"id": ""}), "identifiers"),
        (person("identify", attributes={"_update": "yes"}), "_update"),
        (person("identify", attributes=[1]), "attributes"),
        (person("event"), "name"),
        (person("event", name="n" * 101), "name"),
        (person("add_relationships"), "cio_relationships"),
        (person("add_relationships", cio_relationships=[{"identifiers": ADA}]), "identifiers"),
        (person("add_device", device={"token": "t"}), "platform"),
        (person("add_device", device={"id": "t", "platform": "ios"}), "token"),
        (thing("event", name="n"), "action"),
        (thing("identify", identifiers={"object_type_id": 1, "object_id": "a"}), "identifiers"),
        (thing("identify", identifiers={"object_type_id": "one", "object_id": "a"}), "identifiers"),
        (thing("identify", identifiers={"object_id": "a"}), "identifiers"),
        (thing("add_relationships", cio_relationships=[{"identifiers": {"phone": "+1555"}}]), "identifiers"),
        (thing("identify", attributes={f"a{i}": 1 for i in range(301)}), "attributes"),
        ({"type": "delivery", "action": "event", "identifiers": {"id": "x"}, "name": "clicked"}, "name"),
        ({"type": "delivery", "action": "event", "identifiers": {"id": "x"}, "name": "opened"}, "attributes"),
        (
            {"type": "person", "action": "merge", "primary": {"phone": "+1555"}, "secondary": {"id": "2"}},
            "primary",
        ),
    ],
)
def test_each_malformed_variant_is_refused_by_field(cio: Talk, item: dict[str, Any], field: str) -> None:
    response = cio.track("POST", "/v2/entity", item)
    assert response.status_code == 400, response.text
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert error.keys() == {"reason", "field", "message"}


def test_a_batch_with_some_bad_items_is_207_and_applies_the_rest(cio: Talk) -> None:
    items = [person("identify", attributes={"n": 1}), {"type": "person"}, thing("delete"), person("event")]
    response = cio.track("POST", "/v2/batch", {"batch": items})
    assert response.status_code == 207
    assert [error["batch_index"] for error in response.json()["errors"]] == [1, 3]
    found = cio.attributes("ada-1")
    assert found is not None
    assert found["n"] == "1"
    assert cio.read("/customers/ada-1/relationships")["cio_relationships"] == []


def test_a_batch_of_bad_items_is_400_without_indexes(cio: Talk) -> None:
    response = cio.track("POST", "/v2/batch", {"batch": [{}, {"type": "person"}]})
    assert response.status_code == 400
    assert all("batch_index" not in error for error in response.json()["errors"])


@pytest.mark.parametrize("body", [{}, {"batch": []}, {"batch": "x"}, {"batch": {"type": "person"}}])
def test_a_batch_needs_items(cio: Talk, body: object) -> None:
    assert cio.track("POST", "/v2/batch", body).status_code == 400


def test_sizes_are_limited_per_request_and_per_item(cio: Talk) -> None:
    big = person("event", name="n", attributes={"k": "v" * 32_000})
    assert cio.track("POST", "/v2/entity", big).status_code == 400
    mixed = cio.track("POST", "/v2/batch", {"batch": [person("event", name="n"), big]})
    assert (mixed.status_code, mixed.json()["errors"][0]["batch_index"]) == (207, 1)
    medium = person("event", name="n", attributes={"k": "v" * 30_000})
    assert cio.track("POST", "/v2/batch", {"batch": [medium] * 16}).status_code == 200
    assert cio.track("POST", "/v2/batch", {"batch": [medium] * 17}).status_code == 400


def test_attributes_and_relationships_have_effect(cio: Talk) -> None:
    cio.track("POST", "/v2/entity", thing("identify", attributes={"name": "New", "seats": None}))
    acme = cio.sandbox.app.state.world.objects.find(ACME)
    assert acme.attributes == {"name": "New"}
    by_cio = {"identifiers": {"cio_object_id": acme.cio_object_id}, "relationship_attributes": {"role": ""}}
    cio.track("POST", "/v2/entity", person("add_relationships", cio_relationships=[by_cio]))
    (found,) = cio.read("/customers/ada-1/relationships")["cio_relationships"]
    assert found["attributes"] == {}


def test_an_identifier_the_workspace_lacks_is_refused(cio: Talk) -> None:
    cio.sandbox.app.state.world.identifier_kinds = frozenset({"id", "email"})
    item = {"type": "person", "action": "delete", "identifiers": {"phone": "+15550100001"}}
    assert cio.track("POST", "/v2/entity", item).status_code == 400
    assert cio.app("GET", "/customers/+1555/attributes?id_type=phone").status_code == 400


def test_a_reported_metric_shows_on_the_delivery(cio: Talk) -> None:
    body = {"transactional_message_id": 2, "identifiers": ADA}
    number = cio.app("POST", "/send/push", body).json()["delivery_id"]
    item = {"type": "delivery", "action": "event", "identifiers": {"id": number}, "name": "converted"}
    cio.track("POST", "/v2/entity", item | {"attributes": {"device_token": "ada-ios-token"}})
    assert "converted" in cio.read(f"/messages/{number}")["message"]["metrics"]
