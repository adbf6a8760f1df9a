"""Configuration files as documents: read, and written so that what was not changed stays as it was."""

import json
import re
from collections.abc import MutableMapping
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
        return json.loads(text, object_pairs_hook=_distinct)
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
        return tomlkit.dumps(document)
    if syntax is Syntax.JSONC and like.strip():
        try:
            return jsonc.rewritten(like, document)
        except ValueError as error:
            raise Unreadable(str(error)) from None
    found = _INDENT.search(like)
    text = json.dumps(document, indent=found[1] if found else 2, ensure_ascii=False)
    end = "\n" if like.endswith("\n") or not like else ""
    return text.replace("\n", "\r\n") + (end and "\r\n") if "\r\n" in like else text + end


def is_bare(syntax: Syntax, text: str, name: str) -> bool:
    """Say whether a table of a document, once it is empty, is nothing that anybody would miss."""
    match syntax:
        case Syntax.JSON:
            return True
        case Syntax.JSONC:
            return not jsonc.holds_comments(text, name)
        case Syntax.TOML:
            return False


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice, one of which would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found
