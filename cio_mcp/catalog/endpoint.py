"""One operation of Customer.io, declared once, and the areas that collect them."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args

from cio_mcp.catalog import controls
from cio_mcp.catalog.params import In, Params, input_schema
from cio_mcp.catalog.terms import Access, Bucket, Effect, Gate, Key, Repeat

__all__ = ["Access", "Area", "Bucket", "Catalog", "Effect", "Endpoint", "Gate", "Key", "Repeat"]

Method = Literal["GET", "POST", "PUT", "DELETE"]
P = TypeVar("P", bound=Params)
Location = In | Literal["path"]

KB = 1000
"""Customer.io's kB. Its pages do not say 1000 or 1024; the smaller can never be refused."""
DOCS = "https://docs.customer.io/integrations/api/"
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """One API operation as a value: everything the rest of the house derives from comes from here."""

    name: str
    area: str
    method: Method
    path: str
    key: Key
    access: Access
    effect: Effect
    repeat: Repeat
    gate: Gate | None
    buckets: tuple[Bucket, ...]
    docs: str
    params: type[Params]
    wrap: str | None
    max_body: int | None
    emits: str | None
    check_with: str | None
    in_path: tuple[str, ...] = field(init=False)
    """The names of the path's placeholders, in order."""
    locations: Mapping[str, Location] = field(init=False)
    """Where each field travels."""

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself, at import and in a sentence."""
        object.__setattr__(self, "in_path", tuple(_PLACEHOLDER.findall(self.path)))
        locations = {name: self._location(name) for name in self.params.model_fields}
        object.__setattr__(self, "locations", MappingProxyType(locations))
        missing = set(self.in_path) - set(self.params.model_fields)
        if missing:
            raise TypeError(f"{self.name}: the path names {sorted(missing)}, but the class has no such field")
        if not self.description:
            raise TypeError(f"{self.name}: the class needs a docstring, which becomes the tool's description")
        # Not the other way round: Customer.io searches people with POST /v1/customers.
        if self.method == "GET" and self.access is not Access.READ:
            raise TypeError(f"{self.name}: a GET changes nothing, so its access is read")
        if (self.access is Access.READ) != (self.effect is Effect.NONE):
            raise TypeError(f"{self.name}: what reads has no effect, and what has none reads")
        self._check_gate()
        if self.repeat is Repeat.DEDUPLICATED and "id" not in self.params.model_fields:
            raise TypeError(f"{self.name}: a deduplicated call needs a field `id` for its ULID")
        undescribed = [name for name, info in self.params.model_fields.items() if not info.description]
        if undescribed:
            raise TypeError(f"{self.name}: {undescribed} need a description")

    def _check_gate(self) -> None:
        if self.access is Access.READ and self.gate is not None:
            raise TypeError(f"{self.name}: what only reads leaves unasked, so it has no gate")
        if self.access is not Access.READ and self.gate is None:
            raise TypeError(f"{self.name}: what changes something must state its gate: {', '.join(Gate)}")
        if self.access is Access.DESTRUCTIVE and self.gate is Gate.FREE:
            raise TypeError(f"{self.name}: what destroys is asked about, always or by its items")
        if self.effect is Effect.AUDIENCE and self.gate is not Gate.ASKED:
            raise TypeError(f"{self.name}: what sends to an audience is always asked about")
        if self.gate is Gate.ITEMS and self.params.own_access is Params.own_access:
            raise TypeError(f"{self.name}: its items decide, so the class must say how in own_access")
        if taken := sorted(set(self.controls) & set(self.params.model_fields)):
            raise TypeError(f"{self.name}: {taken} are arguments of this server itself")

    @property
    def title(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ").capitalize()

    @property
    def description(self) -> str:
        """What the model reads: the docstring of the arguments' class."""
        return inspect.cleandoc(self.params.__doc__ or "")

    @property
    def summary(self) -> str:
        """The first sentence of the description, on one line."""
        paragraph = " ".join(self.description.split("\n\n", 1)[0].split())
        return re.split(r"(?<=\.)\s", paragraph, maxsplit=1)[0]

    @property
    def docs_url(self) -> str:
        """Where Customer.io documents the operation."""
        return DOCS + self.docs

    @property
    def permission(self) -> str:
        """The word that permits it: `read`, `write`, `destructive`, or `send` for what sends messages."""
        return "send" if self.sends else str(self.access)

    @property
    def sends(self) -> bool:
        """Whether it sends messages, to one person or to an audience."""
        return self.effect in (Effect.MESSAGE, Effect.AUDIENCE)

    @property
    def has_quota(self) -> bool:
        """Whether a 429 may mean the quota of a day: the Track API has none ("Track API limits")."""
        return self.key is not Key.TRACK

    @property
    def controls(self) -> tuple[str, ...]:
        """The arguments that this server adds to its own (`controls.py`)."""
        if self.access is Access.READ:
            return ()
        may_be_asked_about = self.gate is not Gate.FREE or self.params.most_people > 1
        taken = {"dry_run": True, "allow_repeat": self.sends, "confirm_token": may_be_asked_about}
        return tuple(name for name, is_taken in taken.items() if is_taken)

    def _location(self, field_name: str) -> Location:
        if field_name in self.in_path:
            return "path"
        for marker in self.params.model_fields[field_name].metadata:
            if isinstance(marker, In):
                return marker
        return In.QUERY if self.method in ("GET", "DELETE") else In.BODY

    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments, and after them of what this server adds."""
        schema = input_schema(self.params)
        schema["properties"] |= controls.properties(self.controls)
        return schema


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the API that is served, granted and documented together."""

    name: str
    about: str
    endpoints: list[Endpoint] = field(default_factory=list[Endpoint])

    def endpoint(
        self,
        call: str,
        *,
        key: Key,
        access: Access,
        effect: Effect,
        repeat: Repeat,
        gate: Gate | None = None,
        bucket: Bucket | tuple[Bucket, ...],
        docs: str,
        wrap: str | None = None,
        max_body: int | None = None,
        emits: str | None = None,
        check_with: str | None = None,
    ) -> Callable[[type[P]], type[P]]:
        """Declare that the decorated class holds the arguments of `call`, such as `"PUT /v1/things/{id}"`.

        The class's name gives the tool's name, its docstring the description. `docs` is a path below `DOCS`,
        `wrap` names the object that encloses the body, `max_body` is in bytes, `emits` is the reporting
        webhook event that follows, `gate` says of what changes something when a person is asked about it first,
        `check_with` the tool that shows how a call ended whose answer was lost.
        """
        verb, _, path = call.partition(" ")
        if verb not in _METHODS:
            raise TypeError(f"{call!r}: begin with one of {', '.join(_METHODS)}")
        method: Method = verb

        def declare(params: type[P]) -> type[P]:
            self.endpoints.append(
                Endpoint(
                    name=re.sub(r"(?<!^)(?=[A-Z])", "_", params.__name__).lower(),
                    area=self.name, method=method, path=path, key=key, access=access, effect=effect,
                    repeat=repeat, gate=gate, buckets=bucket if isinstance(bucket, tuple) else (bucket,), docs=docs,
                    params=params, wrap=wrap, max_body=max_body, emits=emits,
                    check_with=check_with,
                )
            )  # fmt: skip
            return params

        return declare


class Catalog(Mapping[str, Endpoint]):
    """All endpoints by tool name, in the order of their areas."""

    def __init__(self, *areas: Area) -> None:
        self.areas = areas
        listed = [endpoint for area in areas for endpoint in area.endpoints]
        self._by_name = MappingProxyType({endpoint.name: endpoint for endpoint in listed})
        if len(self._by_name) != len(listed):
            names = [endpoint.name for endpoint in listed]
            raise TypeError(f"declared twice: {sorted({name for name in names if names.count(name) > 1})}")
        for endpoint in listed:
            if endpoint.check_with and endpoint.check_with not in self._by_name:
                raise TypeError(f"{endpoint.name}: check_with names {endpoint.check_with!r}, which is no tool")

    def __getitem__(self, name: str) -> Endpoint:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)
