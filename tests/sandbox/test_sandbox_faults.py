"""Faults over a real socket and in process: what the client meets, and whether the request took effect."""

import json
import time
from typing import Any

import anyio
import httpx2
import pytest

from cio_mcp.sandbox import ConnectionDropped, Fault, create_app
from tests.sandbox.sandbox_talk import APP_HEADERS, TRACK_AUTH, UNLIMITED, Talk

IDENTIFY = "PUT /api/v1/customers/zoe"


def arm(cio: Talk, **fault: Any) -> None:
    cio.sandbox.app.state.faults.add(Fault(**fault))


def identify(cio: Talk) -> httpx2.Response:
    return cio.track("PUT", "/v1/customers/zoe", {"plan": "pro"})


def applied(cio: Talk) -> bool:
    return cio.sandbox.app.state.world.people.find("id", "zoe") is not None


def test_a_status_comes_with_its_body_and_headers_and_without_effect(cio: Talk) -> None:
    arm(cio, kind="status", match=IDENTIFY, status=503, body={"meta": {"error": "down"}}, headers={"X-A": "b"})
    response = identify(cio)
    assert (response.status_code, response.json()) == (503, {"meta": {"error": "down"}})
    assert response.headers["x-a"] == "b"
    assert not applied(cio)
    assert identify(cio).status_code == 200


def test_a_status_can_follow_the_effect(cio: Talk) -> None:
    arm(cio, kind="status", match=IDENTIFY, when="after")
    assert identify(cio).status_code == 500
    assert applied(cio)


@pytest.mark.parametrize(("retry_after", "header"), [(7, "7"), (None, None)])
def test_a_throttle_names_a_time_or_none(cio: Talk, retry_after: int | None, header: str | None) -> None:
    arm(cio, kind="throttle", match="* /v1/segments", retry_after=retry_after)
    response = cio.app("GET", "/segments")
    assert (response.status_code, response.headers.get("retry-after")) == (429, header)
    assert response.json()["errors"][0]["status"] == "429"


def test_a_redirect_leads_elsewhere(cio: Talk) -> None:
    arm(cio, kind="redirect", status=308, location="https://elsewhere.invalid/")
    response = identify(cio)
    assert (response.status_code, response.headers["location"]) == (308, "https://elsewhere.invalid/")
    assert not applied(cio)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_reset_closes_the_connection_before_or_after_the_effect(cio: Talk, when: str) -> None:
    arm(cio, kind="reset", match=IDENTIFY, when=when)
    with pytest.raises(httpx2.ReadError):
        identify(cio)
    assert applied(cio) is (when == "after")
    assert cio.sandbox.app.state.journal[-1].status == 0
    assert identify(cio).status_code == 200


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_hang_ends_for_the_client_at_its_own_timeout(cio: Talk, when: str) -> None:
    arm(cio, kind="hang", match=IDENTIFY, when=when, seconds=30)
    with pytest.raises(httpx2.ReadTimeout):
        cio.track("PUT", "/v1/customers/zoe", {}, timeout=0.1)
    assert applied(cio) is (when == "after")


def test_a_hang_is_bounded_and_then_the_connection_is_closed(cio: Talk) -> None:
    arm(cio, kind="hang", match=IDENTIFY, seconds=0.05)
    with pytest.raises(httpx2.ReadError):
        identify(cio)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delay_answers_late(cio: Talk, when: str) -> None:
    arm(cio, kind="delay", match=IDENTIFY, when=when, seconds=0.1)
    started = time.monotonic()
    assert identify(cio).status_code == 200
    assert time.monotonic() - started >= 0.1
    assert applied(cio)


def test_a_partial_answer_breaks_off_after_the_effect(cio: Talk) -> None:
    arm(cio, kind="partial", match="GET /v1/segments")
    with pytest.raises(httpx2.RemoteProtocolError, match="received 343 bytes, expected 686"):
        cio.app("GET", "/segments")
    arm(cio, kind="partial", match=IDENTIFY)
    with pytest.raises(httpx2.RemoteProtocolError):
        identify(cio)
    assert applied(cio)


@pytest.mark.parametrize(("kind", "status"), [("html", 200), ("truncated", 200), ("empty", 200)])
def test_an_answer_can_be_something_else_than_json(cio: Talk, kind: str, status: int) -> None:
    arm(cio, kind=kind, match=IDENTIFY)
    response = identify(cio)
    assert response.status_code == status
    with pytest.raises(json.JSONDecodeError):
        response.json()
    assert applied(cio)


def test_a_lone_surrogate_is_in_every_string(cio: Talk) -> None:
    arm(cio, kind="surrogate")
    segments = cio.app("GET", "/segments").json()["segments"]
    assert segments[0]["name"] == "All customers\ud800"


def test_nan_is_in_every_number(cio: Talk) -> None:
    arm(cio, kind="nan")
    assert '"count": NaN' in cio.app("GET", "/segments/1/customer_count").text


def test_a_gzip_bomb_is_small_on_the_wire_and_valid_json_once_inflated(cio: Talk) -> None:
    arm(cio, kind="gzip_bomb", size=5_000_000)
    with cio.http.stream("GET", "/v1/segments", headers=APP_HEADERS) as response:
        wire = b"".join(response.iter_raw())
    assert len(wire) < 20_000
    arm(cio, kind="gzip_bomb", size=5_000_000)
    assert len(cio.app("GET", "/segments").json()["padding"]) == 5_000_000


def test_a_huge_list_keeps_the_shape_of_the_answer(cio: Talk) -> None:
    arm(cio, kind="huge_list", size=5_000)
    segments = cio.app("GET", "/segments").json()["segments"]
    assert len(segments) == 5_000
    assert segments[0]["name"] == segments[3]["name"] == "All customers"


def test_a_fault_strikes_as_often_as_told_and_only_where_told(cio: Talk) -> None:
    arm(cio, kind="status", match="GET /v1/seg*/customer_count", times=2, skip=1)
    statuses = [cio.app("GET", "/segments/1/customer_count").status_code for _ in range(5)]
    assert statuses == [200, 500, 500, 200, 200]
    arm(cio, kind="status", match="GET /v1/segments/2", times=None)
    assert cio.app("GET", "/segments/1").status_code == 200
    assert [cio.app("GET", "/segments/2").status_code for _ in range(3)] == [500] * 3
    assert len(cio.sandbox.app.state.faults) == 1


def test_a_refused_request_uses_up_no_fault(cio: Talk) -> None:
    arm(cio, kind="status")
    assert cio.http.get("/v1/segments").status_code == 401
    assert cio.app("GET", "/segments").status_code == 500


def test_faults_are_armed_and_disarmed_over_http(cio: Talk) -> None:
    faults = [{"kind": "status", "status": 418, "match": "GET /v1/segments"}, {"kind": "reset", "times": None}]
    assert cio.http.post("/_sandbox/faults", json=faults).json() == {"pending": 2}
    assert cio.app("GET", "/segments").status_code == 418
    assert cio.http.delete("/_sandbox/faults").status_code == 204
    assert cio.app("GET", "/segments").status_code == 200
    for wrong in ({"kind": "gremlin"}, {"kinds": "status"}, {"kind": "hang", "seconds": 61}, {}, "status", 7):
        assert cio.http.post("/_sandbox/faults", json=wrong).status_code == 400
    assert cio.http.get("/_sandbox/nothing").status_code == 404


def test_state_and_journal_can_be_read_over_http(cio: Talk) -> None:
    identify(cio)
    assert cio.http.get("/_sandbox/state").json()["people"] == 30
    (entry,) = cio.http.get("/_sandbox/journal").json()["requests"]
    assert (entry["method"], entry["status"], entry["body"]) == ("PUT", 200, '{"plan":"pro"}')
    assert "authorization" not in entry["headers"]
    cio.reset()
    assert (
        cio.http.get("/_sandbox/state").json() | {"people": 29, "requests": 0} == cio.http.get("/_sandbox/state").json()
    )


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["reset", "partial", "hang"])
async def test_in_process_a_closed_connection_surfaces_as_the_clients_own_exception(
    kind: str, anyio_backend: str
) -> None:
    assert anyio_backend == "asyncio"
    app = create_app(limits=UNLIMITED)
    app.state.faults.add(Fault(kind=kind, seconds=0.05))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://sandbox", auth=TRACK_AUTH) as client:
        with anyio.fail_after(5), pytest.raises(ConnectionDropped) as caught:
            await client.put("/api/v1/customers/zoe", json={})
    assert isinstance(caught.value, httpx2.ReadError)
