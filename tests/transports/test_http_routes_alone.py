"""Routes that see to their callers themselves, without MCP beside them."""

from collections.abc import Iterator

import pytest

from tests.transports.over_http import OverHttp, answer, head, is_closed, over_http
from tests.transports.served import PATIENCE, initialize, takes_at_most


@pytest.fixture(scope="module")
def alone() -> Iterator[OverHttp]:
    with over_http(alone=True, host="0.0.0.0") as server:  # noqa: S104 - nothing but a greeting
        yield server


@pytest.mark.parametrize("host", ["hooks.example.com", "127.0.0.1", "10.0.0.1:8026"])
def test_they_are_served_under_any_name_and_nothing_else_is(alone: OverHttp, host: str) -> None:
    assert alone.post(b"12345", "/greeting", host=host).body == b"hello, 5 bytes"
    assert alone.get("/health/ready", host=host).status == 200
    assert alone.post(initialize(), host=host).status == 404


def test_their_bodies_are_bounded_and_their_errors_are_json(alone: OverHttp) -> None:
    with alone.connect() as sock:
        sock.sendall(head("POST", "/greeting", alone.usual(transfer_encoding="chunked")))
        for _ in range(65):
            sock.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        assert answer(sock).status == 413
    assert alone.get("/broken").json == {"error": {"message": "Internal server error"}}


def test_they_stop_as_everything_does() -> None:
    with over_http(alone=True) as server, server.connect() as half, server.connect() as whole:
        half.sendall(head("POST", "/greeting", server.usual(content_length="9")))
        whole.sendall(head("GET", "/waiting", {"host": server.authority}))
        server.server.wait_for_error("waiting")
        with takes_at_most(3.0):
            server.stop()
            assert answer(whole).body == b"waited"
            is_closed(half, PATIENCE)
            assert server.server.wait() == 0
