"""What broadcasts, campaigns and newsletters say, and the triggers that sent it."""

import pytest

from cio_mcp.sandbox import running_sandbox, seeded_world
from cio_mcp.sandbox.messages import Message
from tests.sandbox.sandbox_talk import START, UNLIMITED, ManualClock, Talk

# "emailActionObject" and "contentObject" in the Track OpenAPI, which holds the App API's schemas.
CONTENT = {
    "id", "deduplicate_id", "name", "layout", "body", "type", "language", "from", "from_id", "reply_to",
    "reply_to_id", "preprocessor", "recipient", "subject", "cc", "bcc", "fake_bcc", "preheader_text", "body_amp",
    "headers",
}  # fmt: skip
ACTION = CONTENT | {"created", "updated", "sending_state"}


@pytest.mark.parametrize(
    ("path", "listed", "owner"),
    [
        ("/broadcasts/10", "actions", {"broadcast_id": 10}),
        ("/broadcasts/11", "actions", {"broadcast_id": 11}),
        ("/campaigns/1", "actions", {"campaign_id": 1}),
        ("/newsletters/1", "contents", {"newsletter_id": 1}),
    ],
)
def test_a_message_is_the_documented_object_and_names_its_owner(
    cio: Talk, path: str, listed: str, owner: dict[str, int]
) -> None:
    (message,) = cio.read(f"{path}/{listed}")[listed]
    assert set(message) == (ACTION if listed == "actions" else CONTENT) | set(owner)
    assert message | owner == message
    whole = next(iter(cio.read(path).values()))
    named = [action["id"] for action in whole["actions"]] if listed == "actions" else whole["content_ids"]
    assert named == [message["id"]]


def test_just_the_messages_that_are_said_to_read_the_collection_name_it(cio: Talk) -> None:
    (collection,) = cio.read("/collections")["collections"]
    bodies = {
        path: message["body"]
        for path in ("/broadcasts/10/actions", "/broadcasts/11/actions", "/campaigns/1/actions",
                     "/campaigns/2/actions", "/newsletters/1/contents", "/newsletters/2/contents")
        for message in next(iter(cio.read(path).values()))
    }  # fmt: skip
    reading = {path for path, body in bodies.items() if f"{{{{ {collection['name']}." in body}
    assert reading == {"/broadcasts/10/actions", "/campaigns/1/actions", "/newsletters/1/contents"}


def test_the_actions_of_a_campaign_come_ten_at_a_time_whatever_is_asked_for() -> None:
    clock = ManualClock(START)
    world = seeded_world(clock)
    world.campaigns[1].actions += [Message(id=300 + n, created=int(START), parent_action_id=200) for n in range(21)]
    with running_sandbox(world=world, limits=UNLIMITED, clock=clock) as sandbox:
        talk = Talk(sandbox, clock)
        with talk.http:
            pages = [talk.read("/campaigns/1/actions?limit=3")]
            while start := pages[-1]["next"]:
                pages.append(talk.read(f"/campaigns/1/actions?limit=3&start={start}"))
    assert [len(page["actions"]) for page in pages] == [10, 10, 2]
    actions = [action for page in pages for action in page["actions"]]
    assert [action["id"] for action in actions] == [200, *range(300, 321)]
    assert {action.get("parent_action_id") for action in actions[1:]} == {200}


def test_every_trigger_of_a_broadcast_is_listed_as_it_is_read_alone(cio: Talk) -> None:
    assert cio.read("/broadcasts/10/triggers") == {"triggers": []}
    for _ in range(2):
        cio.app("POST", "/campaigns/10/triggers", {"ids": ["1"]})
        cio.clock.now += 1
    cio.app("POST", "/campaigns/10/triggers", {"ids": ["nobody"]})
    listed = cio.read("/broadcasts/10/triggers")["triggers"]
    assert listed == [cio.read(f"/campaigns/10/triggers/{number}") for number in (1, 2, 3)]
    assert [trigger.get("processed_at") for trigger in listed] == [START + 1, START + 2, None]
    assert cio.read("/broadcasts/11/triggers") == {"triggers": []}
