"""What is looked up before a broadcast or a newsletter goes out: above all, how many people get it."""

from typing import Any

import pytest

from cio_mcp.planning.audience import MOST_SEGMENTS
from cio_mcp.planning.inquiry import MOST_READS
from cio_mcp.sandbox import World
from tests.planning.conftest import SurveyOf
from tests.planning.looking import Scripted, surveyed

pytestmark = pytest.mark.anyio

BROADCAST: dict[str, Any] = {
    "broadcast": {"id": 10, "name": "Price change", "state": "running", "active": True, "actions": [{"id": 1}]}
}
PAID = {"attribute": {"field": "plan", "operator": "eq", "value": "pro"}}
NEWSLETTER: dict[str, Any] = {"id": 1, "name": "Next issue", "type": "email", "content_ids": [300], "sent_at": None}


def people(count: int) -> Any:
    """Return a search that finds so many people, page by page."""

    def search(given: dict[str, Any]) -> dict[str, Any]:
        start = int(given.get("start", "0"))
        end = min(start + given["limit"], count)
        return {"identifiers": [{}] * (end - start), "next": str(end) if end < count else ""}

    return search


async def test_a_filter_of_one_segment_is_counted_at_once(survey_of: SurveyOf, world: World) -> None:
    found = await survey_of("trigger_broadcast", broadcast_id=10, recipients={"segment": {"id": 2}})
    assert found.audience == found.at_most == len(world.segments.by_id[2].members)
    assert found.of == len(list(world.people))
    assert found.facts["broadcast"].startswith("10, running")
    assert ("broadcast", "Price change") in found.names


async def test_any_other_filter_is_counted_by_searching(survey_of: SurveyOf, world: World) -> None:
    found = await survey_of("trigger_broadcast", broadcast_id=10, recipients=PAID)
    assert found.audience == len(world.audience(PAID)) > 0
    assert found.of == 29


async def test_a_filter_may_mean_everybody_or_nobody(survey_of: SurveyOf) -> None:
    nobody = {"attribute": {"field": "plan", "operator": "eq", "value": "none such"}}
    none, everybody = [
        await survey_of("trigger_broadcast", broadcast_id=10, recipients=recipients)
        for recipients in (nobody, {"not": nobody})
    ]
    assert (none.audience, none.of) == (0, 29)
    assert (everybody.audience, everybody.of) == (29, 29)


@pytest.mark.parametrize(("count", "audience", "pages"), [(1_000, 1_000, 1), (1_001, 1_001, 2), (10_000, 10_000, 10)])
async def test_large_audiences_are_counted_page_by_page(count: int, audience: int, pages: int) -> None:
    looks = Scripted(get_broadcast=BROADCAST, search_people=people(count))
    found = await surveyed(looks, "trigger_broadcast", broadcast_id=10, recipients=PAID)
    assert found.audience == audience
    assert sum(given["filter"] == PAID for _, given in looks.calls if "filter" in given) == pages


async def test_an_audience_beyond_the_bound_is_not_known_but_known_to_be_huge() -> None:
    looks = Scripted(get_broadcast=BROADCAST, search_people=people(10_001))
    found = await surveyed(looks, "trigger_broadcast", broadcast_id=10, recipients=PAID)
    assert (found.audience, found.of) == (None, None)
    assert found.facts["people_of_the_filter"] == "more than 10,000"
    assert looks.tools.count("search_people") == 10


async def test_what_there_is_in_all_is_read_only_while_it_is_cheap() -> None:
    looks = Scripted(get_broadcast=BROADCAST, search_people=people(5_000))
    found = await surveyed(looks, "trigger_broadcast", broadcast_id=10, ids=["1", "2"])
    assert (found.audience, found.of) == (2, None)
    assert found.facts["people_in_all"] == "more than 3,000"
    assert looks.tools.count("search_people") == 3


async def test_a_search_that_never_ends_is_ended() -> None:
    looks = Scripted(get_broadcast=BROADCAST, search_people={"identifiers": [], "next": "again"})
    found = await surveyed(looks, "trigger_broadcast", broadcast_id=10, recipients=PAID)
    assert found.audience is None
    assert len(looks.calls) < MOST_READS


async def test_a_page_that_was_cut_is_not_counted() -> None:
    looks = Scripted(get_broadcast=BROADCAST, search_people={"identifiers": [{}], "_cut": {}})
    found = await surveyed(looks, "trigger_broadcast", broadcast_id=10, recipients=PAID)
    assert found.audience is None
    assert "People of the filter: the answer was too long to be read whole." in found.unsure


@pytest.mark.parametrize(
    ("given", "audience"),
    [
        ({"ids": ["1", "2", "2"]}, 2),
        ({"emails": ["a@example.com", "A@example.com", "b@example.com"]}, 2),
        ({"per_user_data": [{"id": "1", "data": {}}, {"email": "a@example.com", "data": {}}]}, 2),
        ({"per_user_data": [{"id": "1", "data": {"n": 1}}, {"id": "1", "data": {"n": 2}}]}, 1),
    ],
)
async def test_a_list_of_people_is_counted_without_its_repeats(
    survey_of: SurveyOf, given: dict[str, Any], audience: int
) -> None:
    found = await survey_of("trigger_broadcast", broadcast_id=10, **given)
    assert found.audience == audience
    assert found.of == 29
    assert "fails the whole broadcast" in found.facts["one_unknown"]


async def test_shared_addresses_are_told_to_reach_more(survey_of: SurveyOf) -> None:
    found = await survey_of(
        "trigger_broadcast", broadcast_id=10, emails=["shared@example.com"], email_add_duplicates=True
    )
    assert "everybody who shares" in found.facts["at_least"]


async def test_the_audience_set_in_customerio_is_said_to_be_unknown(survey_of: SurveyOf) -> None:
    found = await survey_of("trigger_broadcast", broadcast_id=10)
    assert found.audience is None
    assert found.facts["goes_to"] == "the audience set in Customer.io, however large it is"
    assert any("cannot be read through the API" in line for line in found.unsure)


async def test_an_audience_that_the_broadcast_shows_is_counted() -> None:
    shown = {"broadcast": BROADCAST["broadcast"] | {"recipient_segment_ids": [2, 3]}}
    counts = {2: 100, 3: 42}
    looks = Scripted(
        get_broadcast=shown,
        count_segment_people=lambda given: {"count": counts[given["segment_id"]]},
        search_people=people(1_203),
    )
    found = await surveyed(looks, "trigger_broadcast", broadcast_id=10)
    assert (found.audience, found.of, found.at_most) == (142, 1_203, 1_203)
    assert "counted again" in found.facts["counted_as"]
    assert found.facts["counts_against_a_budget"] == "1,203, everybody"


async def test_how_many_an_audience_of_segments_reaches_at_most_is_not_known_of_very_many() -> None:
    looks = Scripted(
        get_newsletter={"newsletter": NEWSLETTER | {"recipient_segment_ids": [2]}},
        count_segment_people={"count": 5},
        search_people=people(5_000),
    )
    found = await surveyed(looks, "send_newsletter", newsletter_id=1)
    assert (found.audience, found.of, found.at_most) == (5, None, None)
    assert found.facts["counts_against_a_budget"] == "not known, so that a budget refuses it"


async def test_a_file_of_recipients_shows_its_host_alone(survey_of: SurveyOf) -> None:
    found = await survey_of(
        "trigger_broadcast", broadcast_id=10, data_file_url="https://files.example.com/people.jsonl?sig=canary-sig"
    )
    assert found.audience is None
    assert found.facts["goes_to"].endswith("from files.example.com")
    assert "canary" not in str(found)


async def test_a_broadcast_that_does_not_run_is_told_to_be_refused(survey_of: SurveyOf) -> None:
    found = await survey_of("trigger_broadcast", broadcast_id=11, ids=["1"])
    assert "draft" in found.facts["broadcast"]
    assert "would refuse" in found.facts["broadcast"]


async def test_a_broadcast_that_is_gone_reaches_nobody(survey_of: SurveyOf) -> None:
    found = await survey_of("trigger_broadcast", broadcast_id=99, ids=["1"])
    assert found.audience == 0
    assert found.facts == {"broadcast": "there is no such broadcast now"}


async def test_earlier_triggers_are_counted() -> None:
    looks = Scripted(
        get_broadcast=BROADCAST,
        list_broadcast_triggers={"triggers": [{"id": 1, "created_at": 1_000}, {"id": 2, "created_at": 86_400}]},
    )
    found = await surveyed(looks, "trigger_broadcast", broadcast_id=10)
    assert found.facts["triggered_before"] == 2
    assert found.facts["last_triggered"] == "1970-01-02 00:00 UTC"


@pytest.mark.parametrize("changed", ["name", "state", "active", "actions", "updated"])
async def test_another_broadcast_is_another_target(changed: str) -> None:
    other = {"broadcast": BROADCAST["broadcast"] | {changed: "something else"}}
    before, after = [
        await surveyed(Scripted(get_broadcast=answer), "trigger_broadcast", broadcast_id=10, ids=["1"])
        for answer in (BROADCAST, other)
    ]
    assert before.target != after.target


@pytest.mark.parametrize(
    ("tool", "more"),
    [("send_newsletter", {}), ("schedule_newsletter", {"scheduled_at": 4_000_000_000, "timezone": "Europe/Berlin"})],
)
async def test_a_newsletter_reaches_at_most_the_people_of_its_segments(
    survey_of: SurveyOf, world: World, tool: str, more: dict[str, Any]
) -> None:
    found = await survey_of(tool, newsletter_id=1, **more)
    readers = world.segments.people(world.segments.by_id[3], world.people)
    assert found.audience == len(readers)
    assert found.of == 29
    assert found.facts["newsletter"] == "1, email, not sent yet; whether it is planned, the API does not tell"
    assert found.facts["segments"] == [f"segment 3: {len(readers)}"]
    assert ("newsletter", "Next issue") in found.names


@pytest.mark.parametrize(
    ("more", "when"),
    [
        ({}, "2030-03-01 09:00 in America/Los_Angeles (2030-03-01 17:00 UTC)"),
        ({"tz_match_enabled": True}, "2030-03-01 09:00, on each person's own clock"),
        ({"timezone": "Nowhere/Else"}, "2030-03-01 09:00 UTC"),
    ],
)
async def test_a_planned_time_is_told_by_the_clock_that_counts(
    survey_of: SurveyOf, more: dict[str, Any], when: str
) -> None:
    planned = {"scheduled_at": "2030-03-01T09:00", "timezone": "America/Los_Angeles", **more}
    found = await survey_of("schedule_newsletter", newsletter_id=1, **planned)
    assert found.facts["when"] == when


async def test_a_newsletter_that_was_sent_is_told_to_be_refused(survey_of: SurveyOf) -> None:
    found = await survey_of("send_newsletter", newsletter_id=2)
    assert "sent already" in found.facts["newsletter"]


async def test_a_newsletter_that_is_gone_reaches_nobody(survey_of: SurveyOf) -> None:
    found = await survey_of("send_newsletter", newsletter_id=99)
    assert found.audience == 0
    assert found.facts == {"newsletter": "there is no such newsletter now"}


async def test_a_segment_that_is_gone_leaves_the_audience_unknown(survey_of: SurveyOf) -> None:
    found = await survey_of("trigger_broadcast", broadcast_id=10, recipients={"segment": {"id": 99}})
    assert found.audience is None
    assert "Segment 99: there is no such segment now." in found.unsure


async def test_cancelling_a_plan_reaches_nobody(survey_of: SurveyOf) -> None:
    found = await survey_of("schedule_newsletter", newsletter_id=1, scheduled_at=0)
    assert found.audience == 0
    assert "cancelled" in found.facts["when"]


@pytest.mark.parametrize(
    ("segments", "counts", "audience"),
    [
        ([], {}, None),
        ([1, 2], {1: 10, 2: 5}, 15),
        ([1, 1], {1: 10}, 10),
        ([1, 2], {1: 10}, None),
        (list(range(1, 10)), dict.fromkeys(range(1, 10), 1), None),
    ],
)
async def test_segments_of_a_newsletter_are_summed_if_all_of_them_are_known(
    segments: list[int], counts: dict[int, int], audience: int | None
) -> None:
    looks = Scripted(
        get_newsletter={"newsletter": NEWSLETTER | {"recipient_segment_ids": segments}},
        count_segment_people=lambda given: {"count": counts.get(given["segment_id"])},
    )
    found = await surveyed(looks, "send_newsletter", newsletter_id=1)
    assert found.audience == audience
    assert bool(found.unsure) == (not segments or len(segments) > MOST_SEGMENTS)
