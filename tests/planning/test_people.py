"""What is looked up before people are deleted, suppressed, merged, or changed in batches."""

import json

import pytest

from cio_mcp.errors import Throttled
from cio_mcp.sandbox import World
from tests.planning.conftest import TRACK_KEYS, SurveyOf
from tests.planning.looking import Scripted, surveyed

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("tool", ["delete_person", "suppress_person"])
@pytest.mark.parametrize("identifier", ["ada-1", "ada@example.com"])
async def test_a_person_is_shown_with_what_would_be_lost(survey_of: SurveyOf, tool: str, identifier: str) -> None:
    found = await survey_of(tool, identifier=identifier)
    shown = found.facts["person"]
    assert found.audience == 1
    assert shown["known_by"] == ["id", "email", "phone"]
    assert (shown["unsubscribed"], shown["devices"], shown["segments"]) == (False, 1, 3)
    assert shown["messages_in_6_months"] >= 2
    assert shown["last_message"].endswith("UTC")
    assert ("person, email", "ada@example.com") in found.names
    assert ("segment they are in", "Trial users") in found.names
    assert found.unsure == ()


async def test_a_person_is_found_by_the_prefixed_cio_id(survey_of: SurveyOf, world: World) -> None:
    bob = world.people.find("id", "bob-2")
    assert bob is not None
    found = await survey_of("delete_person", identifier=f"cio_{bob.cio_id}")
    assert found.facts["person"]["unsubscribed"] is True
    assert ("person, id", "bob-2") in found.names


async def test_one_person_has_one_target_by_whatever_identifier(survey_of: SurveyOf) -> None:
    by_id, by_email = [await survey_of("delete_person", identifier=who) for who in ("ada-1", "ada@example.com")]
    other = await survey_of("delete_person", identifier="1")
    assert by_id.target == by_email.target != other.target


async def test_the_target_changes_when_the_identifier_comes_to_mean_somebody_else(
    survey_of: SurveyOf, world: World
) -> None:
    before = await survey_of("delete_person", identifier="ada@example.com")
    ada = world.people.find("id", "ada-1")
    assert ada is not None
    world.people.remove(ada)
    gone = await survey_of("delete_person", identifier="ada@example.com")
    world.people.add({"id": "ada-9", "email": "ada@example.com"}, 0)
    after = await survey_of("delete_person", identifier="ada@example.com")
    assert len({before.target, gone.target, after.target}) == 3


async def test_nobody_there_is_an_audience_of_none(survey_of: SurveyOf) -> None:
    found = await survey_of("delete_person", identifier="nobody")
    assert found.audience == 0
    assert found.facts == {"person": "there is no such person now"}
    assert found.unsure == ()


async def test_suppressing_nobody_still_blocks_the_identifier(survey_of: SurveyOf) -> None:
    found = await survey_of("suppress_person", identifier="nobody")
    assert found.audience == 0
    assert "blocked" in found.facts["even_so"]


async def test_without_an_app_key_the_plan_says_so_once(survey_of: SurveyOf) -> None:
    found = await survey_of("delete_person", keys=TRACK_KEYS, identifier="ada-1")
    assert found.audience is None
    assert found.facts == {}
    assert len(found.unsure) == 1
    assert "no App API key" in found.unsure[0]


async def test_a_merge_shows_both(survey_of: SurveyOf) -> None:
    found = await survey_of("merge_people", primary={"id": "ada-1"}, secondary={"email": "bob@example.com"})
    assert found.audience == 2
    assert list(found.facts) == ["primary, who stays", "secondary, who is deleted"]
    assert found.facts["secondary, who is deleted"]["unsubscribed"] is True


async def test_a_merge_of_one_person_with_herself_says_so(survey_of: SurveyOf) -> None:
    found = await survey_of("merge_people", primary={"id": "ada-1"}, secondary={"email": "ada@example.com"})
    assert found.facts["same"] == "both identifiers are of the same person"


@pytest.mark.parametrize(("primary", "secondary"), [("ada-1", "nobody"), ("nobody", "ada-1")])
async def test_a_merge_with_nobody_says_that_nothing_happens(survey_of: SurveyOf, primary: str, secondary: str) -> None:
    found = await survey_of("merge_people", primary={"id": primary}, secondary={"id": secondary})
    assert found.audience == 0
    assert found.facts["effect"].startswith("none")


async def test_of_a_merge_that_could_not_be_looked_up_the_number_is_not_known() -> None:
    busy = Scripted(get_person_attributes=Throttled("Busy.", next_step=""))
    found = await surveyed(busy, "merge_people", primary={"id": "1"}, secondary={"id": "2"})
    assert found.audience is None
    assert busy.tools == ["get_person_attributes"], "what every further look would meet is not tried again"


async def test_a_device_is_shown_with_its_owner(survey_of: SurveyOf) -> None:
    found = await survey_of("delete_device", identifier="ada-1", device_id="ada-ios-token")
    assert found.audience == 1
    assert found.facts["person"]["this_device"].startswith("ios, last used 20")


async def test_a_device_of_somebody_else_is_told(survey_of: SurveyOf) -> None:
    found = await survey_of("delete_device", identifier="bob-2", device_id="ada-ios-token")
    assert found.facts["person"]["this_device"] == "the person has no such device now"


async def test_a_batch_is_counted_and_its_first_deletions_looked_up(survey_of: SurveyOf) -> None:
    deletions = [{"type": "person", "action": "delete", "identifiers": {"id": str(n)}} for n in range(1, 6)]
    event = {"type": "person", "action": "event", "identifiers": {"id": "1"}, "name": "seen"}
    thing = {"type": "object", "action": "delete", "identifiers": {"object_type_id": "1", "object_id": "acme"}}
    found = await survey_of("apply_batch", batch=[event, *deletions, thing])
    assert found.audience == 5
    assert found.facts["by_action"] == {"person event": 1, "person delete": 5, "object delete": 1}
    assert found.facts["items_that_cannot_be_undone"] == 6
    looked_up = [name for name in found.facts if name.startswith("item ")]
    assert looked_up == ["item 1, person", "item 2, person", "item 3, person"]
    assert found.unsure == (
        "People of the other 2 such items: only the first 3 are looked up, and that others changed goes unseen.",
    )


async def test_everybody_whom_a_batch_removes_is_part_of_its_target(survey_of: SurveyOf) -> None:
    def batch(last: str) -> list[dict[str, object]]:
        return [
            {"type": "person", "action": "suppress", "identifiers": {"id": who}} for who in ("1", "2", "3", "4", last)
        ]

    one, again, other = [await survey_of("apply_batch", batch=batch(last)) for last in ("5", "5", "6")]
    assert one.target == again.target != other.target


async def test_people_whom_an_object_is_related_to_are_counted(survey_of: SurveyOf) -> None:
    related = [{"identifiers": {"id": who}} for who in ("1", "2", "2")]
    found = await survey_of(
        "apply_entity",
        type="object",
        action="add_relationships",
        identifiers={"object_type_id": "1", "object_id": "acme"},
        cio_relationships=related,
    )
    assert found.audience == 2


@pytest.mark.parametrize("kind", ["id", "email", "phone"])
async def test_an_entity_is_looked_up_by_each_kind_of_identifier(survey_of: SurveyOf, kind: str) -> None:
    value = {"id": "ada-1", "email": "ada@example.com", "phone": "+15550100001"}[kind]
    found = await survey_of("apply_entity", type="person", action="suppress", identifiers={kind: value})
    assert ("person, id", "ada-1") in found.names


async def test_an_entity_merge_shows_both(survey_of: SurveyOf) -> None:
    found = await survey_of(
        "apply_entity", type="person", action="merge", primary={"id": "ada-1"}, secondary={"id": "nobody"}
    )
    assert found.facts["secondary, who is deleted"] == "there is no such person now"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"customer": None},
        {"customer": [1]},
        {"customer": {"identifiers": 7, "attributes": "x", "devices": {"a": 1}, "unsubscribed": "perhaps"}},
        {"customer": {"attributes": {"created_at": "9" * 40}, "devices": [None, 3]}},
    ],
)
async def test_an_answer_of_another_shape_is_no_accident(answer: dict[str, object]) -> None:
    strange = Scripted(
        get_person_attributes=answer,
        list_person_segments={"segments": "all"},
        list_person_messages={"messages": [{"created": "today"}]},
    )
    found = await surveyed(strange, "delete_person", identifier="ada-1")
    assert found.audience in (None, 1)
    assert json.loads(found.target)
