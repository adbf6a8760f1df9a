"""App API, transactional messages: https://docs.customer.io/api/app/ "Send messages"."""

from functools import partial
from typing import Final

from tests.wire.case import Case

# "If this value is in the past, your message is sent immediately": a fixed time never grows too distant.
SEND_AT: Final = 1772013598

_email = partial(Case, tool="send_email", method="POST", path="/v1/send/email", auth="bearer")
_push = partial(Case, tool="send_push", method="POST", path="/v1/send/push", auth="bearer")
_sms = partial(Case, tool="send_sms", method="POST", path="/v1/send/sms", auth="bearer")
_in_app = partial(Case, tool="send_in_app", method="POST", path="/v1/send/in_app", auth="bearer")

EMAIL: Final = (
    _email(
        id="template by number",
        arguments={
            "transactional_message_id": 44,
            "to": "person@example.com",
            "identifiers": {"email": "person@example.com"},
        },
        body={
            "transactional_message_id": 44,
            "to": "person@example.com",
            "identifiers": {"email": "person@example.com"},
        },
    ),
    _email(
        id="template number as text, time as ISO 8601",
        arguments={
            "transactional_message_id": "44",
            "to": "a+b@example.com",
            "identifiers": {"id": 12345},
            "send_at": "2026-02-25T09:59:58Z",
        },
        body={
            "transactional_message_id": 44,
            "to": "a+b@example.com",
            "identifiers": {"id": "12345"},
            "send_at": SEND_AT,
        },
    ),
    _email(
        id="no template",
        arguments={
            "to": "person@example.com",
            "identifiers": {"cio_id": "3000001"},
            "from": "support@example.com",
            "subject": "Reset your password",
            "body": "<p>Hello</p>",
        },
        body={
            "to": "person@example.com",
            "identifiers": {"cio_id": "3000001"},
            "from": "support@example.com",
            "subject": "Reset your password",
            "body": "<p>Hello</p>",
        },
    ),
    _email(
        id="every documented member",
        arguments=(
            full := {
                "transactional_message_id": "pwdreset",
                "to": '"José Öz" <person@example.com>, other@example.com',
                "identifiers": {"id": "12345"},
                "from": "support@example.com",
                "subject": "Réinitialiser",
                "body": "<p>{{message_data.password_reset_token}}</p>",
                "body_plain": "plain",
                "body_amp": "<!doctype html><html amp4email></html>",
                "preheader": "preview",
                "reply_to": "replyto@example.com",
                "cc": "cc@example.com",
                "bcc": "bcc@example.com",
                "fake_bcc": False,
                "headers": {"X-Mailgun-Tag": "my-cool-tag"},
                "attachments": {"note.txt": "aGVsbG8="},
                "tracked": False,
                "disable_css_preprocessing": True,
                "send_to_unsubscribed": False,
                "disable_message_retention": True,
                "message_data": {"password_reset_token": "abcde-12345", "items": [{"n": 1, "x": None}]},
                "send_at": SEND_AT,
                "queue_draft": True,
                "language": "fr",
                "auto_create": True,
            }
        ),
        body=full,
        note="headers travel as an object of names and values, as every official client sends them",
    ),
    _email(
        id="objects as JSON text",
        arguments={
            "transactional_message_id": "pwdreset",
            "to": "person@example.com",
            "identifiers": '{"email": "person@example.com"}',
            "message_data": '{"code": "0042", "ttl": 15}',
        },
        body={
            "transactional_message_id": "pwdreset",
            "to": "person@example.com",
            "identifiers": {"email": "person@example.com"},
            "message_data": {"code": "0042", "ttl": 15},
        },
    ),
)

PUSH: Final = (
    _push(
        id="template and person",
        arguments={"transactional_message_id": 44, "identifiers": {"id": "12345"}},
        body={"transactional_message_id": 44, "identifiers": {"id": "12345"}},
    ),
    _push(
        id="every documented member",
        arguments=(
            full := {
                "transactional_message_id": "new-login",
                "identifiers": {"cio_id": "3000001"},
                "to": "fcm_x:APA91b-y",
                "title": "New login",
                "message": "Was this you?",
                "image_url": "https://example.com/a%20b.png",
                "link": "example://login?x=1&y=2",
                "sound": "none",
                "custom_data": {"kind": "login"},
                "custom_device": {
                    "token": "fcm_x:APA91b-y",
                    "platform": "android",
                    "last_used": SEND_AT,
                    "attributes": {"device_os": "15"},
                },
                "custom_payload": {
                    "ios": {"aps": {"alert": {"title": "New login", "body": "Was this you?"}}},
                    "android": {"message": {"notification": {"title": "New login"}}},
                },
                "send_to_unsubscribed": False,
                "disable_message_retention": True,
                "message_data": {"account_id": "123dj"},
                "send_at": SEND_AT,
                "queue_draft": True,
                "language": "de",
                "auto_create": True,
            }
        ),
        body=full,
    ),
    _push(
        id="to the last used device, times as ISO 8601",
        arguments={
            "transactional_message_id": "44",
            "identifiers": {"email": "a+b@example.com"},
            "to": "last_used",
            "sound": "default",
            "custom_device": {"token": "t", "platform": "ios", "last_used": "2026-02-25T09:59:58Z"},
            "send_at": "2026-02-25T10:59:58+01:00",
        },
        body={
            "transactional_message_id": 44,
            "identifiers": {"email": "a+b@example.com"},
            "to": "last_used",
            "sound": "default",
            "custom_device": {"token": "t", "platform": "ios", "last_used": SEND_AT},
            "send_at": SEND_AT,
        },
    ),
)

SMS: Final = (
    _sms(
        id="template, person and number",
        arguments={
            "transactional_message_id": 7,
            "identifiers": {"email": "person@example.com"},
            "to": "+15551234567",
        },
        body={
            "transactional_message_id": 7,
            "identifiers": {"email": "person@example.com"},
            "to": "+15551234567",
        },
    ),
    _sms(
        id="number from the template",
        arguments={"transactional_message_id": "code", "identifiers": {"id": 9}},
        body={"transactional_message_id": "code", "identifiers": {"id": "9"}},
        note="the official clients leave `to` to the template",
    ),
    _sms(
        id="every documented member",
        arguments=(
            full := {
                "transactional_message_id": "code",
                "identifiers": {"id": "12345"},
                "to": "{{customer.phone}}",
                "from": "+15557654321",
                "tracked": True,
                "send_to_unsubscribed": False,
                "disable_message_retention": True,
                "message_data": {"code": "0042"},
                "send_at": SEND_AT,
                "queue_draft": True,
                "language": "es",
                "auto_create": True,
            }
        ),
        body=full,
    ),
)

IN_APP: Final = (
    _in_app(
        id="template and person",
        arguments={"transactional_message_id": "12", "identifiers": {"email": "user@example.com"}},
        body={"transactional_message_id": 12, "identifiers": {"email": "user@example.com"}},
    ),
    _in_app(
        id="every documented member",
        arguments=(
            full := {
                "transactional_message_id": "shipped",
                "identifiers": {"id": "user_123"},
                "message_data": {"order_id": "ORD-5678", "tracking_url": "https://example.com/5678"},
                "send_at": SEND_AT,
                "queue_draft": True,
                "language": "pt-BR",
                "auto_create": True,
                "disable_message_retention": True,
            }
        ),
        body=full,
    ),
)

CASES: Final[tuple[Case, ...]] = EMAIL + PUSH + SMS + IN_APP
