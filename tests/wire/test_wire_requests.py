"""Each tool call leaves as exactly the request that Customer.io's references describe."""

import base64
import json
import re
from collections import Counter
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

import anyio
import pytest

from cio_mcp.catalog import CATALOG
from tests.wire.case import JSON, MINTED, NO_MEMBERS, Case
from tests.wire.expectations import CASES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.conftest import Wire, Wired
    from tests.recording import Received, Recorder

    Call = Callable[..., Awaitable[Wired]]

pytestmark = pytest.mark.anyio

TOOLS: Final = frozenset(
    {
        "identify_person",
        "delete_person",
        "upsert_device",
        "delete_device",
        "suppress_person",
        "track_event",
        "track_anonymous_event",
        "merge_people",
        "submit_form",
        "add_people_to_segment",
        "remove_people_from_segment",
        "apply_entity",
        "apply_batch",
        "send_email",
        "send_push",
        "send_sms",
        "send_in_app",
        "trigger_broadcast",
        "send_newsletter",
        "schedule_newsletter",
        "search_people",
        "find_people_by_email",
        "get_person_attributes",
        "list_person_messages",
        "list_person_activities",
        "list_person_relationships",
        "list_person_segments",
        "list_segments",
        "create_segment",
        "get_segment",
        "delete_segment",
        "count_segment_people",
        "list_segment_people",
        "get_segment_used_by",
        "list_broadcasts",
        "get_broadcast",
        "list_broadcast_actions",
        "list_broadcast_triggers",
        "get_broadcast_trigger",
        "list_broadcast_trigger_errors",
        "get_broadcast_metrics",
        "list_campaigns",
        "get_campaign",
        "list_campaign_actions",
        "get_campaign_metrics",
        "list_newsletters",
        "get_newsletter",
        "list_collections",
        "create_collection",
        "get_collection",
        "update_collection",
        "delete_collection",
        "get_collection_content",
        "list_reporting_webhooks",
        "create_reporting_webhook",
        "get_reporting_webhook",
        "update_reporting_webhook",
        "delete_reporting_webhook",
    }
)

# App API reference, "Send messages": only these accept a service account token with X-Workspace-Id.
SENDS: Final = frozenset({"send_email", "send_push", "send_sms", "send_in_app"})

# https://github.com/ulid/spec: 26 characters of Crockford's base32, the first at most 7.
ULID_FORM: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")

# Two names of one recording server: Basic belongs to the Track API's host, Bearer to the App API's.
HOST: Final = {"basic": "127.0.0.1", "bearer": "localhost"}
CREDENTIAL: Final = {"basic": "canary-site-id:canary-track-key", "bearer": "canary-app-key"}

# A call on loopback that a sandbox answers at once; more than this is a hang, not a slow machine.
DEADLINE: Final = 15.0


def _label(case: Case) -> str:
    return f"{case.tool}: {case.id}"


def _first_of(tool: str) -> Case:
    return next(case for case in CASES if case.tool == tool)


@pytest.fixture
def call(wire: "Wire", recording_server: tuple["Recorder", str]) -> "Call":
    """Call a tool with each API under a host name of its own, so that a request shows where it was meant to go."""
    app_url = recording_server[1].replace(HOST["basic"], HOST["bearer"])

    async def bounded(case: Case, **how: str) -> "Wired":
        with anyio.fail_after(DEADLINE):
            return await wire(case.tool, case.arguments, CUSTOMERIO_APP_URL=app_url, **how)

    return bounded


def _credential(request: "Received") -> tuple[str, str]:
    scheme, _, value = request.headers["authorization"].partition(" ")
    if scheme.lower() == "basic":
        value = base64.b64decode(value, validate=True).decode()
    return scheme.lower(), value


def _members_once(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    repeated = [name for name, seen in Counter(name for name, _ in pairs).items() if seen > 1]
    assert not repeated, f"members sent twice: {repeated}"
    return dict(pairs)


def _canonical(document: JSON) -> str:
    """As text, because Python holds 1, 1.0 and True for equal and JSON does not."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False)


def _settled(expected: JSON, actual: JSON) -> JSON:
    """Put the ids minted in `actual` where `expected` awaits them, once they are proper ULIDs."""
    if expected is MINTED:
        assert isinstance(actual, str)
        assert ULID_FORM.fullmatch(actual), f"not a ULID: {actual!r}"
        return actual
    if isinstance(expected, dict):
        found = actual if isinstance(actual, dict) else {}
        return {name: _settled(value, found.get(name)) for name, value in expected.items()}
    if isinstance(expected, list):
        items = actual if isinstance(actual, list) else []
        return [_settled(one, other) for one, other in zip_longest(expected, items[: len(expected)])]
    return expected


def _assert_body(expected: JSON, request: "Received") -> None:
    if expected is None:
        assert request.body == b""
        return
    if expected is NO_MEMBERS:
        if request.body == b"":
            return
        expected = {}
    media_type = request.headers["content-type"].partition(";")[0].strip().lower()
    assert media_type == "application/json"
    actual = json.loads(request.body.decode("utf-8"), object_pairs_hook=_members_once)
    assert _canonical(actual) == _canonical(_settled(expected, actual))


def _assert_request(case: Case, wired: "Wired") -> "Received":
    assert not wired.is_error, wired.result
    assert len(wired.requests) == 1
    request = wired.requests[0]
    query = parse_qsl(request.query, keep_blank_values=True, strict_parsing=True) if request.query else []
    assert request.method == case.method
    assert request.headers["host"].partition(":")[0] == HOST[case.auth]
    assert request.raw_path == case.path
    assert sorted(query) == sorted(case.query.items())
    assert "application/json" in request.headers["accept"]
    _assert_body(case.body, request)
    return request


@pytest.mark.parametrize("case", CASES, ids=_label)
async def test_a_call_sends_the_documented_request(case: Case, call: "Call") -> None:
    request = _assert_request(case, await call(case))
    assert _credential(request) == (case.auth, CREDENTIAL[case.auth])
    assert "x-workspace-id" not in request.headers


@pytest.mark.parametrize("tool", sorted(SENDS))
async def test_a_send_with_a_service_account_names_its_workspace(tool: str, call: "Call") -> None:
    case = _first_of(tool)
    request = _assert_request(case, await call(case, credentials="service_account"))
    assert _credential(request) == ("bearer", "sa_live_canary")
    assert request.headers["x-workspace-id"] == "77"


@pytest.mark.parametrize("tool", sorted(TOOLS - SENDS))
async def test_a_service_account_is_sent_to_no_other_tool(tool: str, call: "Call") -> None:
    wired = await call(_first_of(tool), credentials="service_account")
    assert wired.is_error
    assert wired.result["error"]["code"] == "missing_credential"
    assert wired.requests == []


async def test_two_events_are_minted_two_ids(call: "Call") -> None:
    case = _first_of("track_event")
    calls = [await call(case) for _ in range(2)]
    first, second = (json.loads(wired.requests[0].body)["id"] for wired in calls)
    assert first != second


async def test_the_events_of_one_batch_are_minted_an_id_each(call: "Call") -> None:
    event = {"type": "person", "identifiers": {"id": "42"}, "action": "event", "name": "seen"}
    case = replace(_first_of("apply_batch"), arguments={"batch": [event, event]})
    first, second = json.loads((await call(case)).requests[0].body)["batch"]
    assert first["id"] != second["id"], "the second would be ignored as a repetition of the first"


def test_every_tool_is_covered_and_no_other() -> None:
    assert {case.tool for case in CASES} == TOOLS == set(CATALOG)


def test_every_case_has_a_name_of_its_own() -> None:
    assert [label for label, seen in Counter(map(_label, CASES)).items() if seen > 1] == []


def test_every_tool_that_takes_arguments_is_seen_in_two_cases_or_more() -> None:
    seen = Counter(case.tool for case in CASES)
    without_arguments = TOOLS - {case.tool for case in CASES if case.arguments}
    assert {tool for tool in TOOLS if seen[tool] < 2} == without_arguments
