"""Pure: what a model gave becomes checked arguments, or one line that says how to mend it.

No message repeats a value: it may be personal, and it may be written to be read by the model.
"""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from cio_mcp.catalog import controls
from cio_mcp.catalog.controls import Controls
from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.catalog.json_values import DEPTH, LARGEST_INTEGER
from cio_mcp.catalog.params import Params
from cio_mcp.errors import InvalidArguments

P = TypeVar("P", bound=Params)

NODES = 250_000
"""Values in one call: the largest legal one, 10,000 people of a broadcast with their data, has fewer."""
REPORTED = 3
"""Mistakes told at once: enough to mend a call in one go, few enough to read."""
SHOWN_CHARACTERS = 40
"""Of a name that somebody else chose."""
BAGS = ("attributes", "data", "message_data")
"""Arguments that take whatever the workspace calls its own."""
_WORDS = {
    "Input should be": "must be",
    "Value should have": "must have",
    "a valid string": "text",
    "a valid boolean": "a boolean",
    "a valid dictionary": "a JSON object",
    "a valid list": "a JSON list",
    "a valid integer": "a whole number",
}


def admit(endpoint: Endpoint, given: Mapping[str, Any] | None) -> tuple[Params, Controls]:
    """Return the checked arguments of a call, and what it says to this server itself; raises InvalidArguments."""
    try:
        said, rest = controls.split(endpoint, given)
    except ValidationError as error:
        raise _refused(endpoint.name, Controls, error) from None
    return validate(endpoint.name, endpoint.params, rest, also=endpoint.controls), said


def validate(tool: str, params: type[P], given: Mapping[str, Any] | None, *, also: Sequence[str] = ()) -> P:
    """Return the checked arguments of a tool; raises InvalidArguments with the field, the reason and the remedy.

    `also` names what the tool takes beside them, in case that was meant by a name that is none.
    """
    arguments = dict(given or {})
    problem = _unspeakable(arguments)
    if problem:
        raise _invalid(tool, [problem])
    try:
        return params.model_validate(arguments)
    except ValidationError as error:
        raise _refused(tool, params, error, also) from None


def _refused(tool: str, params: type[Params], error: ValidationError, also: Sequence[str] = ()) -> InvalidArguments:
    # An unknown name is told first: it often is what a missing one was meant to be.
    lines = sorted(_distinct(error), key=lambda line: line["type"] != "extra_forbidden")
    return _invalid(tool, [_explain(params, line, also) for line in lines[:REPORTED]], len(lines))


def _invalid(tool: str, problems: list[str], count: int = 1) -> InvalidArguments:
    more = f" (and {count - REPORTED} more)" if count > REPORTED else ""
    return InvalidArguments(
        f"{tool}: {'; '.join(problems)}{more}. Nothing was sent.",
        next_step="Mend the named arguments and call again.",
    )


class _Place(NamedTuple):
    """Where a value stands, as one step below another place: spelt out only for the one that is told."""

    above: "_Place | None"
    step: str | int
    depth: int

    def steps(self) -> tuple[str | int, ...]:
        return (*(self.above.steps() if self.above else ()), self.step)


def _unspeakable(arguments: dict[str, Any]) -> str | None:
    """Find what JSON on the wire cannot carry; walks without recursion, so no depth can harm it."""
    stack: list[tuple[Any, _Place | None]] = [(arguments, None)]
    nodes = 0
    while stack:
        value, place = stack.pop()
        nodes += 1
        depth = place.depth if place else 0
        if nodes + len(stack) > NODES:
            return f"{_argument(place)}: more than {NODES:,} values in one call; send less at once"
        if depth > DEPTH:
            return f"{_argument(place)}: nested more than {DEPTH} levels deep"
        problem = _unspeakable_value(value)
        if problem:
            return f"{_place(place.steps()) if place else 'arguments'}: {problem}"
        if isinstance(value, dict):
            stack.extend((member, _Place(place, name, depth + 1)) for name, member in value.items())
            stack.extend((name, place) for name in value)
        elif isinstance(value, list):
            stack.extend((item, _Place(place, index, depth + 1)) for index, item in enumerate(value))
    return None


def _argument(place: _Place | None) -> str:
    return _place(place.steps()[:1]) if place else "arguments"


def _unspeakable_value(value: Any) -> str | None:
    match value:
        case str():
            return None if _is_unicode(value) else "holds half of a character (a lone surrogate); send whole text"
        case float() if not math.isfinite(value):
            return "is no number that JSON can carry"
        case int() if not -LARGEST_INTEGER <= value < LARGEST_INTEGER:
            return "is too large a number; send it as text"
        case _:
            return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _distinct(error: ValidationError) -> Iterable[Any]:
    """Yield one mistake per place: a union reports one for each of its members."""
    seen = set[tuple[int | str, ...]]()
    for line in error.errors(include_url=False, include_context=True, include_input=True):
        place = line["loc"][:1] if line["type"] == "union_error" else line["loc"]
        if place not in seen:
            seen.add(place)
            yield line


def _explain(params: type[Params], line: Mapping[str, Any], also: Sequence[str]) -> str:
    place = _place(line["loc"])
    known = {info.alias or name: info for name, info in params.model_fields.items()}
    match line["type"]:
        case "extra_forbidden":
            return _unknown(line["loc"], (*known, *also))
        case "missing":
            info = known.get(str(line["loc"][0]))
            return f"{place} is required" + (f" ({info.description})" if info and len(line["loc"]) == 1 else "")
        case "literal_error":
            return f"{place} {_choice(line)}"
        case "value_error":
            reason = str(line["ctx"]["error"])
            return f"{place} {reason}" if place else reason
        case _:
            return f"{place} {_plain(line['msg'])}"


def _place(loc: tuple[int | str, ...]) -> str:
    path = ""
    for step in loc:
        path += f"[{step}]" if isinstance(step, int) else f".{_printable(step)}" if path else _printable(step)
    return path


def _unknown(loc: tuple[int | str, ...], known: Iterable[str]) -> str:
    if len(loc) > 1:
        return f"{_place(loc)} is unknown"  # the names known here are those of the tool, not of what is inside
    name, valid = str(loc[-1]), list(known)
    close = difflib.get_close_matches(name.lower(), [option.lower() for option in valid], n=1, cutoff=0.6)
    nearest = next((option for option in valid if close and option.lower() == close[0]), None)
    if nearest:
        return f"unknown argument {shown(name)} (did you mean {nearest}?)"
    bag = next((option for option in BAGS if option in valid), None)
    if bag:
        return f"unknown argument {shown(name)}: what is yours to name goes into {bag}; it takes {', '.join(valid)}"
    return f"unknown argument {shown(name)}: it takes {', '.join(valid) or 'no arguments'}"


def _choice(line: Mapping[str, Any]) -> str:
    expected = line["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
    given = line["input"]
    close = difflib.get_close_matches(given.lower(), expected.split(", "), n=1) if isinstance(given, str) else []
    return f"must be one of {expected}" + (f" (did you mean {close[0]}?)" if close else "")


def _plain(message: str) -> str:
    """Turn pydantic's "Input should be a valid string" into the end of our sentence, in JSON's words."""
    for pydantics, ours in _WORDS.items():
        message = message.replace(pydantics, ours, 1)
    return message


def shown(name: str) -> str:
    """Quote a name that somebody else chose: printable, short, on one line."""
    return f"'{_printable(name, more='')}'" + ("..." if len(name) > SHOWN_CHARACTERS else "")


def _printable(name: str, more: str = "...") -> str:
    beginning = "".join(character if character.isprintable() else "?" for character in name[:SHOWN_CHARACTERS])
    return beginning + (more if len(name) > SHOWN_CHARACTERS else "")
