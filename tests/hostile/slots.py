"""Every place in every tool's arguments where an identifier stands, found in the catalogue."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from cio_mcp.catalog import CATALOG
from tests.hostile.calls import minimal, properties, required
from tests.hostile.identifier_corpus import REFUSED, Hostile, Verdict

Wrap = Callable[[Any], Any]


class Kind(Enum):
    """What may stand in a place."""

    NUMBER = auto()
    SEGMENT = auto()
    """A segment of a path, or a text that elsewhere becomes one."""
    SEGMENT_TEXT = auto()
    """Likewise, inside an object, where a number is not taken for text."""
    TRACK_PERSON = auto()
    """A segment of a Track path, where a phone number would be taken for an id."""
    TEXT = auto()
    CIO_ID = auto()
    """A text in a body, where the prefix that paths need is left out (Customer.io's answers have none)."""
    EMAIL = auto()
    NUMBER_OR_NAME = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One place: the rest of the call, and how a value is put in."""

    tool: str
    name: str
    inner: str
    kind: Kind
    base: dict[str, Any]
    wrap: Wrap

    @property
    def label(self) -> str:
        """The place as tests name it."""
        return f"{self.tool}.{self.name}{self.inner}"

    @property
    def id_types(self) -> list[str]:
        """The kinds of identifiers among which `id_type` chooses, none if the tool has no such argument."""
        kinds: list[str] = properties(CATALOG[self.tool]).get("id_type", {}).get("enum", [])
        return kinds if self.name in ("customer_id", "ids") else []

    def arguments(self, value: Any, id_type: str | None = None) -> dict[str, Any]:
        """Return the arguments of a call with a value in this place."""
        return {**self.base, self.name: self.wrap(value)} | ({"id_type": id_type} if id_type else {})

    def may_be_absent(self) -> bool:
        """Say whether null in this place means that nothing is given."""
        return not self.inner and self.name not in required(CATALOG[self.tool])

    def verdict(self, hostile: Hostile) -> Verdict:
        """Return what has to become of a value here, once `id_type` names its kind."""
        value, found = hostile.value, hostile.body
        match self.kind:
            case Kind.NUMBER:
                found = hostile.number
            case Kind.SEGMENT:
                found = hostile.path
            case Kind.TRACK_PERSON:
                found = REFUSED if hostile.kind == "phone" or _is_misspelt(hostile) else hostile.path
            case Kind.SEGMENT_TEXT:
                found = hostile.path if isinstance(value, str) else REFUSED
            case Kind.TEXT | Kind.CIO_ID:
                pass
            case Kind.EMAIL:
                found = hostile.body if isinstance(value, str) and "@" in value else REFUSED
            case Kind.NUMBER_OR_NAME:
                found = hostile.body if _is_name(value) else hostile.number
        return found

    def carried(self, value: Any) -> Any:
        """Return what a value is on the wire: ids are texts, however they were given, and numbers are numbers."""
        match self.kind:
            case Kind.NUMBER:
                return int(value)
            case Kind.NUMBER_OR_NAME:
                return value if _is_name(value) else int(value)
            case Kind.CIO_ID:
                return str(value).removeprefix("cio_")
            case _:
                return str(value)

    def marker(self, id_type: str | None) -> Any:
        """Return a harmless value that is found again on the wire."""
        if self.kind is Kind.NUMBER:
            return 424242
        if self.kind is Kind.EMAIL or id_type == "email":
            return "marker@example.com"
        return {"phone": "+15550000001", "cio_id": "cio_marker"}.get(id_type or "", "marker")


def _is_misspelt(hostile: Hostile) -> bool:
    return hostile.kind == "cio_id" and not re.fullmatch("cio_[a-zA-Z0-9]+", hostile.value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and not re.fullmatch(r"[0-9]+", value)


def _same(value: Any) -> Any:
    return value


PERSON = (
    (".id", Kind.TEXT, lambda v: {"id": v}),
    (".email", Kind.EMAIL, lambda v: {"email": v}),
    (".cio_id", Kind.CIO_ID, lambda v: {"cio_id": v}),
)
SEGMENT_FILTER = (
    (".segment.id", Kind.NUMBER, lambda v: {"segment": {"id": v}}),
    (".and[0].not.segment.id", Kind.NUMBER, lambda v: {"and": [{"not": {"segment": {"id": v}}}]}),
)
DEVICE = ((".token", Kind.SEGMENT_TEXT, lambda v: {"token": v, "platform": "ios"}),)
RELATION = {"object_type_id": "1"}
MERGE = {"type": "person", "action": "merge"}
Places = tuple[tuple[str, Kind, Wrap], ...]

# By the name of the argument, or of the tool and the argument.
IN_BODY: dict[str, Places] = {
    "anonymous_id": (("", Kind.TEXT, _same),),
    "batch": (("[0].identifiers.id", Kind.TEXT, lambda v: [{**MERGE, "action": "delete", "identifiers": {"id": v}}]),),
    "cio_relationships": (
        (
            "[0].identifiers.object_id",
            Kind.TEXT,
            lambda v: [{"identifiers": {**RELATION, "object_id": v}}],
        ),
    ),
    "custom_device": DEVICE,
    "device": DEVICE,
    "email": (("", Kind.EMAIL, _same),),
    "emails": (("[0]", Kind.EMAIL, lambda v: [v]),),
    "filter": SEGMENT_FILTER,
    "identifiers": PERSON,
    "identify_person.cio_relationships": (
        (
            ".relationships[0].identifiers.object_id",
            Kind.TEXT,
            lambda v: {
                "action": "add_relationships",
                "relationships": [{"identifiers": {**RELATION, "object_id": v}}],
            },
        ),
    ),
    "identify_person.id": (("", Kind.TEXT, _same),),
    "ids": (("[0]", Kind.TEXT, lambda v: [v]),),
    "per_user_data": (("[0].id", Kind.TEXT, lambda v: [{"id": v, "data": {}}]),),
    "primary": PERSON,
    "recipients": SEGMENT_FILTER,
    "secondary": PERSON,
    "transactional_message_id": (("", Kind.NUMBER_OR_NAME, _same),),
    "upsert_device.id": (("", Kind.SEGMENT, _same),),
}
# Where the minimal call leaves no room for it.
BASES: dict[str, dict[str, Any]] = {
    "apply_entity.device": {"type": "person", "action": "add_device", "identifiers": {"id": "42"}},
    "apply_entity.primary": {**MERGE, "secondary": {"id": "42"}},
    "apply_entity.secondary": {**MERGE, "primary": {"id": "42"}},
}
# Named like identifiers, but made for one event: `test_hostile_arguments.py` has their table.
ULIDS = frozenset({"apply_entity.id", "track_anonymous_event.id", "track_event.id"})
_LOOKS_LIKE_ONE = re.compile(
    r"(^|_)(ids?|emails?|identifiers?|customers?|people|person|tokens?|device|primary|secondary|recipients|filter"
    r"|relationships|batch|per_user_data)$"
)


def slots() -> Iterator[Slot]:
    """Yield every place of every tool."""
    for tool, endpoint in CATALOG.items():
        shapes = properties(endpoint)
        for name in endpoint.in_path:
            numeric = shapes[name]["type"] == "integer"
            text = Kind.TRACK_PERSON if name == "identifier" else Kind.SEGMENT
            kind = Kind.NUMBER if numeric else text
            yield Slot(tool=tool, name=name, inner="", kind=kind, base=minimal(tool), wrap=_same)
        for name in shapes.keys() - set(endpoint.in_path):
            for inner, kind, wrap in _places(tool, name):
                base = BASES.get(f"{tool}.{name}", minimal(tool))
                yield Slot(tool=tool, name=name, inner=inner, kind=kind, base=base, wrap=wrap)


def _places(tool: str, name: str) -> Places:
    return IN_BODY.get(f"{tool}.{name}") or IN_BODY.get(name, ())


def unlisted() -> list[str]:
    """Return the arguments that look like identifiers and are in neither table."""
    return [
        f"{tool}.{name}"
        for tool, endpoint in CATALOG.items()
        for name, shape in properties(endpoint).items()
        if name not in (*endpoint.in_path, *endpoint.controls)
        and shape.get("type") != "boolean"
        and _LOOKS_LIKE_ONE.search(name)
        and not _places(tool, name)
        and f"{tool}.{name}" not in ULIDS
    ]


SLOTS = tuple(sorted(slots(), key=lambda slot: slot.label))
