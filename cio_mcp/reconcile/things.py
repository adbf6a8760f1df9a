"""Things that were to be created, found by their names, and things that were to be removed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cio_mcp.catalog.endpoint import Catalog
from cio_mcp.moments import moment
from cio_mcp.readback import question as by_path
from cio_mcp.reconcile.answers import Answer, identity, member, rows, whole
from cio_mcp.reconcile.case import Case, Question, Sighting, Verdict, absent, done, unclear, weighed
from cio_mcp.scrub import text


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where things of a kind are listed: the tool, the member that holds them, and what two of them share if alike."""

    tool: str
    member: str
    thing: str
    alike: tuple[str, ...] = ("name",)


SHELVES: Mapping[str, Shelf] = {
    "create_segment": Shelf(tool="list_segments", member="segments", thing="segment"),
    "create_collection": Shelf(tool="list_collections", member="collections", thing="collection"),
    # Their list shows no times, so they are told apart by more.
    "create_reporting_webhook": Shelf(
        tool="list_reporting_webhooks", member="reporting_webhooks", thing="webhook", alike=("name", "endpoint")
    ),
}


def ask_shelf(case: Case, _catalog: Catalog) -> Question:
    """Return how to list all things of the kind."""
    return Question(tool=SHELVES[case.endpoint.name].tool, arguments={})


def judge_shelf(case: Case, answer: Answer | None) -> Verdict:
    """Return what follows from the list."""
    shelf = SHELVES[case.endpoint.name]
    listed = rows(answer or {}, shelf.member)
    if listed is None:
        return unclear(f"{shelf.tool} answered with only a part, or in a form that this server does not know.")
    sightings = [found for row in listed if _is_alike(case, shelf, row) and (found := _made(case, shelf, row))]
    if not sightings and getattr(case.params, "url", None):
        return unclear(
            f"{shelf.tool} shows no such {shelf.thing}, which proves nothing: Customer.io may still be fetching its "
            "data."
        )
    return weighed(case, sightings, thing=shelf.thing, tool=shelf.tool)


def _is_alike(case: Case, shelf: Shelf, row: Mapping[str, Any]) -> bool:
    # What is read was scrubbed, so what was asked for is compared as it would be read.
    return all(row.get(name) == text(str(getattr(case.params, name, ""))) for name in shelf.alike)


def _made(case: Case, shelf: Shelf, row: Mapping[str, Any]) -> Sighting | None:
    number, created = identity(row.get("id")), whole(row.get("created_at"))
    claim = _claim(shelf, number)
    if claim in case.claimed or (created is not None and not case.is_near(created)):
        return None
    found = {f"{shelf.thing}_id": number} | ({} if created is None else {"created": moment(created)})
    return Sighting(claim=claim, found=found, sure=created is None or case.is_time_of(created))


def claim_in(tool: str, answer: Answer) -> str | None:
    """Return the name under which a thing is known to be a certain call's, from the answer to the call."""
    shelf = SHELVES.get(tool)
    if shelf is None:
        return None
    # A webhook is answered bare, all else wrapped.
    number = identity((member(answer, shelf.thing) or answer).get("id"))
    return _claim(shelf, number) if number is not None else None


def _claim(shelf: Shelf, number: int | str | None) -> str:
    return f"{shelf.thing} {number}"


def ask_removed(case: Case, catalog: Catalog) -> Question | None:
    """Return how to look for what was to go."""
    look = catalog.get(case.endpoint.check_with or "")
    asked = by_path(case.params, look) if look else None
    return Question(tool=look.name, arguments=asked) if look and asked else None


def judge_removed(case: Case, answer: Answer | None) -> Verdict:
    """Return what follows from the look; None means that it is gone."""
    if answer is None:
        return done(f"{case.endpoint.check_with} says that it is gone.")
    return absent(case, f"{case.endpoint.check_with} still finds it, so it was not removed")
