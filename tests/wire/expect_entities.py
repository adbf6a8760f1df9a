"""Track API v2, entity and batch: https://docs.customer.io/api/track/ "Track v2".

Each variant of the payload is one call of `apply_entity` and one item of `apply_batch`.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tests.wire.case import JSON, MINTED, ULID, Case

_entity = partial(Case, tool="apply_entity", method="POST", path="/api/v2/entity", auth="basic")
_batch = partial(Case, tool="apply_batch", method="POST", path="/api/v2/batch", auth="basic")


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One payload: `given` by the caller, and the members that are `changed` on the wire."""

    id: str
    given: dict[str, JSON]
    changed: dict[str, JSON] = field(default_factory=dict)

    @property
    def wire(self) -> dict[str, JSON]:
        """The payload as it has to travel."""
        return {**self.given, **self.changed}


OBJECT: Final = {"object_type_id": "1", "object_id": "acme"}
PERSON: Final[dict[str, JSON]] = {"type": "person", "identifiers": {"id": "42"}}
ACME: Final[dict[str, JSON]] = {"type": "object", "identifiers": OBJECT}

PERSON_STATE: Final = (
    Variant(
        id="person identify, identifier alone",
        given={**PERSON, "action": "identify"},
    ),
    Variant(
        id="person identify, every documented member",
        given={
            "type": "person",
            "identifiers": {"email": "a+b@example.com"},
            "action": "identify",
            "timestamp": "2026-02-25T09:59:58Z",
            "attributes": {
                "first_name": "José",
                "seats": 5,
                "renewal": "2026-03-01T00:00:00Z",
                "_update": True,
                "cio_subscription_preferences": {"topics": {"topic_1": True, "topic_2": False}},
            },
            "cio_relationships": [
                {"identifiers": OBJECT, "relationship_attributes": {"role": "admin", "since": None}},
                {"identifiers": {"cio_object_id": "obb7fd050101"}},
            ],
        },
        changed={"timestamp": 1772013598},
    ),
    Variant(
        id="person delete, number for an id",
        given={"type": "person", "identifiers": {"id": 42}, "action": "delete"},
        changed={"identifiers": {"id": "42"}},
    ),
    Variant(
        id="person suppress, by phone",
        given={"type": "person", "identifiers": {"phone": "+14155552671"}, "action": "suppress"},
    ),
    Variant(
        id="person unsuppress, by cio_id",
        given={"type": "person", "identifiers": {"cio_id": "a3000001"}, "action": "unsuppress"},
    ),
    Variant(
        id="person merge, without identifiers",
        given={
            "type": "person",
            "action": "merge",
            "primary": {"email": "cool.person@example.com"},
            "secondary": {"cio_id": "a3000001"},
        },
    ),
)

PERSON_EVENTS: Final = (
    Variant(
        id="person event",
        given={
            **PERSON,
            "action": "event",
            "name": "purchase",
            "id": ULID,
            "timestamp": 1772013598,
            "attributes": {
                "recipient": "other@example.com",
                "from_address": "shop@example.com",
                "reply_to": "replyto@example.com",
                "price": 29.99,
            },
        },
    ),
    Variant(
        id="person page",
        given={
            "type": "person",
            "identifiers": {"email": "person@example.com"},
            "action": "page",
            "name": "https://example.com/pricing",
            "id": ULID,
            "timestamp": "2026-02-25T09:59:58Z",
            "attributes": {
                "path": "/pricing",
                "referrer": "https://example.org/",
                "search": "?plan=pro",
                "title": "Pricing",
                "url": "https://example.com/pricing?plan=pro",
                "keywords": ["price", "plan"],
            },
        },
        changed={"timestamp": 1772013598},
    ),
    Variant(
        id="person screen",
        given={
            **PERSON,
            "action": "screen",
            "name": "homepage",
            "id": ULID,
            "attributes": {"from": "push-notification"},
        },
    ),
)

PERSON_DEVICES_AND_RELATIONSHIPS: Final = (
    Variant(
        id="person add_relationships, number for an object type",
        given={
            **PERSON,
            "action": "add_relationships",
            "cio_relationships": [
                {
                    "identifiers": {"object_type_id": 1, "object_id": "acme"},
                    "relationship_attributes": {"role": "admin"},
                }
            ],
        },
        changed={
            "cio_relationships": [{"identifiers": OBJECT, "relationship_attributes": {"role": "admin"}}],
        },
    ),
    Variant(
        id="person delete_relationships",
        given={
            **PERSON,
            "action": "delete_relationships",
            "cio_relationships": [{"identifiers": OBJECT}],
        },
    ),
    Variant(
        id="person add_device",
        given={
            **PERSON,
            "action": "add_device",
            "device": {
                "token": "fcm_x:APA91b-y",
                "platform": "android",
                "last_used": 1772013598,
                "attributes": {"device_os": "15", "push_enabled": "false"},
            },
        },
    ),
    Variant(
        id="person add_device, last use as ISO 8601",
        given={
            **PERSON,
            "action": "add_device",
            "device": {"token": "aps-token", "platform": "ios", "last_used": "2026-02-25T09:59:58Z"},
        },
        changed={"device": {"token": "aps-token", "platform": "ios", "last_used": 1772013598}},
    ),
    Variant(
        id="person delete_device",
        given={
            **PERSON,
            "action": "delete_device",
            "device": {"token": "fcm_x:APA91b-y"},
        },
    ),
)

OBJECTS: Final = (
    Variant(
        id="object identify",
        given={
            **ACME,
            "action": "identify",
            # "Pass `null` or an empty string to remove an attribute": both have to arrive.
            "attributes": {"name": "Acme Corp", "seats": 50, "plan": None, "note": ""},
            "cio_relationships": [
                {"identifiers": {"id": "42"}, "relationship_attributes": {"role": "admin"}},
                {"identifiers": {"email": "person@example.com"}},
                {"identifiers": {"cio_id": "a3000001"}},
            ],
        },
    ),
    Variant(
        id="object identify, by cio_object_id",
        given={
            "type": "object",
            "identifiers": {"cio_object_id": "obb7fd050101"},
            "action": "identify",
            "attributes": {"plan": "enterprise"},
        },
    ),
    Variant(
        id="object identify_anonymous",
        given={
            **ACME,
            "action": "identify_anonymous",
            "attributes": {"name": "Acme Corp"},
            "cio_relationships": [
                {"identifiers": {"anonymous_id": "anon-1"}, "relationship_attributes": {"role": "viewer"}}
            ],
        },
    ),
    Variant(
        id="object delete",
        given={**ACME, "action": "delete"},
    ),
    Variant(
        id="object add_relationships",
        given={
            **ACME,
            "action": "add_relationships",
            "cio_relationships": [{"identifiers": {"id": "42"}, "relationship_attributes": {"role": "admin"}}],
        },
    ),
    Variant(
        id="object delete_relationships",
        given={
            "type": "object",
            "identifiers": {"cio_object_id": "obb7fd050101"},
            "action": "delete_relationships",
            "cio_relationships": [{"identifiers": {"email": "person@example.com"}}],
        },
    ),
)

DELIVERIES: Final = tuple(
    Variant(
        # The delivery schema has no `id` of its own, so none may be added.
        id=f"delivery event, {name}",
        given={
            "type": "delivery",
            "identifiers": {"id": "RPIyMTM6OjEyMzQ="},
            "action": "event",
            "name": name,
            "attributes": {"device_token": "fcm_x:APA91b-y"},
        },
    )
    for name in ("opened", "converted", "delivered")
)

VARIANTS: Final = PERSON_STATE + PERSON_EVENTS + PERSON_DEVICES_AND_RELATIONSHIPS + OBJECTS + DELIVERIES

EVENTS_WITHOUT_ID: Final = tuple(
    _entity(
        id=f"person {action} without an id",
        arguments={**PERSON, "action": action, "name": "seen"},
        body={**PERSON, "action": action, "name": "seen", "id": MINTED},
    )
    for action in ("event", "page", "screen")
)

AS_JSON_TEXT: Final = _entity(
    id="objects as JSON text",
    arguments={
        "type": "person",
        "identifiers": '{"email": "a+b@example.com"}',
        "action": "identify",
        "attributes": '{"plan": "basic", "seats": 5}',
    },
    body={
        "type": "person",
        "identifiers": {"email": "a+b@example.com"},
        "action": "identify",
        "attributes": {"plan": "basic", "seats": 5},
    },
)

CASES: Final[tuple[Case, ...]] = (
    *(_entity(id=one.id, arguments=one.given, body=one.wire) for one in VARIANTS),
    *EVENTS_WITHOUT_ID,
    AS_JSON_TEXT,
    *(_batch(id=one.id, arguments={"batch": [one.given]}, body={"batch": [one.wire]}) for one in VARIANTS),
    _batch(
        id="events without an id",
        arguments={"batch": [one.arguments for one in EVENTS_WITHOUT_ID]},
        body={"batch": [one.body for one in EVENTS_WITHOUT_ID]},
    ),
    _batch(
        id="all variants together, in order",
        arguments={"batch": [one.given for one in VARIANTS]},
        body={"batch": [one.wire for one in VARIANTS]},
    ),
)
