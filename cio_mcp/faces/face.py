"""What one agent is shown, and how its calls are answered: the tools of the workspaces that it may reach."""

import difflib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from cio_mcp.apps import app_named, app_of, told_of
from cio_mcp.arguments import shown
from cio_mcp.asking import caller_of, round_trip
from cio_mcp.catalog.endpoint import Access, Endpoint, Repeat
from cio_mcp.delivery import StandingCheck, in_good_standing
from cio_mcp.errors import CioError
from cio_mcp.faces.choice import Choice
from cio_mcp.framing import BOUNDARY_BYTES, boundary, framed
from cio_mcp.native import Answered, NativeTool
from cio_mcp.pipeline import READ_LIVE, Finished, Pipeline
from cio_mcp.shaping import Paging, bounded, compact

META = "cio-mcp/call"
"""Under this key of a result's `_meta` stands what the server says about the call (MCP, "_meta": prefix/name)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What one agent sees: the tools that its policy permits, in one workspace or several."""

    pipelines: Mapping[str, Pipeline]
    """By the names of the workspaces that it may reach."""
    front: Pipeline
    """Records what reaches none of them, and answers none of it: its workspace may be out of reach as well."""
    choice: Choice
    own: Mapping[str, Answered]
    """Tools that belong to no workspace."""
    listed: types.ListToolsResult
    """Always the same tools in the same order."""
    standing: StandingCheck = in_good_standing
    """Of whom is shown it now."""

    def knows(self, name: str) -> bool:
        """Say whether a tool of this name exists, whether or not this agent may call it."""
        return name in self.own or name in self.front.native or name in self.front.catalog

    async def call_tool(
        self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Answer `tools/call`; an unknown name is a protocol error, everything else a result."""
        caller = caller_of(ctx, params, principal=self.front.principal, oversees=self.front.oversees)
        caller = replace(caller, standing=self.standing)
        if own := self.own.get(params.name):
            return self._answered(await self.front.answer(own, params.arguments, caller=caller))
        chosen = self.choice.of(params.arguments)
        pipeline = self.pipelines.get(chosen.workspace, self.front)
        reaches_any = bool(self.pipelines)
        if reaches_any and (native := pipeline.native.get(params.name)):
            call = pipeline.answer(native, chosen.arguments, caller=caller, refusal=chosen.refusal)
        elif reaches_any and (endpoint := pipeline.catalog.get(params.name)):
            call = pipeline.call(endpoint, chosen.arguments, caller=caller, refusal=chosen.refusal)
        else:
            await pipeline.turn_away(params.name, caller=caller)
            raise self._unknown(params.name)
        return self._answered(await call, chosen.named)

    def _answered(self, finished: Finished, workspace: str = "") -> types.CallToolResult | types.InputRequiredResult:
        if finished.question:
            return round_trip(finished.question)
        meta = {META: finished.meta() | ({"workspace": workspace} if workspace else {})}
        if finished.error:
            return _failed(self._told(finished.error), meta)
        text = framed_text(finished.data) if finished.from_outside else compact(finished.data)
        return _result(finished.data, text, meta)

    def _told(self, error: CioError) -> dict[str, Any]:
        paging = Paging(otherwise="Those cut here are not known to be done: look each up before you send it again.")
        return bounded(error.as_json(), tokens=self.front.result_tokens, paging=paging)

    def _unknown(self, name: str) -> MCPError:
        if not self.pipelines:
            told = f"Unknown tool {shown(name)}: you may reach no workspace of this server, and so have no tools."
            return MCPError(code=types.INVALID_PARAMS, message=told)
        close = difflib.get_close_matches(name, [tool.name for tool in self.listed.tools], n=1)
        hint = f"did you mean {close[0]}?" if close else "the list of tools shows all."
        return MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool {shown(name)}: {hint}")


def _failed(told: dict[str, Any], meta: dict[str, Any]) -> types.CallToolResult:
    """Return an error; what Customer.io said of it stands in a frame after our own words."""
    ours = {name: value for name, value in told["error"].items() if name not in READ_LIVE}
    theirs = {name: value for name, value in told["error"].items() if name in READ_LIVE}
    own_words = compact(told | {"error": ours})
    return _result(told, framed_text(theirs, after=own_words) if theirs else own_words, meta, is_error=True)


def _result(data: dict[str, Any], text: str, meta: dict[str, Any], *, is_error: bool = False) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(text=text)]
    return types.CallToolResult(content=content, structured_content=data, is_error=is_error, _meta=meta)


def framed_text(data: dict[str, Any], *, after: str = "") -> str:
    """Return the text form of what others may have written in part; `after` is a line of ours before it."""
    while True:
        text = framed(compact(data), boundary(secrets.token_bytes(BOUNDARY_BYTES)), ours=after)
        if text is not None:  # else the boundary stands in the data by chance, and another one is drawn
            return text


def tool_of(endpoint: Endpoint) -> types.Tool:
    """Return an endpoint as clients list it: title and all four hints written down."""
    hints = types.ToolAnnotations(
        title=endpoint.title,
        read_only_hint=endpoint.access is Access.READ,
        destructive_hint=endpoint.access is Access.DESTRUCTIVE,
        idempotent_hint=endpoint.repeat in (Repeat.SAFE, Repeat.SAFE_UNLESS_RECREATED),
        open_world_hint=True,
    )
    return types.Tool(
        name=endpoint.name,
        title=endpoint.title,
        description=" ".join(endpoint.description.split()),
        input_schema=endpoint.input_schema(),
        annotations=hints,
        _meta=told_of(app_of(endpoint)),
    )


def native_tool(tool: NativeTool) -> types.Tool:
    """Return a tool of this server itself as clients list it."""
    hints = types.ToolAnnotations(
        title=tool.title,
        read_only_hint=tool.read_only,
        destructive_hint=False,
        idempotent_hint=True,
        open_world_hint=tool.open_world,
    )
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema(),
        annotations=hints,
        _meta=told_of(app_named(tool.name)),
    )


def tools_of(pipeline: Pipeline, choice: Choice) -> Iterable[types.Tool]:
    """Return the tools of a workspace that its policy permits, with the argument that chooses among several."""
    permitted = (endpoint for endpoint in pipeline.catalog.values() if pipeline.policy.permits(endpoint))
    for tool in (*map(tool_of, permitted), *(native_tool(answered.tool) for answered in pipeline.native.values())):
        yield choice.offered_in(tool)
