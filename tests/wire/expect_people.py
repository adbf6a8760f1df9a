"""Track API v1, people, devices and forms: https://docs.customer.io/api/track/."""

from functools import partial
from typing import Final

from tests.wire.case import NO_MEMBERS, Case

_identify = partial(Case, tool="identify_person", method="PUT", auth="basic")
_delete = partial(Case, tool="delete_person", method="DELETE", auth="basic")
_upsert_device = partial(Case, tool="upsert_device", method="PUT", auth="basic")
_delete_device = partial(Case, tool="delete_device", method="DELETE", auth="basic")
_suppress = partial(Case, tool="suppress_person", method="POST", auth="basic")
_merge = partial(Case, tool="merge_people", method="POST", path="/api/v1/merge_customers", auth="basic")
_submit_form = partial(Case, tool="submit_form", method="POST", auth="basic")

IDENTIFY: Final = (
    _identify(
        id="identifier alone",
        arguments={"identifier": "42"},
        path="/api/v1/customers/42",
        body=NO_MEMBERS,
    ),
    _identify(
        id="every documented member",
        arguments={
            "identifier": "cio_a3000001",
            "id": "customer-7",
            "email": "person@example.com",
            "anonymous_id": "anon-1",
            "created_at": 1361205308,
            "timestamp": 1772013598,
            "update": True,
            "unsubscribed": False,
            "cio_subscription_preferences": {"topics": {"topic_1": True, "topic_2": False}},
            "cio_relationships": {
                "action": "add_relationships",
                "relationships": [
                    {
                        "identifiers": {"object_type_id": "1", "object_id": "acme"},
                        "relationship_attributes": {"role": "admin"},
                    },
                    {"identifiers": {"cio_object_id": "obb7fd050101"}},
                ],
            },
            "attributes": {"first_name": "Bob", "logins": 3, "beta": True},
        },
        path="/api/v1/customers/cio_a3000001",
        body={
            "id": "customer-7",
            "email": "person@example.com",
            "anonymous_id": "anon-1",
            "created_at": 1361205308,
            "_timestamp": 1772013598,
            "_update": True,
            "unsubscribed": False,
            "cio_subscription_preferences": {"topics": {"topic_1": True, "topic_2": False}},
            "cio_relationships": {
                "action": "add_relationships",
                "relationships": [
                    {
                        "identifiers": {"object_type_id": "1", "object_id": "acme"},
                        "relationship_attributes": {"role": "admin"},
                    },
                    {"identifiers": {"cio_object_id": "obb7fd050101"}},
                ],
            },
            "first_name": "Bob",
            "logins": 3,
            "beta": True,
        },
    ),
    _identify(
        id="address with a plus, times as ISO 8601",
        arguments={
            "identifier": "a+b@example.com",
            "created_at": "2013-02-18T17:08:28+01:00",
            "timestamp": "2026-02-25T09:59:58Z",
        },
        path="/api/v1/customers/a%2Bb%40example.com",
        body={"created_at": 1361203708, "_timestamp": 1772013598},
    ),
    _identify(
        id="the names that the API has",
        arguments={"identifier": "42", "_timestamp": 1772013598, "_update": False},
        path="/api/v1/customers/42",
        body={"_timestamp": 1772013598, "_update": False},
    ),
    _identify(
        id="attributes of those names",
        arguments={"identifier": "42", "attributes": {"timestamp": "noon", "update": "weekly"}},
        path="/api/v1/customers/42",
        body={"timestamp": "noon", "update": "weekly"},
    ),
    _identify(
        id="one topic by its dotted name",
        arguments={
            "identifier": "a/b c",
            "attributes": {"cio_subscription_preferences.topics.topic_3": True, "ville": "Orléans"},
        },
        path="/api/v1/customers/a%2Fb%20c",
        body={"cio_subscription_preferences.topics.topic_3": True, "ville": "Orléans"},
        note='"Use JSON dot notation [...] to update one topic without replacing others."',
    ),
    _identify(
        id="numbers for ids, attributes as JSON text",
        arguments={"identifier": 42, "id": 43, "attributes": '{"plan": "basic", "seats": 5}'},
        path="/api/v1/customers/42",
        body={"id": "43", "plan": "basic", "seats": 5},
    ),
    _identify(
        id="an attribute that looks like a time stays text",
        arguments={"identifier": "josé", "attributes": {"renewal": "2026-03-01T00:00:00Z", "zip": "01234"}},
        path="/api/v1/customers/jos%C3%A9",
        body={"renewal": "2026-03-01T00:00:00Z", "zip": "01234"},
    ),
    _identify(
        id="relationships removed",
        arguments={
            "identifier": "42",
            "cio_relationships": {
                "action": "delete_relationships",
                "relationships": [{"identifiers": {"object_type_id": "2", "object_id": "1171SBME"}}],
            },
        },
        path="/api/v1/customers/42",
        body={
            "cio_relationships": {
                "action": "delete_relationships",
                "relationships": [{"identifiers": {"object_type_id": "2", "object_id": "1171SBME"}}],
            }
        },
    ),
)

DELETE: Final = (
    _delete(id="by id", arguments={"identifier": "42"}, path="/api/v1/customers/42"),
    _delete(
        id="by address with a plus",
        arguments={"identifier": "a+b@example.com"},
        path="/api/v1/customers/a%2Bb%40example.com",
    ),
    _delete(id="by cio_id", arguments={"identifier": "cio_03000001"}, path="/api/v1/customers/cio_03000001"),
    _delete(id="slash and space", arguments={"identifier": "a/b c"}, path="/api/v1/customers/a%2Fb%20c"),
    _delete(
        id="question mark, hash and percent",
        arguments={"identifier": "a?b#c%2F"},
        path="/api/v1/customers/a%3Fb%23c%252F",
        note="RFC 3986, 2.4: a percent sign in data is encoded once, as %25",
    ),
)

DEVICES: Final = (
    _upsert_device(
        id="token and platform",
        arguments={"identifier": "42", "id": "APA91b:tok-1_x", "platform": "android"},
        path="/api/v1/customers/42/devices",
        body={"device": {"id": "APA91b:tok-1_x", "platform": "android"}},
    ),
    _upsert_device(
        id="every documented member",
        arguments={
            "identifier": "a+b@example.com",
            "id": "aps-token",
            "platform": "ios",
            "last_used": "2026-02-25T09:59:58Z",
            "attributes": {
                "device_os": "18.1",
                "device_model": "iPhone 16",
                "app_version": "1.2.3",
                "cio_sdk_version": "3.4.0",
                "device_locale": "en-GB",
                "push_enabled": "true",
                "tier": "gold",
            },
        },
        path="/api/v1/customers/a%2Bb%40example.com/devices",
        body={
            "device": {
                "id": "aps-token",
                "platform": "ios",
                "last_used": 1772013598,
                "attributes": {
                    "device_os": "18.1",
                    "device_model": "iPhone 16",
                    "app_version": "1.2.3",
                    "cio_sdk_version": "3.4.0",
                    "device_locale": "en-GB",
                    "push_enabled": "true",
                    "tier": "gold",
                },
            }
        },
    ),
    _delete_device(
        id="plain token",
        arguments={"identifier": "42", "device_id": "aps-token"},
        path="/api/v1/customers/42/devices/aps-token",
    ),
    _delete_device(
        id="token with a colon of a person with a slash",
        arguments={"identifier": "a/b c", "device_id": "fcm_x:APA91b-y/z"},
        path="/api/v1/customers/a%2Fb%20c/devices/fcm_x%3AAPA91b-y%2Fz",
    ),
)

SUPPRESS_AND_MERGE: Final = (
    _suppress(id="by id", arguments={"identifier": 42}, path="/api/v1/customers/42/suppress"),
    _suppress(
        id="by address with a plus",
        arguments={"identifier": "a+b@example.com"},
        path="/api/v1/customers/a%2Bb%40example.com/suppress",
    ),
    _suppress(id="not ASCII", arguments={"identifier": "josé"}, path="/api/v1/customers/jos%C3%A9/suppress"),
    _merge(
        id="by address",
        arguments={
            "primary": {"email": "cool.person@example.com"},
            "secondary": {"email": "cperson@example.org"},
        },
        body={
            "primary": {"email": "cool.person@example.com"},
            "secondary": {"email": "cperson@example.org"},
        },
    ),
    _merge(
        id="id into cio_id",
        arguments={"primary": {"cio_id": "a3000001"}, "secondary": {"id": 42}},
        body={"primary": {"cio_id": "a3000001"}, "secondary": {"id": "42"}},
        note="the merge schema shows cio_id without the cio_ prefix",
    ),
    _merge(
        id="people as JSON text",
        arguments={"primary": '{"id": "1"}', "secondary": '{"id": "2"}'},
        body={"primary": {"id": "1"}, "secondary": {"id": "2"}},
    ),
)

FORMS: Final = (
    _submit_form(
        id="by address",
        arguments={"form_id": "newsletter-signup", "data": {"email": "test@example.com"}},
        path="/api/v1/forms/newsletter-signup/submit",
        body={"data": {"email": "test@example.com"}},
    ),
    _submit_form(
        id="by id with fields, form named with a slash",
        arguments={"form_id": "été/1 a", "data": {"id": 12345, "first_name": "cool", "fav_food": "pizza"}},
        path="/api/v1/forms/%C3%A9t%C3%A9%2F1%20a/submit",
        body={"data": {"id": "12345", "first_name": "cool", "fav_food": "pizza"}},
    ),
)

CASES: Final[tuple[Case, ...]] = IDENTIFY + DELETE + DEVICES + SUPPRESS_AND_MERGE + FORMS
