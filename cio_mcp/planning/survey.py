"""What a call would touch, read live: which survey belongs to which tool."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio

from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.catalog.params import Params
from cio_mcp.planning import collections, people, segments, sends, webhooks
from cio_mcp.planning.inquiry import Inquiry, Look, Survey
from cio_mcp.policy import reach

SECONDS = 20.0
"""What is not known by then is said to be unknown: a person waits for the plan."""

_SURVEYS: Mapping[str, Callable[[Any, Inquiry], Awaitable[None]]] = {
    "delete_person": people.person,
    "suppress_person": people.person,
    "merge_people": people.merge,
    "delete_device": people.device,
    "apply_entity": people.entity,
    "apply_batch": people.entity,
    "add_people_to_segment": segments.membership,
    "remove_people_from_segment": segments.membership,
    "delete_segment": segments.deletion,
    "trigger_broadcast": sends.broadcast,
    "send_newsletter": sends.newsletter,
    "schedule_newsletter": sends.newsletter,
    "create_collection": collections.creation,
    "update_collection": collections.update,
    "delete_collection": collections.deletion,
    "create_reporting_webhook": webhooks.creation,
    "update_reporting_webhook": webhooks.update,
    "delete_reporting_webhook": webhooks.deletion,
}


async def survey(
    endpoint: Endpoint, params: Params, look: Look, *, seconds: float = SECONDS, binds: bool = False
) -> Survey:
    """Find out what a call would touch now, by reads alone; if it `binds`, also who is in its audience.

    What cannot be looked up stands in `unsure` and is no error; neither is a tool of which nothing can be looked up.
    """
    inquiry = Inquiry(look, binds=binds)
    with anyio.move_on_after(seconds) as time:
        if endpoint.name in _SURVEYS:
            await _SURVEYS[endpoint.name](params, inquiry)
        else:
            inquiry.audience = reach.named(endpoint, params) or None
    if time.cancelled_caught:
        inquiry.remark(f"the rest: it could not be looked up within {seconds:.0f} seconds.")
    return inquiry.survey()
