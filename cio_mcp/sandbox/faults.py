"""Faults on demand: what may go wrong between a client and Customer.io, asked for one request at a time.

A fault meets a request that was authenticated and admitted. `when="before"` leaves the world untouched, `when="after"`
applies the request first and then spoils the answer. A fault is used `times` times (None: always), after it has let
`skip` matching requests pass.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from cio_mcp.sandbox.replies import JSON_HEADERS, Reply

When = Literal["before", "after"]
LONGEST_WAIT = 60.0
LARGEST_BOMB = 256_000_000
_LONE_SURROGATE = "\ud800"
_HTML = b"<!doctype html><html><head><title>Bad gateway</title></head><body><h1>502</h1></body></html>"

# Kind -> when it strikes unless told otherwise.
KINDS: Mapping[str, When] = {
    "status": "before",
    "throttle": "before",
    "redirect": "before",
    "hang": "before",
    "reset": "before",
    "delay": "after",
    "partial": "after",
    "html": "after",
    "truncated": "after",
    "surrogate": "after",
    "nan": "after",
    "gzip_bomb": "after",
    "huge_list": "after",
    "empty": "after",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    kind: status (`status`, `body`, `headers`), throttle (429; `retry_after` seconds or none, as for a daily quota),
    redirect (`status` 301..308 or 307, `location`), delay (`seconds`), hang (no answer for `seconds`, then the
    connection closes), reset (the connection closes without an answer), partial (half of the body, then closed),
    html, truncated, surrogate, nan, gzip_bomb and huge_list (`size` bytes or entries), empty (200 without a body).
    match: "METHOD /raw/path" as a prefix or glob, "*" for all; a body that is no string is sent as JSON.
    """

    kind: str
    match: str = "*"
    times: int | None = 1
    skip: int = 0
    when: When | None = None
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: int | None = None
    seconds: float = 1.0
    size: int | None = None
    location: str = "https://redirect.invalid/"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if self.when not in {None, "before", "after"}:
            raise ValueError("when must be before or after")
        if not 0 <= self.seconds <= LONGEST_WAIT:
            raise ValueError(f"seconds must be between 0 and {LONGEST_WAIT:g}")
        if self.size is not None and not 0 < self.size <= LARGEST_BOMB:
            raise ValueError(f"size must be between 1 and {LARGEST_BOMB}")

    @property
    def applies(self) -> bool:
        """Whether the request takes effect before the fault strikes."""
        return (self.when or KINDS[self.kind]) == "after"

    def matches(self, method: str, raw_path: str) -> bool:
        """Tell whether a request is the fault's to spoil."""
        request = f"{method} {raw_path}"
        return fnmatchcase(request, self.match) or fnmatchcase(request, f"{self.match}*")


class Faults:
    """The faults still to come, in the order they were added."""

    def __init__(self) -> None:
        self._pending: list[_Pending] = []

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, fault: Fault) -> None:
        """Arm a fault."""
        self._pending.append(_Pending(fault))

    def clear(self) -> None:
        """Disarm every fault."""
        self._pending.clear()

    def take(self, method: str, raw_path: str) -> Fault | None:
        """Return the first fault for this request and count its use."""
        for pending in self._pending:
            if pending.fault.matches(method, raw_path) and pending.strikes():
                if pending.left == 0:
                    self._pending.remove(pending)
                return pending.fault
        return None


class _Pending:
    __slots__ = ("fault", "left", "skip")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.times
        self.skip = fault.skip

    def strikes(self) -> bool:
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True


def spoil(fault: Fault, reply: Reply) -> Reply:
    """Return what the client reads instead of `reply`; delay, hang, reset and partial leave it as it is."""
    spoiler = _SPOILERS.get(fault.kind)
    return reply if spoiler is None else spoiler(fault, reply)


def _status(fault: Fault, _reply: Reply) -> Reply:
    status = fault.status or 500
    body = fault.body if isinstance(fault.body, str) else "" if fault.body is None else json.dumps(fault.body)
    return Reply(status=status, body=body.encode("utf-8", "surrogatepass"), headers=_headers(fault))


def _throttle(fault: Fault, _reply: Reply) -> Reply:
    limit = "rate limited to 10 requests per 1s" if fault.retry_after else "daily quota exceeded"
    body = json.dumps({"errors": [{"detail": f"{limit} (reference fault)", "status": "429"}]}).encode()
    wait = () if fault.retry_after is None else (("retry-after", str(fault.retry_after)),)
    return Reply(status=429, body=body, headers=(*_headers(fault), *wait))


def _redirect(fault: Fault, _reply: Reply) -> Reply:
    status = fault.status or 307
    return Reply(status=status, headers=(("location", fault.location), *fault.headers.items()))


def _html(fault: Fault, _reply: Reply) -> Reply:
    return Reply(status=fault.status or 200, body=_HTML, headers=(("content-type", "text/html"),))


def _empty(fault: Fault, _reply: Reply) -> Reply:
    return Reply(status=fault.status or 200, headers=JSON_HEADERS)


def _truncated(_fault: Fault, reply: Reply) -> Reply:
    body = reply.body.strip() or b"{}"
    return Reply(status=reply.status, body=body[: max(1, len(body) // 2)], headers=reply.headers)


def _surrogate(_fault: Fault, reply: Reply) -> Reply:
    return _rewritten(reply, lambda leaf: leaf + _LONE_SURROGATE if isinstance(leaf, str) else leaf)


def _nan(_fault: Fault, reply: Reply) -> Reply:
    return _rewritten(reply, lambda leaf: float("nan") if isinstance(leaf, int | float) else leaf)


def _huge_list(fault: Fault, reply: Reply) -> Reply:
    size = fault.size or 100_000
    value = _json_of(reply)
    lists = {name: part for name, part in value.items() if isinstance(part, list)} or {"results": []}
    grown = {name: _grow(part, size) for name, part in lists.items()}
    return _with_json(reply, value | grown)


def _gzip_bomb(fault: Fault, reply: Reply) -> Reply:
    """Return valid JSON that is `size` bytes once inflated, a thousandth of that on the wire."""
    size = fault.size or 64_000_000
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)  # | 16: a gzip header
    chunk = b"0" * 1_000_000
    parts = [packer.compress(b'{"padding":"')]
    parts += [packer.compress(chunk) for _ in range(size // len(chunk))]
    parts += [packer.compress(chunk[: size % len(chunk)] + b'"}'), packer.flush()]
    headers = (*JSON_HEADERS, ("content-encoding", "gzip"))
    return Reply(status=reply.status, body=b"".join(parts), headers=headers)


_SPOILERS: Mapping[str, Callable[[Fault, Reply], Reply]] = {
    "status": _status,
    "throttle": _throttle,
    "redirect": _redirect,
    "html": _html,
    "empty": _empty,
    "truncated": _truncated,
    "surrogate": _surrogate,
    "nan": _nan,
    "huge_list": _huge_list,
    "gzip_bomb": _gzip_bomb,
}


def _headers(fault: Fault) -> tuple[tuple[str, str], ...]:
    given = tuple((name.lower(), value) for name, value in fault.headers.items())
    return given if any(name == "content-type" for name, _ in given) else (*JSON_HEADERS, *given)


def _rewritten(reply: Reply, change: Callable[[Any], Any]) -> Reply:
    value = {"spoiled": change(""), "number": change(0)} | _json_of(reply)
    return _with_json(reply, _walk(value, change))


def _walk(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _walk(part, change) for name, part in value.items()}
    if isinstance(value, list):
        return [_walk(part, change) for part in value]
    return change(value)


def _json_of(reply: Reply) -> dict[str, Any]:
    value = json.loads(reply.body) if reply.body.strip() else {}
    return value if isinstance(value, dict) else {"results": value}


def _with_json(reply: Reply, value: object) -> Reply:
    return Reply(status=reply.status, body=json.dumps(value).encode(), headers=JSON_HEADERS)


def _grow(entries: list[Any], size: int) -> list[Any]:
    pattern = entries or [{"id": 1, "name": "padding"}]
    return (pattern * (size // len(pattern) + 1))[:size]
