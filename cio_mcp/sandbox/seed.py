"""A workspace with a story: people, a history of messages that explains itself, and one of everything."""

from collections.abc import Callable
from functools import partial

from cio_mcp.sandbox.deliveries import Origin, Outcome
from cio_mcp.sandbox.messages import Message
from cio_mcp.sandbox.people import Device, Person
from cio_mcp.sandbox.programs import Broadcast, Campaign, Newsletter, Template
from cio_mcp.sandbox.replies import JsonObject
from cio_mcp.sandbox.tables import Collection
from cio_mcp.sandbox.world import OUTCOME_ATTRIBUTE, Event, World

DAY = 86_400
SHARED_ADDRESS = "shared@example.com"
# "How you'll reference the collection in liquid" (Track OpenAPI, the name of a collection): by its bare name.
READS_PRODUCTS = "{{ products.name }} is {{ products.price }} now."
_PLANS = ("free", "trial", "pro")


def seeded_world(clock: Callable[[], float]) -> World:
    """Return a workspace of 29 people, always the same, its history dated back from `clock`.

    Segments 1 to 3, templates 1 to 4, broadcasts 10 and 11, campaigns 1 and 2, newsletters 1 and 2, collection 1, a
    disabled reporting webhook 1. Segment 2 is the audience of broadcast 10 and filters campaign 1, segment 3 receives
    the newsletters; broadcast 10, campaign 1 and newsletter 1 read collection 1.
    People "1" to "25" (person1@example.com ...), and: "ada-1" (ada@example.com, on trial, opens everything, has an iOS
    device), "bob-2" (unsubscribed), "cleo-3" (her address bounces), "dan-4" (shares shared@example.com with "25", has
    messages that failed).
    """
    now = int(clock())
    world = World(rebuild=partial(seeded_world, clock))
    _people(world, now)
    _segments(world, now)
    _templates(world, now)
    _programs(world, now)
    _newsletters(world, now)
    _tables(world, now)
    _history(world, now)
    _objects(world)
    world.notices.clear()
    world.told_from = len(world.deliveries)
    return world


def _people(world: World, now: int) -> None:
    for number in range(1, 26):
        email = SHARED_ADDRESS if number == 25 else f"person{number}@example.com"  # noqa: PLR2004 - the sharer
        traits = {"plan": _PLANS[number % 3], "newsletter": number % 2 == 0, "first_name": f"Person {number}"}
        _person(world, str(number), email, now - (60 - number) * DAY, traits)
    ada = {"plan": "trial", "newsletter": True, "first_name": "Ada", "phone_verified": True}
    _person(world, "ada-1", "ada@example.com", now - 30 * DAY, ada, phone="+15550100001")
    _person(
        world, "bob-2", "bob@example.com", now - 29 * DAY, {"plan": "pro", "first_name": "Bob", "unsubscribed": True}
    )
    bounced = {"plan": "trial", "first_name": "Cleo", OUTCOME_ATTRIBUTE: Outcome.BOUNCED.value}
    _person(world, "cleo-3", "cleo@example.com", now - 28 * DAY, bounced)
    failing = {"plan": "free", "newsletter": True, OUTCOME_ATTRIBUTE: Outcome.FAILED.value}
    _person(world, "dan-4", SHARED_ADDRESS, now - 27 * DAY, failing)
    _device(world, "ada-1", "ada-ios-token", now)


def _person(
    world: World,
    number: str,
    email: str,
    created: int,
    attributes: JsonObject,
    *,
    phone: str | None = None,
) -> None:
    identifiers = {"id": number, "email": email} | ({"phone": phone} if phone else {})
    person = world.people.add(identifiers, created)
    person.attributes.update({"created_at": created} | attributes)
    person.timestamps.update(dict.fromkeys(person.attributes, created))
    world.record(person, "profile_create", created)


def _device(world: World, number: str, token: str, now: int) -> None:
    traits = {"device_os": "iOS 18", "push_enabled": "true"}
    _named(world, number).devices[token] = Device(token=token, platform="ios", last_used=now - DAY, attributes=traits)


def _segments(world: World, now: int) -> None:
    made = now - 50 * DAY
    world.segments.add("All customers", "Everyone in the workspace", made, manual=False)
    trial = world.segments.add("Trial users", "People on a trial, kept by hand", made)
    trial.members.update(dict.fromkeys(p.cio_id for p in world.people if p.value("plan") == "trial"))
    rule = {"attribute": {"field": "newsletter", "operator": "eq", "value": "true"}}
    world.segments.add("Newsletter readers", "People who asked for the newsletter", made, manual=False, rule=rule)


def _templates(world: World, now: int) -> None:
    made = now - 40 * DAY
    for number, name, channel in (
        (1, "receipt", "email"),
        (2, "order_shipped", "push"),
        (3, "login_code", "sms"),
        (4, "welcome_banner", "in_app"),
    ):
        subject = "Your receipt" if channel == "email" else None
        world.templates[number] = Template(
            id=number, trigger_name=name, channel=channel, created_at=made, subject=subject
        )


def _programs(world: World, now: int) -> None:
    made = now - 40 * DAY
    prices = Message(id=100, created=made, subject="New prices", body=f"<p>{READS_PRODUCTS}</p>")
    sale = Message(id=110, created=made, subject="Summer sale", body="<p>Soon.</p>")
    trial = {"segment": {"id": 2}}
    world.broadcasts[10] = Broadcast(
        id=10, name="Price change", running=True, created=made, actions=[prices], audience=trial
    )
    world.broadcasts[11] = Broadcast(id=11, name="Summer sale", running=False, created=made, actions=[sale])
    welcome = f"<p>Hello {{{{ customer.first_name }}}}!</p><p>{READS_PRODUCTS}</p>"
    world.campaigns[1] = Campaign(
        id=1,
        name="Onboarding",
        description="Welcomes new people",
        running=True,
        created=made,
        actions=[Message(id=200, created=made, name="Welcome", subject="Welcome", body=welcome)],
        event_name="signed_up",
        filter_segment_ids=[2],
        daily=40,
    )
    world.campaigns[2] = Campaign(
        id=2,
        name="Win back",
        description="Not started yet",
        running=False,
        created=made,
        actions=[Message(id=210, created=made, name="We miss you", subject="We miss you", body="<p>Hello?</p>")],
        event_name="went_quiet",
    )


def _newsletters(world: World, now: int) -> None:
    made, readers = now - 40 * DAY, {"segment": {"id": 3}}
    next_issue = Message(id=300, created=made, subject="What is new", body=f"<p>{READS_PRODUCTS}</p>")
    last_issue = Message(id=310, created=made, subject="What was new", body="<p>Old news.</p>")
    for number, name, variant in ((1, "Next issue", next_issue), (2, "Last issue", last_issue)):
        world.newsletters[number] = Newsletter(
            id=number, name=name, created=made, variants=[variant], recipients=readers
        )


def _tables(world: World, now: int) -> None:
    made = now - 40 * DAY
    rows = [{"sku": f"A-{n}", "name": f"Product {n}", "price": 10 * n} for n in range(1, 4)]
    world.collections[1] = Collection(id=1, name="products", created_at=made, updated_at=made, rows=rows)
    world.webhooks[1] = {
        "id": 1,
        "name": "Warehouse",
        "type": "webhook",
        "endpoint": "https://hooks.example.com/customerio",
        "disabled": True,
        "full_resolution": False,
        "with_content": False,
        "events": ["email_sent", "email_bounced", "customer_unsubscribed"],
    }


def _history(world: World, now: int) -> None:
    """Messages of the last weeks: opened, bounced, failed, undeliverable, drafted."""
    world.send_newsletter(world.newsletters[2], now - 14 * DAY)
    world.newsletters[2].updated = now - 14 * DAY
    receipt, onboarding = Origin(transactional_id=1), Origin(campaign_id=1, action_id=200)
    for number, days in (("ada-1", 3), ("cleo-3", 2), ("dan-4", 2), ("1", 5)):
        person = _named(world, number)
        _email(world, person, "Your receipt", now - days * DAY, receipt)
        _email(world, person, "Welcome", now - (days + 7) * DAY, onboarding)
        event = Event(
            name="signed_up",
            type="event",
            person=person.cio_id,
            anonymous_id=None,
            timestamp=now - (days + 7) * DAY,
            data={"plan": person.value("plan") or ""},
            id=None,
        )
        world.add_event(event, person, now)
    bob = _named(world, "bob-2")
    _email(world, bob, "Welcome", now - 9 * DAY, onboarding, outcome=Outcome.UNDELIVERABLE)
    _email(world, bob, "Your receipt", now - 4 * DAY, receipt, outcome=Outcome.DRAFTED)


def _email(
    world: World, person: Person, subject: str, at: int, origin: Origin, *, outcome: Outcome | None = None
) -> None:
    content = {"body": f"<p>Hello {person.value('first_name') or 'there'}</p>", "from": "shop@example.com"}
    world.deliver(
        person,
        channel="email",
        recipient=person.email or "",
        now=at,
        origin=origin,
        subject=subject,
        content=content,
        outcome=outcome,
    )


def _objects(world: World) -> None:
    thing = world.objects.find_or_add({"object_type_id": "1", "object_id": "acme"})
    if thing is not None:
        thing.attributes.update({"name": "Acme", "seats": 5})
        thing.people[_named(world, "ada-1").cio_id] = {"role": "admin"}


def _named(world: World, number: str) -> Person:
    person = world.people.find("id", number)
    if person is None:
        raise LookupError(number)
    return person
