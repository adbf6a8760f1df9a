"""From a raw path to a handler: split on "/", decode each segment once, walk a tree."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl, unquote_to_bytes

from cio_mcp.sandbox.replies import JsonObject, Refusal, Reply, Shape

if TYPE_CHECKING:
    from cio_mcp.sandbox.world import World

DOT_SEGMENTS = frozenset({".", ".."})


@dataclass(slots=True, kw_only=True)
class Call:
    """One admitted request as a handler sees it; `now` is unix seconds."""

    world: "World"
    now: float
    params: Mapping[str, str]
    query_string: str
    body: bytes
    region: str
    workspace_id: int

    def json(self) -> JsonObject:
        """Return the body as an object (an absent body is an empty one); refuse anything else with 400."""
        if not self.body.strip():
            return {}
        value = parse_json(self.body)
        if not isinstance(value, dict):
            raise Refusal(400, "request body must be a JSON object")
        return value

    def query(self) -> dict[str, str]:
        """Return the query parameters; "+" is a space here, as in every form-encoded query."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def number(self, name: str, status: int = 404) -> int:
        """Return an integer path parameter; refuse anything else with `status`."""
        value = self.params[name]
        if not (value.isascii() and value.isdecimal() and len(value) < 19):  # noqa: PLR2004 - fits 64 bits
            raise Refusal(status, f"{name} is not a valid id")
        return int(value)


Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation: method, path template, handler, error shape, and whether it needs a key at all."""

    method: str
    path: str
    handler: Handler
    shape: Shape
    public: bool = False


class Router:
    """Finds the route of a request; fixed words win over parameters, empty segments match nothing."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for word in route.path.strip("/").split("/"):
            node = node.children.setdefault("{}" if word.startswith("{") else word, _Node())
        if route.method in node.routes:
            raise ValueError(f"two routes for {route.method} {route.path}")
        node.routes[route.method] = route

    def find(self, segments: tuple[str, ...]) -> Mapping[str, Route]:
        """Return the routes at this path by method; empty when the path is unknown."""
        node = _descend(self._root, segments, 0)
        return node.routes if node is not None else {}


class _Node:
    __slots__ = ("children", "routes")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.routes: dict[str, Route] = {}


def _descend(node: _Node, segments: tuple[str, ...], depth: int) -> _Node | None:
    if depth == len(segments):
        return node if node.routes else None
    word = segments[depth]
    if not word or word in DOT_SEGMENTS:
        return None
    fixed = node.children.get(word) if word != "{}" else None
    found = _descend(fixed, segments, depth + 1) if fixed is not None else None
    if found is not None:
        return found
    variable = node.children.get("{}")
    return _descend(variable, segments, depth + 1) if variable is not None else None


def split_path(raw_path: str) -> tuple[str, ...]:
    """Return the segments of a raw path, each decoded once; "+" stays "+". Refuse bytes that are not UTF-8.

    Splitting comes first: an identifier that holds %2F stays one segment.
    """
    words = raw_path.split("/")[1:] or [""]  # "*", the target of OPTIONS, has no segment
    if "%" not in raw_path:
        return tuple(words)
    try:
        return tuple(unquote_to_bytes(word).decode() for word in words)
    except UnicodeDecodeError:
        raise Refusal(400, "path is not valid UTF-8") from None


def path_parameters(route: Route, segments: tuple[str, ...]) -> dict[str, str]:
    """Return the decoded values of the template's parameters."""
    words = route.path.strip("/").split("/")
    return {w[1:-1]: value for w, value in zip(words, segments, strict=True) if w.startswith("{")}


def parse_json(body: bytes) -> Any:
    """Return strict JSON (RFC 8259: no NaN, no Infinity); refuse the rest with 400."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "request body is not valid JSON") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
