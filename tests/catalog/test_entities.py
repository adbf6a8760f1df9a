import json
from collections.abc import Iterator
from typing import Any

import pytest

from cio_mcp.catalog import Access, Repeat
from cio_mcp.catalog.entities import ITEM_BYTES, ApplyBatch, ApplyEntity, is_destructive, items_of
from cio_mcp.catalog.variants import VARIANTS, strictest
from tests.catalog.refusals import accepted, refusal

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
PERSON = {"type": "person", "identifiers": {"id": "42"}}
OBJECT = {"type": "object", "identifiers": {"object_type_id": "1", "object_id": "acme"}}
TO_OBJECT = [{"identifiers": {"object_type_id": "1", "object_id": "acme"}}]
TO_PERSON = [{"identifiers": {"email": "person@example.com"}, "relationship_attributes": {"role": None}}]
DEVICE = {"token": "abc:def", "platform": "ios", "attributes": {"push_enabled": "true"}}

# One full example of every variant that the Track API reference lists.
EXAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("person", "identify"): {
        **PERSON, "attributes": {"plan": "pro"}, "cio_relationships": TO_OBJECT, "timestamp": 1_700_000_000,
    },
    ("person", "event"): {**PERSON, "name": "bought", "id": ULID, "timestamp": 1_700_000_000, "attributes": {"n": 1}},
    ("person", "page"): {**PERSON, "name": "/pricing", "attributes": {"title": "Pricing"}},
    ("person", "screen"): {**PERSON, "name": "Home"},
    ("person", "add_relationships"): {**PERSON, "cio_relationships": TO_OBJECT},
    ("person", "delete_relationships"): {**PERSON, "cio_relationships": [{"identifiers": {"cio_object_id": "ob1"}}]},
    ("person", "add_device"): {**PERSON, "device": DEVICE},
    ("person", "delete_device"): {**PERSON, "device": {"token": "abc:def"}},
    ("person", "merge"): {"type": "person", "primary": {"id": "42"}, "secondary": {"email": "person@example.com"}},
    ("person", "delete"): PERSON,
    ("person", "suppress"): {"type": "person", "identifiers": {"phone": "+14155552671"}},
    ("person", "unsuppress"): {"type": "person", "identifiers": {"cio_id": "a3000001"}},
    ("object", "identify"): {**OBJECT, "attributes": {"seats": 50, "old": None}, "cio_relationships": TO_PERSON},
    ("object", "identify_anonymous"): {**OBJECT, "cio_relationships": [{"identifiers": {"anonymous_id": "anon"}}]},
    ("object", "delete"): {"type": "object", "identifiers": {"cio_object_id": "ob1"}},
    ("object", "add_relationships"): {**OBJECT, "cio_relationships": TO_PERSON},
    ("object", "delete_relationships"): {**OBJECT, "cio_relationships": TO_PERSON},
    ("delivery", "event"): {
        "type": "delivery", "identifiers": {"id": "RPILAgUB="}, "name": "opened", "attributes": {"device_token": "abc"},
    },
}  # fmt: skip


def example(kind: str, action: str, **changes: Any) -> dict[str, Any]:
    return {**EXAMPLES[kind, action], "action": action, **changes}


def entity(given: dict[str, Any]) -> ApplyEntity:
    params = accepted("apply_entity", given)
    assert isinstance(params, ApplyEntity)
    return params


def batch(*items: Any) -> ApplyBatch:
    params = accepted("apply_batch", {"batch": list(items)})
    assert isinstance(params, ApplyBatch)
    return params


def counted() -> Iterator[str]:
    return (f"01ARZ3NDEKTSV4RRFFQ69G5FA{digit}" for digit in "0123456789")


def test_every_variant_has_an_example() -> None:
    assert set(EXAMPLES) == set(VARIANTS)


@pytest.mark.parametrize(("kind", "action"), EXAMPLES)
def test_an_example_of_the_variant_goes_on_the_wire_as_given(kind: str, action: str) -> None:
    given = example(kind, action)
    assert entity(given).item() == given
    assert items_of(batch(given)) == [given]


@pytest.mark.parametrize(("kind", "action"), EXAMPLES)
def test_a_field_that_the_variant_needs_is_asked_for_by_name(kind: str, action: str) -> None:
    for field in VARIANTS[kind, action].needs:
        given = example(kind, action)
        del given[field]
        assert refusal("apply_entity", given) == f"{field}: Value error, is needed for {kind} {action}"


@pytest.mark.parametrize(("kind", "action"), EXAMPLES)
def test_a_field_of_another_variant_is_refused_by_name(kind: str, action: str) -> None:
    values: dict[str, Any] = {
        "identifiers": {"id": "1"}, "name": "x", "id": ULID, "timestamp": 1_700_000_000, "attributes": {},
        "cio_relationships": TO_OBJECT, "device": DEVICE, "primary": {"id": "1"}, "secondary": {"id": "2"},
    }  # fmt: skip
    variant = VARIANTS[kind, action]
    foreign = set(values) - set(variant.needs) - set(variant.takes)
    assert foreign
    for field in foreign:
        said = refusal("apply_entity", example(kind, action, **{field: values[field]}))
        assert said.startswith(f"{field}: Value error, does not belong to {kind} {action}, which takes ")


@pytest.mark.parametrize(
    ("kind", "action", "hint"),
    [
        ("person", "indentify", "did you mean identify?"),
        ("person", "remove_device", "did you mean delete_device?"),
        ("object", "identify_anon", "did you mean identify_anonymous?"),
        ("object", "event", "identify, identify_anonymous, delete, add_relationships, delete_relationships"),
        ("delivery", "events", "did you mean event?"),
        ("delivery", "delete", "event"),
    ],
)
def test_an_action_that_the_type_has_not_gets_the_nearest(kind: str, action: str, hint: str) -> None:
    given = {"type": kind, "action": action, "identifiers": {"id": "1"}}
    assert refusal("apply_entity", given) == f"action: Value error, must be one of {kind}: {hint}"


@pytest.mark.parametrize(
    ("given", "place", "remedy"),
    [
        (
            example("person", "delete", identifiers={"id": "1", "email": "a@example.com"}),
            "identifiers",
            "exactly one of",
        ),
        (example("person", "delete", identifiers={}), "identifiers", "exactly one of id | email | phone | cio_id"),
        (example("person", "delete", identifiers={"object_id": "1"}), "identifiers", "does not take 'object_id'"),
        (example("person", "delete", identifiers={"mail": 1.5}), "identifiers", "does not take 'mail'"),
        (example("person", "delete", identifiers={"id": 1.5}), "identifiers.id", "must be text"),
        (example("person", "delete", identifiers={"id": True}), "identifiers.id", "must be text"),
        (example("person", "delete", identifiers={"id": " "}), "identifiers.id", "must not be blank"),
        (example("person", "delete", identifiers={"id": "x" * 151}), "identifiers.id", "at most 150"),
        (example("person", "delete", identifiers={"email": "person"}), "identifiers.email", "an e-mail address"),
        (example("person", "delete", identifiers={"phone": "0155512345"}), "identifiers.phone", "E.164"),
        (example("object", "delete", identifiers={"object_id": "1"}), "identifiers", "object_type_id and object_id"),
        (
            example("object", "delete", identifiers={"cio_object_id": "1", "object_id": "1"}),
            "identifiers",
            "or cio_object_id alone",
        ),
        (
            example("object", "delete", identifiers={"object_type_id": "company", "object_id": "1"}),
            "identifiers.object_type_id",
            "must be a number",
        ),
        (example("delivery", "event", identifiers={"email": "a@example.com"}), "identifiers", "exactly one of id"),
        (example("delivery", "event", name="clicked"), "name", "opened | converted | delivered"),
        (example("delivery", "event", attributes={}), "attributes", "must hold device_token"),
        (example("person", "event", name="x" * 101), "name", "at most 100"),
        (example("person", "event", id="not-a-ulid"), "id", "must be a ULID"),
        (example("person", "event", timestamp=1_700_000_000_000), "timestamp", "milliseconds"),
        (
            example("person", "identify", attributes={f"a{i}": 1 for i in range(301)}),
            "attributes",
            "at most 300",
        ),
        (example("person", "identify", attributes={"x": "y" * 1001}), "attributes", "longer than 1,000 bytes"),
        (example("object", "identify", attributes={"x" * 151: 1}), "attributes", "longer than 150 bytes"),
        (example("person", "merge", secondary={"id": "42"}), "secondary", "another person than primary"),
        (
            example("person", "merge", primary={"phone": "+14155552671"}),
            "primary",
            "exactly one of id | email | cio_id",
        ),
        (example("person", "add_relationships", cio_relationships=[]), "cio_relationships", "at least one"),
        (
            example("person", "add_relationships", cio_relationships=TO_PERSON),
            "cio_relationships[0].identifiers",
            "object_type_id and object_id",
        ),
        (
            example("object", "add_relationships", cio_relationships=[*TO_PERSON, *TO_OBJECT]),
            "cio_relationships[1].identifiers",
            "exactly one of id | email | cio_id",
        ),
        (
            example("object", "identify_anonymous", cio_relationships=TO_PERSON),
            "cio_relationships[0].identifiers",
            "exactly one of anonymous_id",
        ),
        (
            example("object", "identify", cio_relationships=[{"identifiers": {"id": "1"}, "role": "x"}]),
            "cio_relationships[0]",
            "give identifiers, relationship_attributes",
        ),
        (
            example("object", "identify", cio_relationships=[{"role": "x"}]),
            "cio_relationships[0]",
            "does not take 'role'",
        ),
        (
            example("object", "identify", cio_relationships=[{}]),
            "cio_relationships[0].identifiers",
            "must be an object",
        ),
        (
            example(
                "object", "identify", cio_relationships=[{"identifiers": {"id": "1"}, "relationship_attributes": 1}]
            ),
            "cio_relationships[0].relationship_attributes",
            "must be an object",
        ),
        (example("person", "add_device", device={"token": "abc"}), "device.platform", "is needed: ios | android"),
        (example("person", "add_device", device={"platform": "ios"}), "device.token", "is needed"),
        (example("person", "add_device", device={**DEVICE, "token": 5}), "device.token", "must be text"),
        (example("person", "add_device", device={**DEVICE, "platform": "web"}), "device.platform", "ios | android"),
        (example("person", "add_device", device={**DEVICE, "last_used": 1}), "device.last_used", "unix seconds"),
        (example("person", "add_device", device={**DEVICE, "attributes": {"a": 1}}), "device.attributes", "text"),
        (example("person", "add_device", device={**DEVICE, "attributes": 1}), "device.attributes", "an object"),
        (example("person", "add_device", device={**DEVICE, "id": "1"}), "device", "does not take 'id'"),
        (example("person", "delete_device", device=DEVICE), "device", "must hold token alone"),
    ],
)
def test_a_wrong_item_is_refused_at_its_place_singly_and_in_a_batch(
    given: dict[str, Any], place: str, remedy: str
) -> None:
    alone = refusal("apply_entity", given)
    assert alone.startswith(f"{place}: ")
    assert remedy in alone
    assert refusal("apply_batch", {"batch": [example("person", "delete"), given]}) == f"batch[1].{alone}"


def test_numbers_become_the_text_that_identifiers_are() -> None:
    item = entity(example("object", "delete", identifiers={"object_type_id": 1, "object_id": 7})).item()
    assert item["identifiers"] == {"object_type_id": "1", "object_id": "7"}
    related = [{"identifiers": {"object_type_id": 1, "object_id": 7}}]
    item = entity(example("person", "add_relationships", cio_relationships=related)).item()
    assert item["cio_relationships"] == [{"identifiers": {"object_type_id": "1", "object_id": "7"}}]


def test_a_device_takes_its_time_as_iso_8601() -> None:
    item = entity(example("person", "add_device", device={**DEVICE, "last_used": "2026-01-31T09:00:00Z"})).item()
    assert item["device"]["last_used"] == 1_769_850_000


def test_null_removes_an_attribute_and_so_stays() -> None:
    assert entity(example("object", "identify")).item()["attributes"]["old"] is None


def test_a_null_argument_is_as_good_as_none() -> None:
    assert "name" not in entity(example("person", "delete", name=None)).item()
    assert "name" not in items_of(batch(example("person", "delete", name=None)))[0]


def test_json_text_is_taken_for_every_object_list_and_item() -> None:
    given = example("person", "add_relationships")
    as_text = {**given, "identifiers": json.dumps(given["identifiers"])}
    as_text["cio_relationships"] = json.dumps(given["cio_relationships"])
    assert entity(as_text).item() == given
    assert items_of(batch(json.dumps(given))) == [given]
    whole = accepted("apply_batch", {"batch": json.dumps([given])})
    assert isinstance(whole, ApplyBatch)
    assert items_of(whole) == [given]


@pytest.mark.parametrize("items", [[], "[]", {}, "person"])
def test_a_batch_needs_a_list_of_at_least_one_item(items: Any) -> None:
    assert refusal("apply_batch", {"batch": items}).startswith("batch: ")


def test_an_item_with_a_misspelt_field_is_named_with_its_place() -> None:
    said = refusal("apply_batch", {"batch": [example("person", "delete", identifier={"id": "1"})]})
    assert said.startswith("batch[0].identifier: ")


def padded(kind: str, action: str, size: int) -> dict[str, Any]:
    """Return an event whose compact JSON has exactly `size` bytes."""
    given = example(kind, action, attributes={"filler": ""})
    rest = size - len(json.dumps(given, separators=(",", ":")).encode())
    return {**given, "attributes": {"filler": "é" * (rest // 2) + "x" * (rest % 2)}}


def test_an_item_smaller_than_32_kb_is_taken_and_one_byte_more_is_refused() -> None:
    entity(padded("person", "event", ITEM_BYTES))
    assert "at most 31,999" in refusal("apply_entity", padded("person", "event", ITEM_BYTES + 1))
    said = refusal("apply_batch", {"batch": [padded("person", "event", ITEM_BYTES + 1)]})
    assert said.startswith("batch[0]: ")
    assert "at most 31,999" in said


def test_the_size_counts_the_id_that_an_event_is_going_to_get() -> None:
    room = ITEM_BYTES - len(f',"id":"{ULID}"')
    assert "at most 31,999" in refusal("apply_entity", padded("person", "page", room + 1))
    ids = counted()
    fits = entity(padded("person", "page", room)).minted(lambda: next(ids))
    assert len(json.dumps(fits.item(), separators=(",", ":"), ensure_ascii=False).encode()) == ITEM_BYTES


# What a repeat does follows from what the reference says of each action.
SAFE = {
    ("person", "identify"), ("person", "add_relationships"), ("person", "delete_relationships"),
    ("person", "add_device"), ("person", "delete_device"), ("person", "unsuppress"), ("object", "identify"),
    ("object", "identify_anonymous"), ("object", "add_relationships"), ("object", "delete_relationships"),
}  # fmt: skip
GONE = {("person", "delete"), ("person", "suppress"), ("person", "merge"), ("object", "delete")}
EVENTS = {("person", "event"), ("person", "page"), ("person", "screen")}


@pytest.mark.parametrize(("kind", "action"), EXAMPLES)
def test_a_repeat_does_what_the_action_means(kind: str, action: str) -> None:
    expected = Repeat.NEVER
    for repeat, variants in (
        (Repeat.SAFE, SAFE), (Repeat.SAFE_UNLESS_RECREATED, GONE), (Repeat.DEDUPLICATED, EVENTS),
    ):  # fmt: skip
        if (kind, action) in variants:
            expected = repeat
    assert entity(example(kind, action)).own_repeat() is expected


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], Repeat.SAFE),
        ([("person", "event")], Repeat.DEDUPLICATED),
        ([("person", "event"), ("person", "delete")], Repeat.SAFE_UNLESS_RECREATED),
        ([("person", "delete"), ("person", "event")], Repeat.SAFE_UNLESS_RECREATED),
        ([("person", "delete"), ("delivery", "event"), ("person", "event")], Repeat.NEVER),
    ],
)
def test_a_batch_repeats_like_its_strictest_item(others: list[tuple[str, str]], expected: Repeat) -> None:
    items = [example("person", "identify"), *(example(*variant) for variant in others)]
    assert batch(*items).own_repeat() is expected


def test_the_strictest_of_none_is_safe() -> None:
    assert strictest([]) is Repeat.SAFE


def test_only_what_removes_is_destructive() -> None:
    removing = {variant for variant, shape in VARIANTS.items() if shape.access is Access.DESTRUCTIVE}
    assert removing == {*GONE, ("person", "delete_device")}
    assert is_destructive(entity(example("person", "suppress")))
    assert not is_destructive(entity(example("person", "identify")))
    assert is_destructive(batch(example("person", "identify"), example("object", "delete")))
    assert not is_destructive(batch(example("person", "identify"), example("person", "event")))


def test_every_event_of_a_person_without_an_id_gets_its_own() -> None:
    ids = counted()
    given = batch(
        example("person", "screen"), example("person", "event"), example("delivery", "event"),
        example("person", "delete"), example("person", "page"),
    )  # fmt: skip
    minted = items_of(given.minted(lambda: next(ids)))
    assert [item.get("id") for item in minted] == [
        "01ARZ3NDEKTSV4RRFFQ69G5FA0", ULID, None, None, "01ARZ3NDEKTSV4RRFFQ69G5FA1",
    ]  # fmt: skip
    assert "id" not in items_of(given)[0]


def test_a_single_event_gets_an_id_and_keeps_one_it_has() -> None:
    assert entity(example("person", "screen")).minted(lambda: "01ARZ3NDEKTSV4RRFFQ69G5FAZ").id == (
        "01ARZ3NDEKTSV4RRFFQ69G5FAZ"
    )
    assert entity(example("person", "event")).minted(lambda: "01ARZ3NDEKTSV4RRFFQ69G5FAZ").id == ULID
    assert entity(example("delivery", "event")).minted(lambda: "01ARZ3NDEKTSV4RRFFQ69G5FAZ").id is None
