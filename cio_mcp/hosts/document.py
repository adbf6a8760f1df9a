"""Configuration files as documents: read, and written so that what was not changed stays as it was."""

import json
import math
import re
import tomllib
from collections.abc import Mapping, MutableMapping
from decimal import Decimal
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from cio_mcp.hosts import jsonc
from cio_mcp.hosts.table import Syntax

_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)


class Unreadable(Exception):
    """A text is not what its syntax demands; the text says where."""


def parsed(syntax: Syntax, text: str) -> MutableMapping[str, Any]:
    """Read a document; an empty one is a document too. Raises Unreadable."""
    if syntax is Syntax.TOML:
        try:
            return tomlkit.parse(text)
        except TOMLKitError as error:
            raise Unreadable(f"is no TOML: {error}") from None
    if not text.strip():
        return {}
    document = _with_comments(text) if syntax is Syntax.JSONC else _strict(text)
    if not isinstance(document, dict):
        raise Unreadable("is no JSON object")
    return document


def _strict(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_float=_exact, parse_constant=_exact)
    except json.JSONDecodeError as error:
        raise Unreadable(f"is no JSON: {error.msg} in line {error.lineno}") from None
    except (ValueError, RecursionError):
        raise Unreadable("holds a name twice, or is nested too deeply") from None


def _with_comments(text: str) -> Any:
    try:
        return jsonc.parsed(text)
    except ValueError as error:
        raise Unreadable(f"is no JSON, even with comments: it {error}") from None
    except RecursionError:
        raise Unreadable("is nested too deeply") from None


def rendered(syntax: Syntax, document: MutableMapping[str, Any], *, like: str = "") -> str:
    """Write a document, laid out as the text it was read from, with its comments; raises Unreadable if it cannot."""
    if syntax is Syntax.TOML:
        return _toml(document)
    if syntax is Syntax.JSONC and like.strip():
        try:
            return jsonc.rewritten(like, document)
        except ValueError as error:
            raise Unreadable(str(error)) from None
    found = _INDENT.search(like)
    text = json.dumps(document, indent=found[1] if found else 2, ensure_ascii=False)
    text = text.encode("utf-8", "backslashreplace").decode()  # half of a character, as JavaScript cuts text
    end = "\n" if like.endswith("\n") or not like else ""
    return text.replace("\n", "\r\n") + (end and "\r\n") if "\r\n" in like else text + end


def _toml(document: MutableMapping[str, Any]) -> str:
    """Write a document; one with dotted names at its top would get its next lines into the table that is put in."""
    text = tomlkit.dumps(document)
    wanted = document.unwrap() if isinstance(document, tomlkit.TOMLDocument) else document
    if _without_empty(tomllib.loads(text)) != _without_empty(wanted):
        raise Unreadable("cannot be changed without a loss")
    return text


def _without_empty(table: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out tables that hold nothing: a heading of them may stand in the text or not."""
    kept = {name: _without_empty(value) if isinstance(value, Mapping) else value for name, value in table.items()}
    return {name: value for name, value in kept.items() if value != {}}


def is_bare(syntax: Syntax, text: str, name: str) -> bool:
    """Say whether a table of a document, once it is empty, is nothing that anybody would miss."""
    match syntax:
        case Syntax.JSON:
            return True
        case Syntax.JSONC:
            return not jsonc.holds_comments(text, name)
        case Syntax.TOML:
            return False


def _exact(number: str) -> float:
    """Refuse a number that would be written as another, and what is no number in JSON."""
    value = float(number)
    if not math.isfinite(value) or Decimal(number) != Decimal(repr(value)):
        raise Unreadable(f"holds a number that cannot be kept as it is ({number[:40]})")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice, one of which would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found
