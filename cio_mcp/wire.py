"""Pure: an endpoint and its arguments become a request; an answer becomes JSON or an error.

Nothing here touches the network, a clock or a credential.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlencode

from cio_mcp.catalog.endpoint import Access, Endpoint, Method
from cio_mcp.catalog.params import In, Params
from cio_mcp.catalog.paths import fill
from cio_mcp.errors import (
    BadCredential,
    CioError,
    Forbidden,
    InvalidArguments,
    NotFound,
    PartlyRejected,
    Rejected,
    TooLarge,
    UnreadableReply,
)
from cio_mcp.scrub import one_line, read_json

DETAIL_CHARACTERS = 500
"""How much of Customer.io's own words an error may carry: enough for its longest known sentence."""
LARGEST_CHARACTER = 4
"""Bytes, in UTF-8."""
ROW_CHARACTERS = 200
"""How much of each text about one refused item: they name a field and a rule."""
SAYS = "customerio_says"
REJECTED = "rejected"
THEIRS = frozenset({SAYS, REJECTED})
"""The members of an error that hold Customer.io's own words; everything else in one is written here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What will be on the wire, without host and credential. `path` is percent-encoded."""

    method: Method
    path: str
    query: str
    body: bytes | None

    @property
    def target(self) -> str:
        """Path and query, as the request line shows them."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: status, lower-case header names, and the decoded body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004


def build(endpoint: Endpoint, params: Params) -> Request:
    """Return the request of a call; raises InvalidArguments if the body is larger than Customer.io takes."""
    parts: dict[In | Literal["path"], dict[str, Any]] = {"path": {}, In.QUERY: {}, In.BODY: {}, In.LOCAL: {}}
    given = params.model_dump(mode="json", by_alias=False, exclude_none=True)
    for name, value in given.items():
        where = endpoint.locations[name]
        if where is In.SPREAD:
            parts[In.BODY] |= value
        else:
            alias = type(params).model_fields[name].serialization_alias or name
            parts[where][alias] = value
    return Request(
        method=endpoint.method,
        path=fill(endpoint.path, {name: str(value) for name, value in parts["path"].items()}),
        query=urlencode({k: _in_query(v) for k, v in parts[In.QUERY].items()}, quote_via=quote, safe=""),
        body=_body(endpoint, parts[In.BODY]),
    )


def _in_query(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _body(endpoint: Endpoint, members: dict[str, Any]) -> bytes | None:
    if endpoint.method in ("GET", "DELETE") or not (members or _takes_body(endpoint)):
        return None
    wrapped = {endpoint.wrap: members} if endpoint.wrap else members
    body = json.dumps(wrapped, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    if endpoint.max_body is not None and len(body) > endpoint.max_body:
        raise InvalidArguments(
            f"The arguments make a request of {len(body):,} bytes; Customer.io takes {endpoint.max_body:,} here. "
            "Nothing was sent.",
            next_step="Send less at once.",
        )
    return body


def _takes_body(endpoint: Endpoint) -> bool:
    return any(endpoint.locations[name] in (In.BODY, In.SPREAD) for name in endpoint.params.model_fields)


def read(endpoint: Endpoint, answer: Answer) -> dict[str, Any]:
    """Return the JSON of a successful answer as an object; raise the error that any other answer means.

    429 and 5xx are `retry.py`'s business before they come here.
    """
    if answer.status == 207:  # noqa: PLR2004 - Track v2 batch: some items refused
        raise _partly_rejected(answer)
    if not answer.is_success:
        raise _refusal(endpoint, answer)
    if not answer.body.strip():
        return _accepted(endpoint, answer)
    data = _json(endpoint, answer)
    if isinstance(data, dict):
        return data or _accepted(endpoint, answer)
    return {"rows" if isinstance(data, list) else "value": data}


def is_page(answer: Answer) -> bool:
    """Say whether a page was answered in place of a result: something between here and Customer.io may have."""
    is_html = "html" in answer.headers.get("content-type", "").lower()
    return answer.is_success and is_html and answer.body.lstrip().startswith(b"<")


def _accepted(endpoint: Endpoint, answer: Answer) -> dict[str, Any]:
    if endpoint.access is Access.READ and not answer.body.strip():
        raise _unreadable(endpoint, answer, "an empty body")
    return {} if endpoint.access is Access.READ else {"accepted": True}


def _json(endpoint: Endpoint, answer: Answer) -> Any:
    try:
        return read_json(answer.body)
    except ValueError as error:
        kind = one_line(answer.headers.get("content-type", "no content type"), 60)
        why = "not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
        raise _unreadable(endpoint, answer, f"{len(answer.body):,} bytes of {kind}, {why}") from None


def _unreadable(endpoint: Endpoint, answer: Answer, what: str) -> UnreadableReply:
    if endpoint.access is Access.READ:
        done, step = "", "Try again; if it stays so, run `cio-mcp doctor`: the host may not be Customer.io's."
    else:
        done, step = (
            " The call was accepted.",
            "Do not repeat the call: it was accepted. Read its result instead.",
        )
    return UnreadableReply(f"Customer.io answered {answer.status} with {what}.{done}", next_step=step)


def _partly_rejected(answer: Answer) -> PartlyRejected:
    try:
        rows = read_json(answer.body)["errors"]
    except (ValueError, KeyError, TypeError):
        rows = []
    if not isinstance(rows, list):
        rows = []
    refused = "one item" if len(rows) == 1 else f"{len(rows):,} items" if rows else "some items"
    return PartlyRejected(
        f"Refused: {refused} of the batch; all others were accepted.",
        next_step="Mend and send only the items named in rejected, by batch_index (0-based); the others are done.",
        details={REJECTED: [_rejected(row) for row in rows]},
    )


def _rejected(row: Any) -> dict[str, Any]:
    """Return a refused item as the Track API reference has it ("Send multiple requests", 207), its texts bounded."""
    if not isinstance(row, dict):
        return {"message": one_line(row, ROW_CHARACTERS)} if isinstance(row, str) else {}
    index = row.get("batch_index")
    place = {"batch_index": index} if isinstance(index, int) and not isinstance(index, bool) else {}
    said = {name: row.get(name) for name in ("reason", "field", "message")}
    return place | {name: one_line(text, ROW_CHARACTERS) for name, text in said.items() if isinstance(text, str)}


_NEXT: dict[int, tuple[type[Rejected], str]] = {
    401: (BadCredential, "Ask the operator to run `cio-mcp doctor`: the key is wrong, or of another region or API."),
    403: (Forbidden, "The key may not do this: its scope, or the workspace's plan, does not include it."),
    404: (NotFound, "Check the id and its kind; a list or search tool shows what exists."),
    413: (TooLarge, "Send less at once."),
}  # fmt: skip


def _refusal(endpoint: Endpoint, answer: Answer) -> CioError:
    if 300 <= answer.status < 400:  # noqa: PLR2004
        return Rejected(
            f"Customer.io answered {answer.status}, a redirect, which is never followed: it would carry the key away.",
            next_step="Usually the region is wrong: ask the operator to check CUSTOMERIO_REGION with `cio-mcp doctor`.",
            details={"status": answer.status},
        )
    said = detail(answer)
    # Without words of Customer.io there is nothing to go by.
    default = "Mend the arguments, going by customerio_says, then call again." if said else "Check the arguments."
    kind, step = _NEXT.get(answer.status, (Rejected, default))
    return kind(
        f"Customer.io refused {endpoint.name} with {answer.status}.",
        next_step=step,
        details={"status": answer.status} | ({SAYS: said} if said else {}),
    )


def detail(answer: Answer) -> str:
    """Return what Customer.io said of an error: one scrubbed line of at most `DETAIL_CHARACTERS`.

    Its shapes differ by API: `meta.error`, `meta.errors[]`, and `errors[]` of texts or of objects with
    `detail`, or `reason`, `field` and `message`.
    """
    try:
        data = read_json(answer.body)
    except ValueError:
        # A page of a proxy, say: its markup is of no use to anybody.
        beginning = answer.body[: DETAIL_CHARACTERS * LARGEST_CHARACTER].decode(errors="replace")
        return "" if b"<" in answer.body else one_line(beginning, DETAIL_CHARACTERS)
    return one_line("; ".join(_said(data)), DETAIL_CHARACTERS)


def _said(data: Any) -> list[str]:
    if not isinstance(data, dict):
        return [data] if isinstance(data, str) else []
    meta = data["meta"] if isinstance(data.get("meta"), dict) else {}
    found = [data.get("error"), meta.get("error")]
    for errors in (data.get("errors"), meta.get("errors")):
        if isinstance(errors, list):
            found += [_row(error) for error in errors]
    return [text for text in found if isinstance(text, str) and text]


def _row(error: Any) -> Any:
    if not isinstance(error, dict):
        return error
    pointer = error["source"].get("pointer") if isinstance(error.get("source"), dict) else None
    field = error.get("field") or pointer
    text = error.get("detail") or error.get("message") or error.get("reason")
    return f"{field}: {text}" if field and text else text
