"""Whatever is given for an identifier names one thing or is refused: in every tool, in every place."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from cio_mcp.catalog import CATALOG
from tests.hostile.driver import Driver, Ended, faults, refusal_faults
from tests.hostile.identifier_corpus import CORPUS, REFUSED, SENT, Hostile
from tests.hostile.slots import SLOTS, Kind, Slot, unlisted
from tests.recording import Received

UNRESERVED = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+")  # RFC 3986, section 2.3
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")

every_slot = pytest.mark.parametrize("slot", SLOTS, ids=[slot.label for slot in SLOTS])


def sent_faults(slot: Slot, value: Any, ended: Ended, like: Received, marker: Any) -> list[str]:
    """Say where the one request differs from `like`, which carried `marker`, in anything but the value."""
    if len(ended.requests) != 1:
        return [*faults(ended), f"{len(ended.requests)} requests left: {ended.code} {ended.message}"]
    [request] = ended.requests
    carried = slot.carried(value)
    found = faults(ended) + path_faults(slot, str(carried), request.raw_path, like.raw_path)
    if parse_qsl(request.query, keep_blank_values=True) != [
        (name, str(carried) if given == marker else given)
        for name, given in parse_qsl(like.query, keep_blank_values=True)
    ]:
        found.append(f"the query is {request.query!r}")
    if "+" in request.query:
        found.append("the query holds a plus sign, which is a space to some")
    if document(request) != replaced(document(like), marker, carried):
        found.append(f"the body is {request.body[:200]!r}")
    if request.method != like.method:
        found.append(f"the method is {request.method}")
    return found


def path_faults(slot: Slot, value: str, path: str, like: str) -> list[str]:
    """Say which segments are not those of the template, or not this value."""
    template, segments = CATALOG[slot.tool].path.split("/"), path.split("/")
    if len(segments) != len(template):
        return [f"the path has another number of segments: {path}"]
    found = []
    for drawn, segment, before in zip(template, segments, like.split("/"), strict=True):
        if drawn != f"{{{slot.name}}}":
            if segment != before:
                found.append(f"{drawn} became {segment}")
        elif not UNRESERVED.fullmatch(segment) or unquote(segment, errors="strict") != value:
            found.append(f"the segment is {segment}")
    return found


def document(request: Received) -> Any:
    """Return the body, with ULIDs made by the server alike."""
    return replaced(json.loads(request.body), ULID, "ULID") if request.body else None


def replaced(value: Any, old: Any, new: Any) -> Any:
    """Return a copy of a JSON value in which every leaf that is `old`, or matches it, is `new`."""
    match value:
        case dict():
            return {name: replaced(member, old, new) for name, member in value.items()}
        case list():
            return [replaced(item, old, new) for item in value]
        case str() if isinstance(old, re.Pattern):
            return new if old.fullmatch(value) else value
        case _:
            return new if type(value) is type(old) and value == old else value


def sent_with_marker(driver: Driver, slot: Slot, id_type: str | None) -> Received:
    ended = driver.call(slot.tool, slot.arguments(slot.marker(id_type), id_type))
    assert not ended.is_error, f"{slot.label}: {ended.message} Mend its entry in tests/hostile/slots.py"
    [request] = ended.requests
    return request


class Judge:
    """Puts one value after the other into a place; knows what the request looks like with a harmless one."""

    def __init__(self, driver: Driver, slot: Slot) -> None:
        self._driver = driver
        self._slot = slot
        self._likes = {kind: sent_with_marker(driver, slot, kind) for kind in (None, *slot.id_types)}

    def faults(self, hostile: Hostile) -> list[str]:
        """Say what is wrong with what became of a value."""
        slot, value = self._slot, hostile.value
        if not hostile.kind or not slot.id_types:
            return self._faults(value, None, refused=slot.verdict(hostile) is REFUSED)
        found = self._faults(value, None, refused=True)
        if hostile.kind in slot.id_types:
            found += self._faults(value, hostile.kind, refused=slot.verdict(hostile) is REFUSED)
        return found

    def _faults(self, value: Any, id_type: str | None, *, refused: bool) -> list[str]:
        ended = self._driver.call(self._slot.tool, self._slot.arguments(value, id_type))
        if refused:
            return refusal_faults(ended, self._slot.name, value)
        return sent_faults(self._slot, value, ended, self._likes[id_type], self._slot.marker(id_type))


@every_slot
def test_a_hostile_identifier_is_refused_or_sent_as_itself(driver: Driver, slot: Slot) -> None:
    judge = Judge(driver, slot)
    tried = [h for h in CORPUS if not (h.value is None and slot.may_be_absent())]
    wrong = {hostile.label: found for hostile in tried if (found := judge.faults(hostile))}
    assert not wrong, "\n".join(f"{label}: {'; '.join(found)}" for label, found in wrong.items())


@pytest.mark.parametrize("slot", [s for s in SLOTS if s.kind is not Kind.NUMBER], ids=lambda slot: slot.label)
def test_every_text_identifier_has_values_of_both_verdicts(slot: Slot) -> None:
    assert {slot.verdict(hostile) for hostile in CORPUS} == {SENT, REFUSED}


def test_every_identifier_in_the_catalogue_has_a_place_here() -> None:
    assert not unlisted(), (
        f"{', '.join(unlisted())}: add each to IN_BODY (how a value is put in) or to ULIDS in tests/hostile/slots.py"
    )
    assert {(slot.tool, slot.name) for slot in SLOTS} >= {
        (tool, name) for tool, endpoint in CATALOG.items() for name in endpoint.in_path
    }


@pytest.mark.parametrize("tool", [tool for tool, endpoint in CATALOG.items() if "customer_id" in endpoint.in_path])
def test_a_plus_in_an_address_is_never_a_space(driver: Driver, tool: str) -> None:
    [request] = driver.call(tool, {"customer_id": "a+b@example.com", "id_type": "email"}).requests
    assert request.raw_path.split("/")[3] == "a%2Bb%40example.com"


def test_a_plus_in_a_query_is_never_a_space(driver: Driver) -> None:
    [request] = driver.call("find_people_by_email", {"email": "a+b@example.com"}).requests
    assert request.query == "email=a%2Bb%40example.com"


def test_no_device_is_so_named_that_its_owner_is_deleted(driver: Driver) -> None:
    for device in ("..", ".", "%2e%2e", "x/../.."):
        ended = driver.call("delete_device", {"identifier": "bob", "device_id": device})
        assert (ended.code, ended.requests) == ("invalid_arguments", [])
