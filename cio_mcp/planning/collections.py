"""Surveys of calls that change collections: what is in them, and which live messages name them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cio_mcp.catalog.collections import CreateCollection, DeleteCollection, UpdateCollection
from cio_mcp.planning.answers import member, moment, number, rows
from cio_mcp.planning.inquiry import Inquiry
from cio_mcp.planning.segments import is_running
from cio_mcp.planning.webhooks import host_of

MOST_ACTIONS = 20
"""Messages whose texts are looked through."""
_NAMED = 4


async def creation(params: CreateCollection, inquiry: Inquiry) -> None:
    """Survey a new collection, of which nothing is there to be read yet."""
    inquiry.facts["new_rows"] = _rows_of(params)


async def update(params: UpdateCollection, inquiry: Inquiry) -> None:
    """Survey a change: what is there now, what would be lost, which live messages name it."""
    found = await _now(params.collection_id, inquiry)
    if params.data is not None or params.url is not None:
        inquiry.facts["new_rows"] = _rows_of(params)
    if params.data is not None and found:
        _lost_columns(found, params.data, inquiry)
    if params.name is not None and found:
        renamed = found.get("name") != params.name
        inquiry.facts["renamed"] = "yes: messages that use the old name render empty" if renamed else False
    await _readers(found.get("name"), inquiry)


async def deletion(params: DeleteCollection, inquiry: Inquiry) -> None:
    """Survey a deletion: what would be lost, and which live messages name it."""
    found = await _now(params.collection_id, inquiry)
    await _readers(found.get("name"), inquiry)


async def _now(collection_id: int, inquiry: Inquiry) -> dict[str, Any]:
    seen = await inquiry.ask("collection", "get_collection", collection_id=collection_id)
    found = member(seen.data, "collection")
    inquiry.target["collection"] = {name: found.get(name) for name in ("id", "name", "rows", "schema", "updated_at")}
    if seen.absent:
        inquiry.facts["collection"] = "there is no such collection now"
    elif found:
        columns = found.get("schema")
        inquiry.facts["collection"] = {
            "rows_now": number(found.get("rows")),
            "bytes": number(found.get("bytes")),
            "columns": len(columns) if isinstance(columns, list) else None,
            "updated": moment(found.get("updated_at")),
        }
        inquiry.name("collection", found.get("name"))
        if isinstance(columns, list):
            inquiry.name("columns", ", ".join(map(str, columns)))
    return found


def _rows_of(params: CreateCollection | UpdateCollection) -> int | str:
    if params.data is not None:
        return len(params.data)
    return f"whatever Customer.io downloads from {host_of(params.url)}"


def _lost_columns(found: Mapping[str, Any], data: list[dict[str, Any]], inquiry: Inquiry) -> None:
    columns = found.get("schema")
    kept = {name for row in data for name in row}
    lost = [name for name in columns if name not in kept] if isinstance(columns, list) else []
    inquiry.facts["columns_that_vanish"] = len(lost)
    inquiry.name("columns that vanish", ", ".join(map(str, lost)))


@dataclass(slots=True, kw_only=True)
class _Reading:
    """How far the search for messages that name a collection is."""

    pattern: re.Pattern[str]
    looked_at: int = 0
    found: list[str]


async def _readers(name: Any, inquiry: Inquiry) -> None:
    """Look through the texts of running campaigns and broadcasts for the collection's name."""
    if not isinstance(name, str) or not name:
        return
    reading = _Reading(pattern=re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE), found=[])
    whole = 0
    for kind in ("campaign", "broadcast"):
        seen = await inquiry.ask(f"{kind}s that may read it", f"list_{kind}s")
        running = [row for row in rows(seen.data, f"{kind}s") if is_running(row) and number(row.get("id"))]
        whole += sum(len(rows(row, "actions")) for row in running)
        for row in running:
            await _look_through(kind, row, reading, inquiry)
    inquiry.facts["live_messages_that_name_it"] = reading.found or "none found"
    inquiry.facts["looked_at"] = f"{reading.looked_at} of {whole} messages of running campaigns and broadcasts"
    inquiry.target["named_by"] = reading.found
    inquiry.remark("newsletters and transactional messages that read it: their texts were not looked through.")


async def _look_through(kind: str, row: Mapping[str, Any], reading: _Reading, inquiry: Inquiry) -> None:
    label = f"{kind} {row['id']}"
    asked: dict[str, Any] = {f"{kind}_id": row["id"]}
    while reading.looked_at < MOST_ACTIONS:
        seen = await inquiry.ask(f"messages of {label}", f"list_{kind}_actions", **asked)
        actions = rows(seen.data, "actions")[: MOST_ACTIONS - reading.looked_at]
        reading.looked_at += len(actions)
        if label not in reading.found and any(reading.pattern.search(text) for text in _texts(actions)):
            reading.found.append(label)
            if len(reading.found) <= _NAMED:
                inquiry.name(label, row.get("name"))
        following = (seen.data or {}).get("next")
        if not actions or not isinstance(following, str) or not following:
            return
        asked["start"] = following


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in an answer; answers nest no deeper than the parser lets them (`scrub.DEPTH`)."""
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts(each)
        case dict():
            for each in value.values():
                yield from _texts(each)
        case _:
            return
