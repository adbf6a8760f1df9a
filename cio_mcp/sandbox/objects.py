"""Objects (companies, courses, ...) and their relationships with people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from cio_mcp.sandbox.replies import JsonObject

_FIRST_OBJECT = 0xB7FD050101


@dataclass(slots=True, kw_only=True, eq=False)
class Thing:
    """An object: its type is a numeric string ("1"), `people` maps a person's cio_id to relationship attributes."""

    cio_object_id: str
    type_id: str
    id: str
    attributes: JsonObject = field(default_factory=dict)
    people: dict[str, JsonObject] = field(default_factory=dict)


class Objects:
    """The objects of a workspace."""

    def __init__(self) -> None:
        self._by_id: dict[tuple[str, str], Thing] = {}
        self._numbers = count(_FIRST_OBJECT)

    def __iter__(self) -> Iterator[Thing]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, identifiers: Mapping[str, str]) -> Thing | None:
        """Return the object of {object_type_id, object_id} or {cio_object_id}."""
        if "cio_object_id" in identifiers:
            wanted = identifiers["cio_object_id"]
            return next((thing for thing in self if thing.cio_object_id == wanted), None)
        return self._by_id.get((identifiers["object_type_id"], identifiers["object_id"]))

    def find_or_add(self, identifiers: Mapping[str, str]) -> Thing | None:
        """As `find`, but create the object when it is named by type and id."""
        thing = self.find(identifiers)
        if thing is None and "object_id" in identifiers:
            type_id, name = identifiers["object_type_id"], identifiers["object_id"]
            thing = Thing(cio_object_id=f"ob{next(self._numbers):x}", type_id=type_id, id=name)
            self._by_id[type_id, name] = thing
        return thing

    def remove(self, thing: Thing) -> None:
        """Delete an object together with its relationships."""
        self._by_id.pop((thing.type_id, thing.id), None)

    def of_person(self, cio_id: str) -> list[Thing]:
        """Return the objects a person is related to."""
        return [thing for thing in self if cio_id in thing.people]

    def forget_person(self, cio_id: str) -> None:
        """Drop the relationships of a deleted person."""
        for thing in self:
            thing.people.pop(cio_id, None)

    def hand_over(self, old: str, new: str) -> None:
        """Move the relationships of a merged person."""
        for thing in self.of_person(old):
            thing.people.setdefault(new, thing.people.pop(old))


def update(target: JsonObject, changes: Mapping[str, object]) -> None:
    """Apply attribute changes: null or an empty string removes the attribute."""
    for name, value in changes.items():
        if value is None or value == "":
            target.pop(name, None)
        else:
            target[name] = value
