"""App API: collections."""

from collections.abc import Callable

from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.replies import JsonObject, Refusal, Reply, Shape, json_reply, no_content
from cio_mcp.sandbox.routing import Call, Route
from cio_mcp.sandbox.tables import Collection, check_rows


def list_collections(call: Call) -> Reply:
    """GET /v1/collections."""
    return json_reply({"collections": [table.as_json() for table in call.world.collections.values()]})


def create(call: Call) -> Reply:
    """POST /v1/collections: a name, and exactly one of data, url."""
    body = call.json()
    name = check.needed_text(body, "name")
    rows = _rows(body)
    if rows is None:
        raise Refusal(400, "exactly one of data, url is required")
    number, now = call.world.next_number("collection", call.world.collections), int(call.now)
    table = Collection(id=number, name=name, created_at=now, updated_at=now, rows=rows)
    call.world.collections[number] = table
    return json_reply({"collection": table.as_json()})


def get(call: Call) -> Reply:
    """GET /v1/collections/{collection_id}."""
    return json_reply({"collection": _collection(call).as_json()})


def update(call: Call) -> Reply:
    """PUT /v1/collections/{collection_id}: data or url replaces the whole content."""
    table = _collection(call)
    body = call.json()
    name, rows = check.text(body, "name"), _rows(body)
    if name is not None:
        table.name = name
    if rows is not None:
        table.rows = rows
    table.updated_at = int(call.now)
    return json_reply({"collection": table.as_json()})


def delete(call: Call) -> Reply:
    """DELETE /v1/collections/{collection_id}."""
    del call.world.collections[_collection(call).id]
    return no_content()


def content(call: Call) -> Reply:
    """GET /v1/collections/{collection_id}/content: the rows."""
    return json_reply(_collection(call).rows)


def _rows(body: JsonObject) -> list[JsonObject] | None:
    """Return the rows a request brings; a url is accepted but never fetched here, so it brings none."""
    data, url = check.items(body, "data"), check.text(body, "url")
    if data is not None and url is not None:
        raise Refusal(400, "exactly one of data, url is required")
    if url is not None:
        return []
    return None if data is None else check_rows(data)


def _collection(call: Call) -> Collection:
    table = call.world.collections.get(call.number("collection_id"))
    if table is None:
        raise Refusal(404, "collection not found")
    return table


def _route(method: str, path: str, handler: Callable[[Call], Reply]) -> Route:
    return Route(method=method, path=path, handler=handler, shape=Shape.DETAIL_STATUS)


_COLLECTION = "/v1/collections/{collection_id}"
ROUTES = (
    _route("GET", "/v1/collections", list_collections),
    _route("POST", "/v1/collections", create),
    _route("GET", _COLLECTION, get),
    _route("PUT", _COLLECTION, update),
    _route("DELETE", _COLLECTION, delete),
    _route("GET", f"{_COLLECTION}/content", content),
)
