"""JSON with comments, changed as text: whatever stays keeps its comments, its order and its layout.

The library reads values and tells where each ends; it writes none back. So members are found here, between gaps of
blanks and comments, and one is put in, replaced or taken out at a time.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import json5

_GAP = re.compile(r"(?:[\s\ufeff]|//[^\r\n\u2028\u2029]*|/\*.*?\*/)*", re.DOTALL)
_COMMENTS_BESIDE = re.compile(r"(?:[ \t]*/\*[^\r\n]*?\*/)*(?:[ \t]*//[^\r\n]*)?")
"""Comments that follow on the same line, and so belong to what stands before them."""
_LINE_END = re.compile(r"[ \t]*(?=[\r\n])")
_BARE_NAME = re.compile(r"[^\s:/]+")
_USUAL_INDENT = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """One member of an object: where its name and its value begin, where it ends, and the comma behind it, if any."""

    name: str
    value: Any
    start: int
    at: int
    end: int
    comma: int | None

    @property
    def after(self) -> int:
        return self.end if self.comma is None else self.comma + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """An object as it stands in a text, between its braces."""

    opened: int
    members: tuple[_Member, ...]
    closed: int


def parsed(text: str) -> Any:
    """Read a document; raises ValueError with what is wrong and where, without a word of it."""
    value, error, position = json5.parse(text, allow_duplicate_keys=False)
    if error is None:
        return value
    if position >= len(text.rstrip()):
        raise ValueError("ends too early, or holds a name twice")
    raise ValueError(f"cannot be read in line {text.count(chr(10), 0, position) + 1}")


def rewritten(text: str, wanted: Mapping[str, Any]) -> str:
    """Return a text that can be read, changed so far that it says what is wanted; raises ValueError if it cannot be."""
    start = _after_gap(text, 0)
    first = _object(text, start).members[:1]
    indent = (_margin(text, first[0].start) if first else None) or _USUAL_INDENT
    while (changed := _step(text, start, wanted, margin="", indent=indent)) is not None:
        text = changed
    if not _same(parsed(text), wanted):
        raise ValueError("cannot be changed without a loss")
    return text


def holds_comments(text: str, name: str) -> bool:
    """Say whether an object, which is a member of the document, holds comments beside its members."""
    document = _object(text, _after_gap(text, 0))
    member = next(member for member in document.members if member.name == name)
    found = _object(text, member.at)
    bounds = [found.opened + 1, *(bound for each in found.members for bound in (each.start, each.end)), found.closed]
    between = [text[start:end] for start, end in zip(bounds[::2], bounds[1::2], strict=True)]
    around = text[member.start : member.at] + text[member.end : member.after]
    return "/" in around.replace(name, "") + "".join(between)


def _step(text: str, start: int, wanted: Mapping[str, Any], *, margin: str | None, indent: str) -> str | None:
    """Return the text with one difference less; None if there is none."""
    found = _object(text, start)
    for member in found.members:
        if member.name not in wanted:
            return _without(text, found, member)
    for member in found.members:
        value = wanted[member.name]
        if _same(member.value, value):
            continue
        beside = _margin(text, member.start)
        if isinstance(member.value, dict) and isinstance(value, Mapping):
            return _step(text, member.at, value, margin=beside, indent=indent)
        return text[: member.at] + _laid_out(text, value, margin=beside, indent=indent) + text[member.end :]
    held = {member.name for member in found.members}
    name = next((name for name in wanted if name not in held), None)
    if name is None:
        return None
    if found.members:
        return _appended(text, found.members[-1], name, wanted[name], indent)
    return _filled(text, found, name, wanted[name], margin=margin, indent=indent)


def _object(text: str, start: int) -> _Object:
    members: list[_Member] = []
    at = _after_gap(text, start + 1)
    while text[at] != "}":
        members.append(member := _member(text, at))
        at = _after_gap(text, member.after)
    return _Object(opened=start, members=tuple(members), closed=at)


def _member(text: str, start: int) -> _Member:
    name, end = _name(text, start)
    at = _after_gap(text, _after_gap(text, end) + 1)
    value, end = _value(text, at)
    behind = _after_gap(text, end)
    comma = behind if text[behind] == "," else None
    return _Member(name=name, value=value, start=start, at=at, end=end, comma=comma)


def _name(text: str, at: int) -> tuple[str, int]:
    if text[at] not in "\"'" and (bare := _BARE_NAME.match(text, at)):
        return bare[0], bare.end()
    return _value(text, at)


def _value(text: str, at: int) -> tuple[Any, int]:
    value, _, end = json5.parse(text, start=at, consume_trailing=False)
    return value, end


def _after_gap(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return gap.end() if gap else at


def _margin(text: str, at: int) -> str | None:
    """Return what indents a line, if nothing else stands on it before a place."""
    before = text[:at]
    margin = before[len(before.rstrip(" \t")) :]
    return margin if before[: len(before) - len(margin)].endswith(("\n", "\r")) else None


def _appended(text: str, last: _Member, name: str, value: Any, indent: str) -> str:
    """Put a member behind the last one, on a line of its own if that stands on one."""
    margin = _margin(text, last.start)
    comma, tail = (",", "") if last.comma is None else ("", ",")
    beside = _COMMENTS_BESIDE.match(text, last.after)
    place = beside.end() if beside and margin is not None else last.after
    lead = " " if margin is None else _newline(text) + margin
    member = _written(text, name, value, margin=margin, indent=indent)
    return text[: last.end] + comma + text[last.end : place] + lead + member + tail + text[place:]


def _filled(text: str, found: _Object, name: str, value: Any, *, margin: str | None, indent: str) -> str:
    """Put the first member into an object, which may hold comments."""
    inside = text[found.opened + 1 : found.closed]
    if margin is None and "\n" not in inside:
        member = _written(text, name, value, margin=None, indent=indent)
        return text[: found.opened + 1] + inside + member + text[found.closed :]
    outer, newline = margin or "", _newline(text)
    lines = newline + outer + indent + _written(text, name, value, margin=outer + indent, indent=indent)
    if not inside.strip() and "\n" not in inside:
        return text[: found.opened + 1] + lines + newline + outer + text[found.closed :]
    place = found.opened + 1 + len(inside.rstrip())
    return text[:place] + lines + text[place:]


def _without(text: str, found: _Object, member: _Member) -> str:
    """Take a member out with its comma, or the one before it, and with its line if that is all it holds."""
    before = text[: _start_of_removal(text, member)]
    after = text[member.after :]
    place = found.members.index(member)
    if member.comma is None and place > 0:
        comma = found.members[place - 1].comma
        before = before if comma is None else before[:comma] + before[comma + 1 :]
    left = before[found.opened + 1 :] + text[member.after : found.closed]
    if len(found.members) == 1 and not left.strip():
        return text[: found.opened + 1] + text[found.closed :]
    return before + after


def _start_of_removal(text: str, member: _Member) -> int:
    """Return where a member's line begins, or the blanks before it on a line of others.

    What follows it on its line moves up to the one before, so not if a comment there would swallow it.
    """
    margin = _margin(text, member.start)
    if margin is None:
        return len(text[: member.start].rstrip(" \t"))
    start = member.start - len(margin)
    start -= 2 if text[:start].endswith("\r\n") else 1
    beside = _COMMENTS_BESIDE.match(text, member.after)
    ends = beside is not None and _LINE_END.match(text, beside.end())
    above = text[text.rfind("\n", 0, start) + 1 : start]
    return start if ends or "//" not in above else member.start


def _written(text: str, name: str, value: Any, *, margin: str | None, indent: str) -> str:
    return json.dumps(name, ensure_ascii=False) + ": " + _laid_out(text, value, margin=margin, indent=indent)


def _laid_out(text: str, value: Any, *, margin: str | None, indent: str) -> str:
    """Return a value over lines as far as its member begins one, as the rest of the text is laid out."""
    if margin is None:
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", _newline(text) + margin)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _same(a: Any, b: Any) -> bool:
    """Compare as JSON does: true is not 1, and what is not a number equals itself."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
