"""Segments: manual ones hold people, dynamic ones hold a rule."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from cio_mcp.sandbox.filters import matches
from cio_mcp.sandbox.people import Person
from cio_mcp.sandbox.replies import JsonObject


@dataclass(slots=True, kw_only=True, eq=False)
class Segment:
    """A segment: `rule` is an audience filter (None = everyone) of a dynamic one, `members` cio_ids of a manual one."""

    id: int
    name: str
    description: str
    manual: bool
    created_at: int
    updated_at: int
    rule: JsonObject | None = None
    members: dict[str, None] = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        """Return the segment object of the App API."""
        return {
            "id": self.id,
            "deduplicate_id": f"{self.id}:{self.updated_at}",
            "name": self.name,
            "description": self.description,
            "state": "finished",
            "progress": None,
            "type": "manual" if self.manual else "dynamic",
            "tags": None,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


class Segments:
    """The segments of a workspace."""

    def __init__(self) -> None:
        self.by_id: dict[int, Segment] = {}
        self._last = 0

    def add(
        self, name: str, description: str, now: int, *, manual: bool = True, rule: JsonObject | None = None
    ) -> Segment:
        """Create a segment with the next free number."""
        self._last += 1
        segment = Segment(
            id=self._last,
            name=name,
            description=description,
            manual=manual,
            created_at=now,
            updated_at=now,
            rule=rule,
        )
        self.by_id[segment.id] = segment
        return segment

    def belongs(self, number: int, person: Person) -> bool:
        """Tell whether a person is in a segment; nobody is in an unknown one."""
        segment = self.by_id.get(number)
        if segment is None:
            return False
        if segment.manual:
            return person.cio_id in segment.members
        return segment.rule is None or matches(segment.rule, person, self.belongs)

    def of_person(self, person: Person) -> list[Segment]:
        """Return the segments a person is in."""
        return [segment for segment in self.by_id.values() if self.belongs(segment.id, person)]

    def people(self, segment: Segment, everyone: Iterable[Person]) -> list[Person]:
        """Return the people of a segment, in the order they were created."""
        return [person for person in everyone if self.belongs(segment.id, person)]

    def forget_person(self, cio_id: str) -> None:
        """Drop a deleted person from the manual segments."""
        for segment in self.by_id.values():
            segment.members.pop(cio_id, None)

    def hand_over(self, old: str, new: str) -> None:
        """Give the manual segments of a merged person to the one who stays."""
        for segment in self.by_id.values():
            if old in segment.members:
                del segment.members[old]
                segment.members[new] = None
