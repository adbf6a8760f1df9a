"""What a transactional send must look like (App API reference, "Send a transactional email" and its siblings)."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from cio_mcp.sandbox import track_rules
from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.replies import JsonObject, Refusal

# Channel in the path -> message type in App API responses.
MESSAGE_TYPES = {
    "email": "email",
    "push": "push",
    "sms": "twilio",
    "in_app": "in_app",
    "inbox_message": "inbox",
    "whatsapp": "whatsapp",
}
IDENTIFIER_KINDS = ("id", "email", "cio_id")
RECIPIENTS = 15  # to, cc and bcc together
ATTACHMENT_BYTES = 2_000_000  # "less than 2 MB" in total, decoded
FARTHEST_SEND = 90 * 86_400  # send_at: up to 90 days in the future
# The reference forbids file types without listing them; these run code when opened.
FORBIDDEN_TYPES = frozenset({"bat", "cmd", "com", "cpl", "exe", "jar", "js", "msi", "pif", "scr", "vbs", "wsf"})
# "You can't overwrite reserved headers": the ones a send sets itself.
RESERVED_HEADERS = frozenset(
    {"bcc", "cc", "content-type", "date", "from", "message-id", "mime-version", "reply-to", "subject", "to"}
)
_ADDRESS = re.compile(r'(?:"[^"]*"|[^,])+')  # in quotation marks a comma is part of a name
SOUNDS = ("default", "none")

_TEXTS = {
    "email": (
        *("body", "body_amp", "body_plain", "subject", "from", "language"),
        *("preheader", "reply_to", "cc", "bcc"),
    ),
    "push": ("to", "title", "message", "image_url", "link", "language"),
    "sms": ("to", "from", "language"),
    "whatsapp": ("to", "language"),
    "inbox_message": ("to", "language"),
    "in_app": ("language",),
}
_COMMON_FLAGS = ("disable_message_retention", "queue_draft", "auto_create", "send_to_unsubscribed")
_EMAIL_FLAGS = ("tracked", "disable_css_preprocessing", "fake_bcc")


def check_body(channel: str, body: JsonObject, now: float) -> str:
    """Refuse what the channel does not accept; return the address named in the request, or ""."""
    for name in _TEXTS[channel]:
        check.text(body, name)
    for name in (*_COMMON_FLAGS, *_EMAIL_FLAGS):
        check.flag(body, name)
    check.mapping(body, "message_data")
    _check_template_id(channel, body)
    planned = check.seconds(body, "send_at")
    if planned is not None and planned > now + FARTHEST_SEND:
        raise Refusal(400, "send_at must be at most 90 days in the future")
    if channel == "email":
        return _check_email(body)
    if channel == "push":
        _check_push(body)
        return ""
    return body.get("to") or ""


def _check_template_id(channel: str, body: Mapping[str, Any]) -> None:
    wanted = body.get("transactional_message_id")
    if wanted is None:
        if channel != "email":
            raise Refusal(400, "transactional_message_id is required")
        missing = [name for name in ("body", "subject", "from") if not body.get(name)]
        if missing:
            raise Refusal(400, f"{', '.join(missing)} required without transactional_message_id")
    elif isinstance(wanted, bool) or not isinstance(wanted, int | str) or wanted == "":
        raise Refusal(400, "transactional_message_id must be an integer or a string")


def _check_email(body: JsonObject) -> str:
    addresses = _addresses(body, "to")
    if not addresses:
        raise Refusal(400, "to is required")
    if len(addresses) + len(_addresses(body, "cc")) + len(_addresses(body, "bcc")) > RECIPIENTS:
        raise Refusal(400, f"to, cc and bcc must not exceed {RECIPIENTS} recipients")
    _check_headers(body.get("headers"))
    _check_attachments(check.mapping(body, "attachments") or {})
    return str(body["to"])


def _addresses(body: Mapping[str, Any], name: str) -> list[str]:
    """Return the comma-separated addresses of a field, whose names may be in quotes; liquid is taken as it stands."""
    given = [part.strip() for part in _ADDRESS.findall(check.text(body, name) or "") if part.strip()]
    for address in given:
        if "@" not in address and "{{" not in address:
            raise Refusal(400, f"{name} is not a valid email address")
    return given


def _check_push(body: JsonObject) -> None:
    check.choice(body, "sound", SOUNDS)
    check.mapping(body, "custom_data")
    check.mapping(body, "custom_payload")
    device = check.mapping(body, "custom_device")
    if device is not None:
        check.needed_text(device, "token")
        track_rules.check_device(device)


def _check_headers(value: object) -> None:
    """Accept an object, as the official clients send, or the JSON string of [{name, value}] of the reference."""
    if value is None:
        return
    for name, text in _header_pairs(value):
        if not isinstance(name, str) or not isinstance(text, str):
            raise Refusal(400, "headers must be strings")
        if not name or " " in name or not (name + text).isascii() or not (name + text).isprintable():
            raise Refusal(400, "headers must be ASCII without spaces in names")
        if name.lower() in RESERVED_HEADERS:
            raise Refusal(400, f"header {name} is reserved")


def _header_pairs(value: object) -> list[tuple[object, object]]:
    if isinstance(value, dict):
        return list(value.items())
    try:
        entries: list[Any] = json.loads(value if isinstance(value, str) else "null")
        return [(entry["name"], entry["value"]) for entry in entries]
    except (ValueError, TypeError, KeyError):
        raise Refusal(400, "headers must be an object of strings") from None


def _check_attachments(attachments: Mapping[str, Any]) -> None:
    total = 0
    for name, content in attachments.items():
        stem, dot, extension = name.rpartition(".")
        if not (stem and dot and extension):
            raise Refusal(400, "attachment names must include an extension")
        if extension.lower() in FORBIDDEN_TYPES:
            raise Refusal(403, f"attachment type .{extension.lower()} is not allowed")
        total += len(_decoded(content))
    if total >= ATTACHMENT_BYTES:
        raise Refusal(413, "attachments must be less than 2 MB in total")


def _decoded(content: object) -> bytes:
    if not isinstance(content, str):
        raise Refusal(400, "attachments must be base64-encoded strings")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(400, "attachments must be base64-encoded strings") from None
