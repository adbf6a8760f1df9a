"""A sandbox whose world says something planted wherever it says anything, and what every read tool answers of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2

from cio_mcp.catalog import CATALOG, Access, Endpoint
from cio_mcp.sandbox import InProcess, Keys, Limits, Outcome, World, create_app, seeded_world
from cio_mcp.sandbox.deliveries import Origin
from cio_mcp.sandbox.people import Device, Person
from cio_mcp.sandbox.programs import Trigger
from cio_mcp.sandbox.tables import Collection
from cio_mcp.sandbox.world import Event
from cio_mcp.wire import Answer, build

READS = [tool for tool, endpoint in CATALOG.items() if endpoint.access is Access.READ]
UNLIMITED = Limits(app=None, email=None, transactional=None, broadcast=None, track=None)
# What a read asks for, by the name of its argument.
ASKED: Mapping[str, Any] = {
    "customer_id": "ada-1", "email": "shared@example.com", "filter": {"segment": {"id": 2}}, "segment_id": 2,
    "broadcast_id": 10, "trigger_id": 1, "campaign_id": 1, "newsletter_id": 1, "collection_id": 1, "webhook_id": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What to plant: in names and prose, in what is known of people, as an address, and as a telephone number."""

    prose: str
    value: str
    email: str
    phone: str


def planted_world(words: Words) -> World:
    """Return the seeded world with every text of it replaced, or joined by, what is planted."""
    world = seeded_world(time.time)
    now = int(time.time())
    ada = world.people.find("id", "ada-1")
    assert ada is not None
    _person(world, ada, words, now)
    _programs(world, words)
    for segment in world.segments.by_id.values():
        segment.name = segment.description = words.prose
    row = {"first_name": words.value, "note": words.prose, words.prose: "x"}
    world.collections[1] = Collection(id=1, name=words.prose, created_at=now, updated_at=now, rows=[row])
    world.webhooks[1] |= {"name": words.prose, "endpoint": f"https://hooks.example.com/cio?mail={words.email}"}
    thing = world.objects.find_or_add({"object_type_id": "1", "object_id": "acme"})
    assert thing is not None
    thing.people[ada.cio_id] = {"role": words.value, words.prose: words.value}
    return world


def _person(world: World, ada: Person, words: Words, now: int) -> None:
    world.people.assign(ada, "email", words.email, now)
    world.people.assign(ada, "phone", words.phone, now)
    # A second person, whose id is an address, in the same segment and at the address that is asked for.
    second = world.people.add({"id": words.email, "email": "shared@example.com"}, now)
    world.segments.by_id[2].members[second.cio_id] = None
    ada.attributes.update({"first_name": words.value, "about": words.prose, "nested": {"deep": [words.value]}})
    ada.attributes[words.prose] = words.value
    ada.devices["token"] = Device(
        token="token", platform="ios", last_used=now, attributes={"device_os": "iOS 18", "owner": words.value}
    )
    data = {"value": words.value, "nested": {"mail": words.email}, words.prose: words.prose}
    page = f"https://shop.example.com/account?who={words.email}&name={words.value}"
    for name, kind in ((words.prose, "event"), (page, "page")):
        event = Event(
            name=name, type=kind, person=ada.cio_id, anonymous_id=None, timestamp=now - 60, data=data, id=None
        )
        world.add_event(event, ada, now)
    world.deliver(
        ada, channel="email", recipient=words.email, now=now - 600, origin=Origin(transactional_id=1),
        subject=f"Hello {words.value}", outcome=Outcome.BOUNCED, failure=f"550 no such user: {words.prose}",
    )  # fmt: skip


def _programs(world: World, words: Words) -> None:
    broadcast, campaign = world.broadcasts[10], world.campaigns[1]
    errors = [f"line 3: {words.prose}"]
    broadcast.triggers[1] = Trigger(id=1, broadcast_id=10, created_at=0, processed_at=0, errors=errors)
    broadcast.name = campaign.name = campaign.description = campaign.event_name = words.prose
    for newsletter in world.newsletters.values():
        newsletter.name = words.prose
    for message in (*broadcast.actions, *campaign.actions, *world.newsletters[1].variants):
        message.name = message.subject = message.body = words.prose


def arguments(endpoint: Endpoint) -> dict[str, Any]:
    """Return the arguments of a read of what was planted; a new argument must be added to `ASKED`."""
    required = endpoint.input_schema().get("required", [])
    more = {"id_type": "id"} if "id_type" in endpoint.params.model_fields else {}
    return {name: ASKED[name] for name in required} | more


def answers(world: World) -> dict[str, Answer]:
    """Return what every read tool's request is answered with."""
    return anyio.run(_answers, world)


async def _answers(world: World) -> dict[str, Answer]:
    keys = Keys()
    app = create_app(world=world, keys=keys, limits=UNLIMITED)
    headers = {"authorization": f"Bearer {keys.app_api_key}", "content-type": "application/json"}
    async with httpx2.AsyncClient(
        transport=InProcess(app), base_url="http://sandbox.example", headers=headers
    ) as client:
        return {tool: await _answer(client, CATALOG[tool]) for tool in READS}


async def _answer(client: httpx2.AsyncClient, endpoint: Endpoint) -> Answer:
    request = build(endpoint, endpoint.params.model_validate(arguments(endpoint)))
    response = await client.request(request.method, request.target, content=request.body)
    assert response.status_code == 200, (endpoint.name, response.text)
    return Answer(status=response.status_code, headers=dict(response.headers), body=response.content)
