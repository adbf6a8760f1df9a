"""App API: segments."""

from collections.abc import Callable

from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.paging import page
from cio_mcp.sandbox.people import Person
from cio_mcp.sandbox.replies import JsonObject, Refusal, Reply, Shape, json_reply, no_content
from cio_mcp.sandbox.routing import Call, Route
from cio_mcp.sandbox.segments import Segment

MEMBERSHIP_PAGE = (1_000, 30_000)  # App API reference, "Get customers in a segment"


def list_segments(call: Call) -> Reply:
    """GET /v1/segments."""
    return json_reply({"segments": [segment.as_json() for segment in call.world.segments.by_id.values()]})


def create_segment(call: Call) -> Reply:
    """POST /v1/segments: a manual segment, empty; the body is wrapped in `segment`."""
    given = check.needed_mapping(call.json(), "segment")
    name = check.needed_text(given, "name")
    segment = call.world.segments.add(name, check.text(given, "description") or "", int(call.now))
    return json_reply({"segment": segment.as_json()})


def get_segment(call: Call) -> Reply:
    """GET /v1/segments/{segment_id}."""
    return json_reply({"segment": _segment(call).as_json()})


def delete_segment(call: Call) -> Reply:
    """DELETE /v1/segments/{segment_id}: manual segments only."""
    segment = _segment(call)
    if not segment.manual:
        raise Refusal(400, "only manual segments can be deleted")
    del call.world.segments.by_id[segment.id]
    return no_content()


def count_people(call: Call) -> Reply:
    """GET /v1/segments/{segment_id}/customer_count."""
    segment = _segment(call)
    return json_reply({"segment_id": segment.id, "count": len(_people(call, segment))})


def membership(call: Call) -> Reply:
    """GET /v1/segments/{segment_id}/membership."""
    segment = _segment(call)
    found, following = page(_people(call, segment), call.query(), *MEMBERSHIP_PAGE)
    return json_reply(
        {
            "segment_id": segment.id,
            "identifiers": [person.summary() for person in found],
            "ids": [person.id or "" for person in found],
            "next": following,
        }
    )


def used_by(call: Call) -> Reply:
    """GET /v1/segments/{segment_id}/used_by.

    The reference has no list of broadcasts. They share their numbers with campaigns, under whose paths they are
    triggered, and are taken to be listed among them.
    """
    number, world = _segment(call).id, call.world
    campaigns = [each.id for each in world.campaigns.values() if number in each.filter_segment_ids]
    broadcasts = [each.id for each in world.broadcasts.values() if number in each.segment_ids]
    newsletters = [each for each in world.newsletters.values() if number in each.segment_ids]
    used: JsonObject = {
        "campaigns": [*campaigns, *broadcasts],
        "sent_newsletters": [each.id for each in newsletters if each.sent_at],
        "draft_newsletters": [each.id for each in newsletters if not each.sent_at],
    }
    return json_reply({"used_by": used})


def _segment(call: Call) -> Segment:
    segment = call.world.segments.by_id.get(call.number("segment_id"))
    if segment is None:
        raise Refusal(404, "segment not found")
    return segment


def _people(call: Call, segment: Segment) -> list[Person]:
    return call.world.segments.people(segment, call.world.people)


def _route(method: str, path: str, handler: Callable[[Call], Reply]) -> Route:
    return Route(method=method, path=path, handler=handler, shape=Shape.DETAIL_STATUS)


_SEGMENT = "/v1/segments/{segment_id}"
ROUTES = (
    _route("GET", "/v1/segments", list_segments),
    _route("POST", "/v1/segments", create_segment),
    _route("GET", _SEGMENT, get_segment),
    _route("DELETE", _SEGMENT, delete_segment),
    _route("GET", f"{_SEGMENT}/customer_count", count_people),
    _route("GET", f"{_SEGMENT}/membership", membership),
    _route("GET", f"{_SEGMENT}/used_by", used_by),
)
