"""What probes are told: one bit each."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transports.over_http import OverHttp, over_http
from tests.transports.served import PATIENCE, takes_at_most


@pytest.fixture(scope="module")
def shared() -> Iterator[OverHttp]:
    with over_http(authentication="canary-agent-token") as server:
        yield server


def wait_for_ready(server: OverHttp, status: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.get("/health/ready").status != status:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
@pytest.mark.parametrize("host", ["10.1.2.3:8000", "localhost", ""])
def test_a_probe_is_answered_whatever_name_it_uses_and_whoever_it_is(shared: OverHttp, path: str, host: str) -> None:
    answered = shared.get(path, host=host)
    assert (answered.status, answered.body) == (200, b'{"status":"ok"}')
    assert answered.headers["cache-control"] == "no-store"


def test_head_is_answered_too_and_nothing_else(shared: OverHttp) -> None:
    assert shared.get("/health/live", "HEAD").status == 200
    refused = shared.post({}, "/health/live")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
    assert shared.get("/health/other").status == 404


def test_readiness_follows_the_checks_and_says_nothing_of_them(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.write_text("ok")
    with over_http(checks=str(store)) as server:
        wait_for_ready(server, 200)
        store.unlink()
        wait_for_ready(server, 503)
        assert server.get("/health/ready").body == b'{"status":"unavailable"}'
        assert server.get("/health/live").status == 200
        store.write_text("ok")
        wait_for_ready(server, 200)
        server.server.wait_for_error("not ready: canary-store")
        server.server.wait_for_error("ready again")


def test_a_check_that_hangs_is_a_check_that_fails(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.write_text("hang")
    with over_http(checks=str(store)) as server, takes_at_most(3.0):
        assert server.get("/health/ready").status == 503


def test_many_probes_ask_the_store_once_a_second(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.write_text("ok")
    with over_http(checks=str(store)) as server:
        started = time.monotonic()
        for _ in range(100):
            assert server.get("/health/ready").status == 200
        elapsed = time.monotonic() - started
        assert server.server.errors.count("checked") <= 1 + elapsed


def test_readiness_without_checks_is_that_of_the_process(shared: OverHttp) -> None:
    assert shared.get("/health/ready").status == 200
