"""What one agent can read, start and complete, from the face that it is shown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mcp import types
from mcp.shared.exceptions import MCPError

from cio_mcp import apps, shaping
from cio_mcp.delivery import Caller
from cio_mcp.errors import CioError, InvalidArguments, NotFound, NotPermitted
from cio_mcp.faces import Face
from cio_mcp.faces.choice import ARGUMENT
from cio_mcp.faces.face import framed_text
from cio_mcp.guidance import names, pages
from cio_mcp.guidance.names import LISTINGS, Listing, Names, Pair
from cio_mcp.guidance.workflows import WORKFLOWS, Argument, Workflow
from cio_mcp.ledger import Unrecorded
from cio_mcp.pipeline import Pipeline
from cio_mcp.scrub import one_line

SCHEME = "customerio"
TOOLS, RULES, GRANTS, AUDIT = (f"{SCHEME}://{page}" for page in ("guide/tools", "guide/api", "guide/grants", "audit"))
LINES = 20
URI_CHARACTERS = 200
"""Of one that leads nowhere, as an error shows it."""
_SHOWN = (
    *("at", "kind", "operation", "tool", "access", "workspace", "rule", "arguments", "recipients", "approval"),
    *("ending", "code", "status", "made"),
)
_MENDED_BY_CALLER = (InvalidArguments, NotFound, NotPermitted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One thing of Customer.io as a resource: `reads` are the tools that show it, the first of which must."""

    kind: str
    argument: str
    about: str
    reads: tuple[str, ...]


THINGS = (
    Thing(
        kind="segments",
        argument="segment_id",
        about="A segment and how many people are in it.",
        reads=("get_segment", "count_segment_people"),
    ),
    Thing(
        kind="collections",
        argument="collection_id",
        about="A collection and its rows.",
        reads=("get_collection", "get_collection_content"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """Resources, prompts and completions for one agent, who gets nothing by them that its tools would not show."""

    face: Face
    names: Names

    @property
    def _tools(self) -> dict[str, str]:
        return {tool.name: tool.description or "" for tool in self.face.listed.tools}

    @property
    def _drawn(self) -> set[str]:
        found = ((tool.meta or {}).get("ui", {}).get("resourceUri", "") for tool in self.face.listed.tools)
        return {uri for uri in found if uri}

    @property
    def _is_several(self) -> bool:
        return self.face.choice.is_open

    def resources(self) -> list[types.Resource]:
        """Return the pages, and what a host may draw answers with."""
        pages_ = (
            (TOOLS, "tools", "What each area does, and which tools you have", "text/markdown"),
            (RULES, "api-rules", "Identifiers, filters, times and limits of Customer.io's API", "text/markdown"),
            (GRANTS, "grants", "What you may do", "application/json"),
            (AUDIT, "audit", f"Your last {LINES} calls as they were recorded", "application/json"),
        )
        listed = [
            types.Resource(uri=uri, name=name, description=about, mime_type=mime) for uri, name, about, mime in pages_
        ]
        return listed + [
            types.Resource(
                uri=app.uri, name=app.name, description=app.about, mime_type=apps.MIME_TYPE, _meta=apps.reading()
            )
            for app in apps.APPS
            if app.uri in self._drawn
        ]

    def templates(self) -> list[types.ResourceTemplate]:
        """Return the templates of what this agent may read."""
        query = f"{{?{ARGUMENT}}}" if self._is_several else ""
        return [
            types.ResourceTemplate(
                uri_template=f"{SCHEME}://{thing.kind}/{{{thing.argument}}}{query}",
                name=thing.kind.removesuffix("s"),
                description=thing.about,
                mime_type="text/plain",
            )
            for thing in THINGS
            if thing.reads[0] in self._tools
        ]

    async def read(self, uri: str, caller: Caller) -> types.ReadResourceResult:
        """Return the content of a resource; raises MCPError."""
        if uri == TOOLS:
            return _content(uri, pages.tool_map(self.face.front.catalog, self._tools), "text/markdown")
        if uri == RULES:
            return _content(uri, pages.RULES, "text/markdown")
        if uri == GRANTS:
            front = self.face.front
            told = pages.grants(front.catalog, front.policy, principal=front.principal)
            return _content(uri, shaping.compact(told), "application/json")
        if uri == AUDIT:
            return _content(uri, shaping.compact({"records": await self._records()}), "application/json")
        if app := apps.app_at(uri):
            return _content(uri, apps.document(app), apps.MIME_TYPE, apps.reading())
        return _content(uri, framed_text(await self._thing(uri, caller)), "text/plain")

    def prompts(self) -> list[types.Prompt]:
        """Return the workflows that this agent can follow."""
        return [
            types.Prompt(
                name=workflow.name,
                title=workflow.name.replace("_", " ").capitalize(),
                description=workflow.about,
                arguments=[
                    types.PromptArgument(name=a.name, description=a.about, required=a.required)
                    for a in self._arguments(workflow)
                ],
            )
            for workflow in self._open()
        ]

    def prompt(self, name: str, given: Mapping[str, str]) -> types.GetPromptResult:
        """Return a workflow's text; raises MCPError."""
        workflow = next((each for each in self._open() if each.name == name), None)
        if workflow is None:
            raise MCPError(code=types.INVALID_PARAMS, message="There is no such prompt; the list of prompts shows all.")
        chosen = self.face.choice.of(given)
        if chosen.refusal:
            raise _protocol_error(chosen.refusal)
        also = {ARGUMENT: chosen.named} if chosen.named else {}
        try:
            text = workflow.text(chosen.arguments or {}, self._tools, now=self.face.front.now(), also=also)
        except InvalidArguments as error:
            raise _protocol_error(error) from None
        message = types.PromptMessage(role="user", content=types.TextContent(text=text))
        return types.GetPromptResult(description=workflow.about, messages=[message])

    async def complete(self, params: types.CompleteRequestParams, caller: Caller) -> types.CompleteResult:
        """Return the values that an argument may have; none where nothing is known, or nothing may be read."""
        name, typed = params.argument.name, params.argument.value
        if name not in self._completable(params.ref):
            return types.CompleteResult(completion=types.Completion(values=[]))
        if name == ARGUMENT:
            found = [each for each in self.face.choice.names if each.startswith(typed)]
        else:
            others = (params.context.arguments if params.context else None) or {}
            found = names.matching(await self._listed(LISTINGS[name], others, caller), typed)
        shown = found[: names.MOST_VALUES]
        return types.CompleteResult(
            completion=types.Completion(values=shown, total=len(found), has_more=len(shown) < len(found))
        )

    def _open(self) -> Iterator[Workflow]:
        return (workflow for workflow in WORKFLOWS if workflow.is_open(self._tools))

    def _arguments(self, workflow: Workflow) -> tuple[Argument, ...]:
        own = (
            (Argument(name=ARGUMENT, about=f"One of {', '.join(self.face.choice.names)}"),) if self._is_several else ()
        )
        return (*own, *workflow.arguments)

    async def _records(self) -> list[dict[str, Any]]:
        front = self.face.front
        try:
            found = await front.ledger.of_principal(front.principal, limit=LINES)
        except Unrecorded:
            raise MCPError(code=types.INTERNAL_ERROR, message="The record cannot be read now.") from None
        return [{name: record[name] for name in _SHOWN if name in record} for record in found]

    def _completable(self, ref: types.ResourceTemplateReference | types.PromptReference) -> set[str]:
        if isinstance(ref, types.PromptReference):
            asked = next((each for each in self._open() if each.name == ref.name), None)
            known = {argument.name for argument in self._arguments(asked)} if asked else set[str]()
        else:
            shown = {each.uri_template for each in self.templates()}
            known = {thing.argument for thing in THINGS if f"://{thing.kind}/" in ref.uri and ref.uri in shown}
            known |= {ARGUMENT} if known and self._is_several else set()
        return known & {*LISTINGS, ARGUMENT}

    async def _listed(self, listing: Listing, others: Mapping[str, str], caller: Caller) -> list[Pair]:
        pipeline = self._pipeline(others.get(ARGUMENT))
        if pipeline is None or listing.tool not in self._tools:
            return []
        key = (pipeline.principal, pipeline.workspace, pipeline.policy, listing.tool)
        try:
            return await self.names.of(key, pipeline.now(), partial(_read_names, pipeline, listing, caller))
        except CioError:  # whoever completes an argument needs no error: the call itself will tell
            return []

    def _pipeline(self, workspace: str | None) -> Pipeline | None:
        if self._is_several:
            return self.face.pipelines.get(workspace or "")
        return next(iter(self.face.pipelines.values()), None)

    async def _thing(self, uri: str, caller: Caller) -> dict[str, Any]:
        try:
            place = urlsplit(uri)
        except ValueError:
            raise _no_resource(uri) from None
        thing = next((each for each in THINGS if each.kind == place.netloc), None)
        pipeline = self._pipeline(parse_qs(place.query).get(ARGUMENT, [None])[0])
        if place.scheme != SCHEME or thing is None or pipeline is None or thing.reads[0] not in self._tools:
            raise _no_resource(uri)
        found: dict[str, Any] = {}
        for tool in (each for each in thing.reads if each in self._tools):
            finished = await pipeline.call(pipeline.catalog[tool], {thing.argument: place.path[1:]}, caller=caller)
            if finished.error and tool == thing.reads[0]:
                raise _protocol_error(finished.error)
            found |= {"not_read": tool} if finished.error else finished.data
        return shaping.bounded(found, tokens=pipeline.result_tokens, paging=shaping.Paging())


async def _read_names(pipeline: Pipeline, listing: Listing, caller: Caller) -> list[Pair]:
    finished = await pipeline.call(pipeline.catalog[listing.tool], dict(listing.arguments), caller=caller)
    if finished.error:
        raise finished.error
    return names.pairs(finished.data, listing.member)


def _content(uri: str, text: str, mime: str, meta: dict[str, Any] | None = None) -> types.ReadResourceResult:
    content = types.TextResourceContents(uri=uri, text=text, mime_type=mime, _meta=meta)
    return types.ReadResourceResult(contents=[content])


def _protocol_error(error: CioError) -> MCPError:
    code = types.INVALID_PARAMS if isinstance(error, _MENDED_BY_CALLER) else types.INTERNAL_ERROR
    return MCPError(code=code, message=f"{error.message} {error.next_step}", data={"code": error.code})


def _no_resource(uri: str) -> MCPError:
    return MCPError(
        code=types.INVALID_PARAMS, message="There is no such resource.", data={"uri": one_line(uri, URI_CHARACTERS)}
    )
