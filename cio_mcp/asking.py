"""How MCP lets a server reach the person behind a client: a multi round trip, elicitation, or not at all."""

from dataclasses import replace
from typing import Any

import anyio
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from cio_mcp.consent import Person, Question, Reply, Way
from cio_mcp.delivery import Caller
from cio_mcp.scrub import one_line

ROUND_TRIPS_SINCE = "2026-07-28"
"""The protocol version that has a server answer with a question (MCP specification, "Multi round-trip requests")."""
ELICITATION_SECONDS = 45.0
"""For an answer while the call waits; common clients give up on a call after 60."""
_KEY = "confirm"
_SCHEMA: types.ElicitRequestedSchema = {
    "type": "object",
    "properties": {_KEY: {"type": "boolean", "title": "Confirm", "description": "Yes, do it"}},
    "required": [_KEY],
}


def caller_of(
    ctx: ServerRequestContext[Any], params: types.CallToolRequestParams, *, principal: str, oversees: bool = False
) -> Caller:
    """Name the client as it names itself (for the record only, nothing may rest on it), and how to reach its person."""
    return replace(reader_of(ctx, principal=principal), oversees=oversees, person=_person(ctx, params))


def reader_of(ctx: ServerRequestContext[Any], *, principal: str) -> Caller:
    """Name the client of a request on whose way nobody is asked."""
    client = ctx.session.client_params.client_info if ctx.session.client_params else None

    async def waiting(seconds: float) -> None:
        await ctx.session.report_progress(0, seconds, f"Waiting about {seconds:.0f} s for Customer.io's rate limit")

    return Caller(
        name=one_line(f"{client.name} {client.version}", 80) if client else "unknown",
        principal=principal,
        waiting=waiting,
    )


def round_trip(question: Question) -> types.InputRequiredResult:
    """Return the answer that has the client put a question and make its call again."""
    form = types.ElicitRequestFormParams(message=question.text, requested_schema=_SCHEMA)
    return types.InputRequiredResult(
        request_state=question.handle, input_requests={_KEY: types.ElicitRequest(params=form)}
    )


def _person(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> Person:
    way = _way(ctx)
    if way is Way.NONE:
        return Person()
    answer = (params.input_responses or {}).get(_KEY)
    reply = _reply(answer) if isinstance(answer, types.ElicitResult) else None

    async def ask(question: str) -> Reply:
        with anyio.move_on_after(ELICITATION_SECONDS):
            try:
                return _reply(await ctx.session.elicit_form(question, _SCHEMA, related_request_id=ctx.request_id))
            except MCPError:  # it declared that it can ask, and cannot
                return Reply.SILENT
        return Reply.SILENT

    return Person(way=way, ask=ask, reply=reply, state=params.request_state)


def _way(ctx: ServerRequestContext[Any]) -> Way:
    capabilities = ctx.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    # `{}` has meant form mode since before modes existed (MCP specification 2025-11-25, "Elicitation").
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return Way.NONE
    if ctx.protocol_version >= ROUND_TRIPS_SINCE:
        return Way.ROUND_TRIP
    return Way.INLINE if ctx.session.can_send_request else Way.NONE


def _reply(answer: types.ElicitResult) -> Reply:
    agreed = answer.action == "accept" and (answer.content or {}).get(_KEY) is True
    return Reply.YES if agreed else Reply.NO
