"""Pure: a plan of one write, as JSON for programs and as a question for a person."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cio_mcp import wire
from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.catalog.params import In, Params
from cio_mcp.planning import shown
from cio_mcp.planning.consequences import Consequence, consequence_of
from cio_mcp.planning.inquiry import Survey
from cio_mcp.planning.removals import removals
from cio_mcp.scrub import NAME_CHARACTERS, one_line, visible
from cio_mcp.shaping import compact

_ESCAPE = re.compile(r"\\u\{[0-9a-f]{1,6}\}")
_HIDDEN = "hidden characters"
_COMBINED = "what the segments that it names hold; how they are combined is not known"
_LEFT_OUT = "What this agent may not read was left out or masked here; a person who is asked is shown it."
_LINE = 300
_PATH = 200
_MOST_MEMBERS = 8
"""Members of the body that the question shows one by one."""


READ_LIVE = frozenset({"found_now", "written_by_others"})
"""Members of a plan that come from reads, masked as these are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A member of a body, as JSON, as a caller gave it; of a list of `count` items all but the last `more`."""

    name: str
    text: str
    count: int = 0
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would leave and what it would touch; nothing in it has been sent."""

    tool: str
    permission: str
    reasons: tuple[str, ...]
    request: Mapping[str, Any]
    """The request as it would leave, its secrets and lengths taken out."""
    given: tuple[Given, ...]
    """The members of the body."""
    removes: tuple[str, ...]
    """What it deletes, suppresses or merges, all of it, as a caller named it."""
    lists: tuple[shown.Listed, ...]
    """The members of the body that are lists, and how much of each the request shows."""
    key: str
    workspace: str
    consequence: Consequence
    sends: bool
    survey: Survey
    told: Survey | None = None
    """What of it the agent may know, None if all of it."""
    is_partial: bool = False
    """Some of what would be touched could not be read now."""

    def as_json(self) -> dict[str, Any]:
        """Return the plan as an object, facts first and texts of others last."""
        told: dict[str, Any] = {
            "tool": self.tool,
            "permission": self.permission,
            "does": self.consequence.does,
            "asked_because": list(self.reasons),
            "workspace": self.workspace,
            "key": self.key,
            "audience": self.survey.audience,
            "of": self.survey.of,
            "audience_is": _COMBINED,
            "undo": self.consequence.undo,
            "usually_meant_instead": list(self.consequence.instead),
            "found_now": self.survey.facts,
            "not_known": list(self.survey.unsure),
            "removes": list(self.removes),
            "not_shown": [
                f"{each.name}: {_rest(each.count - each.shown, each.count)}"
                for each in self.lists
                if each.shown < each.count
            ],
            "request": dict(self.request),
            "written_by_others": [{"what": what, "text": _quoted(text)} for what, text in self.survey.names],
        }
        if not self.consequence.people:
            del told["audience"], told["of"]
        if not self.survey.combined or self.survey.audience is None:
            del told["audience_is"]
        return {name: value for name, value in told.items() if value not in ([], {})}

    def for_agent(self) -> "Plan":
        """Return the plan as far as the agent may know it, which says that there is more."""
        if self.told is None:
            return self
        return replace(self, survey=replace(self.told, unsure=(*self.told.unsure, _LEFT_OUT)), told=None)

    def question(self) -> str:
        """Return the text put to a person: what this server computed first, then what others wrote, quoted."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield self.consequence.does
        if self.consequence.people:
            yield self._people()
        yield f"Tool: {self.tool} ({self.permission})"
        if self.reasons:
            yield f"Asked because: {_plain('; '.join(self.reasons))}"
        yield f"Workspace: {_plain(self.workspace)}; key: {_plain(self.key)}"
        yield self._request()
        yield f"Can it be undone? {self.consequence.undo}"
        if self.consequence.instead:
            yield f"Usually meant instead: {' '.join(self.consequence.instead)}"
        yield from _section("Removes, as its caller named it", self.removes)
        yield from _section("Found just now", (f"{_words(name)}: {_said(v)}" for name, v in self.survey.facts.items()))
        yield from _section("Not known", self.survey.unsure)
        yield from _section("Given with the call, as its caller wrote it", self._given())
        others = (f"{_plain(what)}: {_quoted(text)}" for what, text in self.survey.names)
        yield from _section("Names written by others; they say nothing about this request", others)

    def _people(self) -> str:
        count, whole = self.survey.audience, self.survey.of
        verb = "reach" if self.sends else "touch"
        if count is None:
            return f"Would {verb}: a number of people that is NOT KNOWN"
        if self.survey.combined:
            share = f"{count:,}" if whole is None else f"{count:,} of {whole:,}"
            return f"Would {verb}: a number of people that is NOT KNOWN; the segments that it names hold {share}"
        if count == 0:
            return f"Would {verb}: NOBODY (0 people now)"
        if whole is None:
            return f"Would {verb}: {count:,} {'person' if count == 1 else 'people'}"
        everybody = ", EVERYBODY there is" if count >= whole > 1 else ""
        return f"Would {verb}: {count:,} of {whole:,} people{everybody}"

    def _request(self) -> str:
        target = str(self.request["path"])
        path = target if len(target) <= _PATH else f"{target[:_PATH]}…({len(target):,} characters)"
        length = f"{self.request['bytes']:,} bytes" if self.request["bytes"] else "no body"
        return f"Request: {self.request['method']} {_plain(str(self.request['host']))}{path} ({length})"

    def _given(self) -> Iterator[str]:
        for each in self.given[:_MOST_MEMBERS]:
            rest = f" and {_rest(each.more, each.count)}" if each.more else ""
            yield f"{each.name}: {_quoted(each.text)}{rest}"
        if len(self.given) > _MOST_MEMBERS:
            yield f"and {len(self.given) - _MOST_MEMBERS:,} more members"


def plan(
    endpoint: Endpoint,
    params: Params,
    request: wire.Request,
    *,
    key: str,
    host: str,
    workspace: str,
    survey: Survey,
    told: Survey | None = None,
    reasons: Sequence[str],
    is_partial: bool = False,
) -> Plan:
    """Return the plan of a call: `key` is the credential's name, `reasons` say why it is asked about.

    `told` is what of the survey the agent may know, if not all.
    """
    sends = endpoint.permission == "send"
    leaving = shown.request(endpoint, request, key=key, host=host)
    lists = {each.name: each for each in leaving.lists}
    return Plan(
        tool=endpoint.name,
        permission=endpoint.permission,
        reasons=tuple(reasons),
        request=leaving.request,
        given=tuple(_given(endpoint, params, leaving.request["body"], lists)),
        removes=removals(params),
        lists=leaving.lists,
        key=key,
        workspace=workspace,
        consequence=consequence_of(endpoint),
        sends=sends,
        is_partial=is_partial,
        survey=survey,
        told=told,
    )


def _given(endpoint: Endpoint, params: Params, body: Any, lists: Mapping[str, shown.Listed]) -> Iterator[Given]:
    """Yield the members of a body; names that the caller chose are part of the text, never of our own line."""
    members = body.get(endpoint.wrap, body) if endpoint.wrap and isinstance(body, dict) else body
    if not isinstance(members, dict):
        return
    fields = type(params).model_fields
    sent = {name: info.serialization_alias or name for name, info in fields.items()}
    ours = {sent[name] for name in fields if endpoint.locations[name] is not In.SPREAD}
    for name, value in members.items():
        if name in ours and name in lists and lists[name].shown:
            yield _listed(value, lists[name])
        else:
            text = value if isinstance(value, str) else _spelt(value)
            yield Given(name=name, text=text) if name in ours else Given(name="another member", text=f"{name} = {text}")


def _listed(value: list[Any], found: shown.Listed) -> Given:
    """Return the beginning of a list of which all items can be read, or of its first item what can be."""
    items = value[: found.shown]
    kept = max(1, *(n for n in range(len(items) + 1) if len(_spelt(items[:n])) <= NAME_CHARACTERS))
    return Given(name=found.name, text=_spelt(items[:kept]), count=found.count, more=found.count - kept)


def _spelt(value: Any) -> str:
    # Quotation marks would all be escaped; in the request they stand as they are.
    return compact(value).replace('"', "'")


def _rest(more: int, count: int) -> str:
    return f"{more:,} more of {count:,}, which are not shown and which a confirmation binds as well"


def _section(title: str, lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield f"{title}:"
        yield from (f"- {line}" for line in found)


def _said(value: Any) -> str:
    match value:
        case None:
            return "not known"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case dict():
            return "; ".join(f"{_words(str(name))} {_said(each)}" for name, each in value.items()) or "none"
        case list() | tuple():
            return _plain(", ".join(map(_said, value))) or "none"
        case _:
            return _plain(str(value))


def _words(name: str) -> str:
    return _plain(name.replace("_", " "))


def _quoted(text: str) -> str:
    """Return a text as `visible` shows it; what hid in an answer was made an escape when that was read."""
    line = visible(text)
    return line if _HIDDEN in line or not _ESCAPE.search(text) else f"{line} (holds {_HIDDEN})"


def _plain(text: str) -> str:
    return one_line(text, _LINE)
