"""What the sandbox answers: replies, refusals, and the shape each area gives its errors."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

JsonObject = dict[str, Any]
JSON_HEADERS = (("content-type", "application/json"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer: status, headers in lower case, body bytes."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Shape(Enum):
    """How an area of the API writes an error (the error responses of the Track and App references differ)."""

    META_ERRORS = "track v1"
    META_ERROR = "merge and transactional sends"
    ENTITY = "track v2"
    DETAIL_STATUS = "app"
    DETAIL = "newsletters"


class Refusal(Exception):
    """A request the API refuses; `render` writes it in the shape of its area."""

    def __init__(self, status: int, detail: str, *, pointer: str = "", field: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.pointer = pointer
        self.field = field


def json_reply(value: object, status: int = 200) -> Reply:
    """Return `value` as compact ASCII JSON, so that a stored lone surrogate stays valid on the wire."""
    return Reply(status=status, body=json.dumps(value, separators=(",", ":")).encode(), headers=JSON_HEADERS)


def accepted() -> Reply:
    """Return what every Track write answers: 200 and an empty object."""
    return Reply(status=200, body=b"{}\n", headers=JSON_HEADERS)


def no_content() -> Reply:
    """Return 204, the answer to App deletes and form submissions."""
    return Reply(status=204)


def entity_errors(errors: Sequence[Mapping[str, object]], status: int) -> Reply:
    """Return the list of errors of Track v2 (400 for one request, 207 for a batch)."""
    return json_reply({"errors": list(errors)}, status)


def render(refusal: Refusal, shape: Shape) -> Reply:
    """Return `refusal` in the error shape of its area."""
    return json_reply(_body(refusal, shape), refusal.status)


def _body(refusal: Refusal, shape: Shape) -> JsonObject:
    detail = refusal.detail
    if shape is Shape.META_ERRORS:
        return {"meta": {"errors": [detail]}}
    if shape is Shape.META_ERROR:
        return {"meta": {"error": detail}}
    if shape is Shape.ENTITY:
        return {"errors": [{"reason": "invalid", "field": refusal.field, "message": detail}]}
    error: JsonObject = {"detail": detail}
    if shape is Shape.DETAIL_STATUS:
        error["status"] = str(refusal.status)
    if refusal.pointer:
        error["source"] = {"pointer": refusal.pointer}
    return {"errors": [error]}
