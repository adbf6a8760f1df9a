"""The right key for each tool, seen by nobody."""

import base64
import copy
import itertools
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, fields, is_dataclass
from typing import Any

import pytest

from cio_mcp.catalog import CATALOG, Key
from cio_mcp.credentials import Credentials, Lease
from cio_mcp.errors import MissingCredential
from cio_mcp.settings import Settings, load
from tests.conftest import Connect, Wire
from tests.recording import Received, Recorder, Reply

TRACK = {"CUSTOMERIO_SITE_ID": "canary-site-id", "CUSTOMERIO_TRACK_API_KEY": "canary-track-key"}
APP = {"CUSTOMERIO_APP_API_KEY": "canary-app-key"}
TOKEN = {"CUSTOMERIO_SERVICE_ACCOUNT_TOKEN": "sa_live_canary"}
WORKSPACE = {"CUSTOMERIO_WORKSPACE_ID": "77"}
EVERYTHING = TRACK | APP | TOKEN | WORKSPACE
PAIR = base64.b64encode(b"canary-site-id:canary-track-key").decode()
CANARIES = ("canary-site-id", "canary-track-key", "canary-app-key", "sa_live_canary", PAIR)

TRACK_HELD: tuple[dict[str, str], ...] = ({}, dict(list(TRACK.items())[:1]), dict(list(TRACK.items())[1:]), TRACK)
APP_HELD: tuple[dict[str, str], ...] = ({}, APP)
ACCOUNT_HELD: tuple[dict[str, str], ...] = ({}, TOKEN, WORKSPACE, TOKEN | WORKSPACE)
COMBINATIONS = [a | b | c for a, b, c in itertools.product(TRACK_HELD, APP_HELD, ACCOUNT_HELD)]
# One tool for each kind of key, with arguments that are right.
CALLS: dict[str, dict[str, Any]] = {
    "track_event": {"identifier": "ada-1", "name": "seen"},
    "list_segments": {},
    "send_email": {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}},
}
# App API reference, "Authentication": service account tokens are taken on these alone.
SENDS = {"send_email", "send_push", "send_sms", "send_in_app"}


def expected(tool: str, held: Mapping[str, str]) -> str | None:
    """Return the credential that a tool goes out with, from what is set."""
    if tool == "track_event":
        return "track" if held.keys() >= TRACK.keys() else None
    if held.keys() >= APP.keys():
        return "app"
    account = held.keys() >= (TOKEN | WORKSPACE).keys()
    return "service_account" if account and tool in SENDS else None


def worn(request: Received) -> tuple[str | None, str | None]:
    """Return the two headers that a credential may set."""
    return request.headers.get("authorization"), request.headers.get("x-workspace-id")


WORN = {
    "track": (f"Basic {PAIR}", None),
    "app": ("Bearer canary-app-key", None),
    "service_account": ("Bearer sa_live_canary", "77"),
}


def test_only_the_four_transactional_sends_take_a_service_account() -> None:
    assert {name for name, endpoint in CATALOG.items() if endpoint.key is Key.SENDING} == SENDS


@pytest.mark.parametrize("held", COMBINATIONS, ids=lambda held: "+".join(held) or "nothing")
def test_every_tool_gets_its_key_or_none_whatever_else_is_set(held: dict[str, str]) -> None:
    credentials = Credentials(load(held))
    for name, endpoint in CATALOG.items():
        kind = {Key.TRACK: "track_event", Key.APP: "list_segments", Key.SENDING: "send_email"}[endpoint.key]
        wanted = expected(kind, held)
        if wanted is not None:
            assert credentials.lease(endpoint).name == wanted, name
            continue
        with pytest.raises(MissingCredential, match=name):
            credentials.lease(endpoint)


@pytest.mark.anyio
@pytest.mark.parametrize("held", COMBINATIONS, ids=lambda held: "+".join(held) or "nothing")
async def test_a_request_wears_its_own_key_and_without_one_none_leaves(
    connected: Connect, recorder: Recorder, held: dict[str, str]
) -> None:
    async with connected(held) as client:
        for tool, arguments in CALLS.items():
            recorder.requests.clear()
            result = await client.call_tool(tool, arguments)
            wanted = expected(tool, held)
            assert bool(result.is_error) is (wanted is None), tool
            assert [worn(request) for request in recorder.requests] == ([WORN[wanted]] if wanted else [])


MADE_AT = "https://fly.customer.io/settings/api_credentials"
MISSING = [
    ("track_event", {}, ["CUSTOMERIO_SITE_ID", "CUSTOMERIO_TRACK_API_KEY"]),
    ("track_event", dict(list(TRACK.items())[:1]), ["CUSTOMERIO_TRACK_API_KEY"]),
    ("track_event", dict(list(TRACK.items())[1:]), ["CUSTOMERIO_SITE_ID"]),
    ("list_segments", TOKEN | WORKSPACE, ["CUSTOMERIO_APP_API_KEY"]),
    ("send_email", {}, ["CUSTOMERIO_APP_API_KEY"]),
    ("send_email", TOKEN, ["CUSTOMERIO_WORKSPACE_ID"]),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("tool", "held", "names"), MISSING)
async def test_a_missing_credential_is_told_with_its_variable_and_where_it_is_made(
    connected: Connect, recorder: Recorder, tool: str, held: dict[str, str], names: list[str]
) -> None:
    async with connected(held) as client:
        result = await client.call_tool(tool, CALLS[tool])
    error = (result.structured_content or {})["error"]
    assert error["code"] == "missing_credential"
    assert error["message"].startswith(f"{tool} needs the ")
    every = {*TRACK, *APP, *TOKEN, *WORKSPACE}
    assert {name for name in every if name in error["next_step"]} == set(names)
    assert error["next_step"].endswith(MADE_AT if tool == "track_event" else f"{MADE_AT}?keyType=app")
    assert "Settings > Account Settings > API Credentials" in error["next_step"]
    assert recorder.requests == []


def test_a_lease_leads_to_the_host_of_its_own_api() -> None:
    urls = {"CUSTOMERIO_TRACK_URL": "http://127.0.0.1:1", "CUSTOMERIO_APP_URL": "http://127.0.0.1:2"}
    credentials = Credentials(load(EVERYTHING | urls))
    hosts = [
        lease.base_url for lease in (credentials.track(), credentials.app(), credentials.service_account()) if lease
    ]
    assert hosts == ["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:2"]


def test_the_names_are_those_of_complete_credentials() -> None:
    assert Credentials(load({})).names == ()
    assert Credentials(load(TOKEN | dict(list(TRACK.items())[:1]))).names == ()
    assert Credentials(load(EVERYTHING)).names == ("track", "app", "service_account")


def holders() -> dict[str, Settings | Credentials | Lease]:
    """Return everything that holds a secret."""
    settings = load(EVERYTHING)
    credentials = Credentials(settings)
    track, app, account = credentials.track(), credentials.app(), credentials.service_account()
    assert track
    assert app
    assert account
    return {"settings": settings, "credentials": credentials, "track": track, "app": app, "account": account}


def _state(holder: object) -> str:
    """Return what debuggers, crash reporters and `vars` look at, two levels down."""
    names = [field.name for field in fields(holder)] if is_dataclass(holder) else list(vars(holder))
    values = [getattr(holder, name) for name in names]
    return repr([(value, getattr(value, "__dict__", None)) for value in values])


def _in_a_traceback(holder: object) -> str:
    def fail(held: object) -> None:
        raise RuntimeError(held)

    with pytest.raises(RuntimeError) as raised:
        fail(holder)
    return "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())


def _in_a_log(holder: object) -> str:
    record = logging.LogRecord("test", logging.INFO, __file__, 1, "%s %r", (holder, holder), None)
    return logging.Formatter().format(record)


def _refused(carry: Callable[[Any], object]) -> Callable[[object], str]:
    """Look at a copy, or at the refusal to make one."""

    def attempt(holder: object) -> str:
        try:
            return repr(carry(holder))
        except TypeError as error:
            return str(error)

    return attempt


SHOWN: dict[str, Callable[[object], str]] = {
    "repr": repr,
    "str": str,
    "f-string": lambda holder: f"{holder} {holder!r}",
    "vars": _state,
    "traceback": _in_a_traceback,
    "log": _in_a_log,
    "pickle": _refused(pickle.dumps),
    "copy": _refused(copy.deepcopy),
    "asdict": _refused(asdict),
    "astuple": _refused(astuple),
}


@pytest.mark.parametrize("way", SHOWN)
@pytest.mark.parametrize("name", holders())
def test_nothing_that_holds_a_secret_shows_it(name: str, way: str) -> None:
    told = SHOWN[way](holders()[name])
    assert told
    assert [canary for canary in CANARIES if canary in told] == []


def test_a_missing_credential_is_raised_without_the_others_in_its_traceback() -> None:
    credentials = Credentials(load(TRACK))
    with pytest.raises(MissingCredential) as raised:
        credentials.lease(CATALOG["list_segments"])
    told = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert "Credentials(track)" in told
    assert [canary for canary in CANARIES if canary in told] == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tool", "arguments"), [("get_segment", {"segment_id": 1}), ("delete_person", {"identifier": "1"})]
)
@pytest.mark.parametrize("status", [200, 400])
async def test_an_answer_that_repeats_the_key_is_shown_without_it(
    wire: Wire, recorder: Recorder, tool: str, arguments: dict[str, Any], status: int
) -> None:
    echo = json.dumps({"meta": {"error": f"Bearer canary-app-key, Basic {PAIR}, canary-track-key"}}).encode()
    recorder.default = Reply(status=status, body=echo)
    wired = await wire(tool, arguments)
    shown = json.dumps(wired.result)
    assert "***" in shown
    hidden = ["canary-app-key"] if tool == "get_segment" else [PAIR, "canary-track-key", "canary-site-id"]
    assert not [secret for secret in hidden if secret in shown]
