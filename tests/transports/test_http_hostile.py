"""Requests that no well-behaved client sends: refused in JSON, or without effect, never fatal."""

import http.client
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.fuzz.server import program
from tests.transports.over_http import OverHttp, answer, head, is_closed, over_http
from tests.transports.served import PATIENCE, call, initialize, request, takes_at_most

MODERN = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call"}
PING = json.dumps(request(1, "ping")).encode()


@pytest.fixture(scope="module")
def shared() -> Iterator[OverHttp]:
    with over_http() as server:
        yield server


@pytest.fixture(autouse=True)
def _still_serves(shared: OverHttp) -> Iterator[None]:
    yield
    assert shared.post(call("innocent", "echo", text="hello")).json["id"] == "innocent"
    assert not any("Traceback" in line or "canary" in line for line in shared.server.errors)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": ""}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/greeting", "/nowhere"])
def test_a_foreign_host_or_origin_gets_nothing_at_any_path(
    shared: OverHttp, path: str, headers: dict[str, str], status: int
) -> None:
    refused = shared.post(initialize(), path, **headers)
    assert refused.status == status
    assert "evil" not in refused.message


@pytest.mark.parametrize("name", ["host", "origin", "authorization"])
def test_a_header_given_twice_does_not_get_in_with_its_better_half(shared: OverHttp, name: str) -> None:
    good = {"host": shared.authority, "origin": f"http://{shared.authority}", "authorization": "Bearer a"}[name]
    for first, second in ((good, "evil.example"), ("evil.example", good)):
        twice = f"{first}\r\n{name}: {second}"
        assert shared.post(initialize(), **{name: twice}).status in (400, 403, 421)


def test_a_host_in_the_request_line_does_not_replace_the_header(shared: OverHttp) -> None:
    with shared.connect() as sock:
        line = f"http://{shared.authority}/mcp"
        sock.sendall(head("POST", line, shared.usual(host="evil.example", content_length="2")) + b"{}")
        assert answer(sock).status == 421


@pytest.mark.parametrize(
    ("name", "named"),
    [("get_x", "echo"), ("=?base64?Z2V0X3g=?=", "echo"), ("echo\r\nmcp-name: fail", "fail")],
)
def test_a_name_in_the_header_that_is_not_the_bodys_is_refused(shared: OverHttp, name: str, named: str) -> None:
    refused = shared.post(call(1, named, modern=True), mcp_name=name, **MODERN)
    assert refused.status == 400
    assert refused.json["error"]["code"] == -32020


def test_a_false_method_in_the_header_changes_nothing_for_a_handshake_client(shared: OverHttp) -> None:
    answered = shared.post(call(1, "echo", text="hello"), mcp_method="tools/list", mcp_name="fail")
    assert answered.json["result"]["content"][0]["text"] == "hello"


def test_a_batch_is_refused_once_for_each_of_its_requests(shared: OverHttp) -> None:
    refused = shared.post([request(1, "ping"), request("b", "ping")])
    assert refused.status == 400
    assert [error["id"] for error in refused.json] == [1, "b"]


@pytest.mark.parametrize("request_id", [None, 1.5, True, {}, []])
@pytest.mark.parametrize("modern", [False, True])
def test_an_id_that_is_none_is_refused(shared: OverHttp, request_id: Any, *, modern: bool) -> None:
    headers = MODERN | {"mcp_name": "echo"} if modern else {}
    refused = shared.post(call(request_id, "echo", modern=modern), **headers)
    assert (refused.status, refused.json["id"], refused.json["error"]["code"]) == (400, None, -32600)


def test_an_id_of_a_megabyte_comes_back(shared: OverHttp) -> None:
    long = "x" * 1_000_000
    assert shared.post(call(long, "echo")).json["id"] == long


def test_requests_in_flight_under_one_id_each_get_their_own_answer(shared: OverHttp) -> None:
    got: dict[str, Any] = {}

    def ask(text: str) -> None:
        got[text] = shared.post(call(1, "echo", text=text)).json["result"]["content"][0]["text"]

    threads = [threading.Thread(target=ask, args=(f"text {n}",)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert got == {f"text {n}": f"text {n}" for n in range(20)}


@pytest.mark.parametrize("request_id", [1, "unknown", None, -1, "x" * 10_000])
def test_cancelling_a_request_that_is_somebody_elses_or_nobodys_has_no_effect(
    shared: OverHttp, request_id: object
) -> None:
    with shared.connect() as sock:
        shared.send(sock, call(1, "slow", seconds=0.3))
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}
        for headers in ({}, {"mcp_protocol_version": "2026-07-28"}):
            assert shared.post(cancel, **headers).status in (202, 400)
        assert answer(sock).json["result"]["content"][0]["text"] == "slow done"


def test_cancelling_a_request_that_has_ended_has_no_effect(shared: OverHttp) -> None:
    with shared.connect() as sock:
        shared.send(sock, call("ended", "echo", text="hello"))
        assert answer(sock).status == 200
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "ended"}}
        shared.send(sock, cancel)
        assert answer(sock).status == 202
        shared.send(sock, call("ended", "echo", text="again"))
        assert answer(sock).json["result"]["content"][0]["text"] == "again"


def test_initialize_twice_is_answered_twice(shared: OverHttp) -> None:
    with shared.connect() as sock:
        for number in (1, 2):
            shared.send(sock, initialize(number))
            assert answer(sock).json["id"] == number


@pytest.mark.parametrize("length", ["100", "5"])
def test_two_framings_in_one_request_are_refused(shared: OverHttp, length: str) -> None:
    smuggled = b"0\r\n\r\nPOST /mcp HTTP/1.1\r\nhost: evil.example\r\n\r\n"
    with shared.connect() as sock:
        headers = shared.usual(content_length=length, transfer_encoding="chunked")
        sock.sendall(head("POST", "/mcp", headers) + smuggled)
        assert answer(sock).status == 400


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: -1",
        "Content-Length: 0x10",
        "Content-Length: " + "9" * 30,
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding : chunked",
        "Content-Length: 5\r\n folded: line",
        "no colon at all",
        "bad\x00name: x",
    ],
)
def test_framing_that_can_be_misread_ends_the_connection(shared: OverHttp, framing: str) -> None:
    with shared.connect() as sock:
        start = f"POST /mcp HTTP/1.1\r\nHost: {shared.authority}\r\n{framing}\r\n\r\n"
        sock.sendall(start.encode("latin-1"))
        refused = answer(sock)
        assert refused.status in (400, 413)
        assert refused.message


@pytest.mark.parametrize(
    "junk",
    [
        b"\r\n\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_not_http_1_is_told_so_or_cut_off(shared: OverHttp, junk: bytes) -> None:
    with shared.connect() as sock:
        sock.sendall(junk + b"\r\n\r\n")
        said = is_closed(sock, PATIENCE)
    assert said.startswith(b"HTTP/1.1 4")
    assert b"Traceback" not in said


def test_broken_chunks_in_the_middle_of_a_request_end_the_connection(shared: OverHttp) -> None:
    with shared.connect() as sock:
        sock.sendall(head("POST", "/mcp", shared.usual(transfer_encoding="chunked")) + b"2\r\n{}\r\nzz\r\n")
        said = is_closed(sock, PATIENCE)
    assert said == b"" or said.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, gzip", "x", ""])
def test_an_encoded_body_is_refused_unread(shared: OverHttp, coding: str) -> None:
    refused = shared.post(PING, content_encoding=coding)
    assert (refused.status, refused.message) == (415, "Send the body as it is, without a content encoding")


def test_identity_is_no_encoding(shared: OverHttp) -> None:
    assert shared.post(PING, content_encoding="identity").status == 200


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_body_that_a_form_could_send_is_refused(shared: OverHttp, content_type: str | None) -> None:
    refused = shared.post(PING, content_type=content_type)
    assert (refused.status, refused.message) == (415, "Content-Type must be application/json")


def test_a_content_type_with_parameters_is_taken(shared: OverHttp) -> None:
    assert shared.post(PING, content_type="application/json; charset=utf-8").status == 200


@pytest.mark.parametrize(
    ("body", "request_id", "code"),
    [
        (b"", None, -32700),
        (b"nonsense", None, -32700),
        (b"\xff\xfe", None, -32700),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":"\\ud800"}}', 7, -32700),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":' + b"[" * 3000 + b"]" * 3000 + b"}}", 7, -32700),
        (b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"a":%s}}' % (b"9" * 5000), 7, -32700),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}', 7, -32600),
        (b'{"jsonrpc":"1.0","id":7,"method":"ping"}', 7, -32600),
        (b'{"id":7}', 7, -32600),
        (b"null", None, -32600),
        (b'"text"', None, -32600),
    ],
)
@pytest.mark.parametrize("version", [None, "2025-11-25", "2026-07-28"])
def test_a_body_that_is_no_message_is_refused_under_its_id(
    shared: OverHttp, body: bytes, request_id: int | None, code: int, version: str | None
) -> None:
    refused = shared.post(body, mcp_protocol_version=version)
    assert refused.status == 400
    assert (refused.json["id"], refused.json["error"]["code"]) == (request_id, code)
    assert "pydantic" not in refused.message
    assert "input_value" not in refused.message


@pytest.mark.parametrize("version", [None, "2025-11-25", "2026-07-28"])
@pytest.mark.parametrize(("before", "after"), [(b"\xef\xbb\xbf", b""), (b"\r\n", b"\r\n"), (b"", b" \t\r\n")])
def test_line_ends_and_marks_of_other_systems_around_a_body_are_read(
    shared: OverHttp, before: bytes, after: bytes, version: str | None
) -> None:
    modern = version == "2026-07-28"
    headers = MODERN | {"mcp_name": "echo"} if modern else {"mcp_protocol_version": version}
    body = json.dumps(call(5, "echo", modern=modern, text="hello")).encode()
    answered = shared.post(before + body + after, **headers)
    assert (answered.status, answered.json["id"]) == (200, 5)
    assert answered.json["result"]["content"][0]["text"] == "hello"


@pytest.mark.parametrize("cut", [40, -20], ids=["in the head", "in the body"])
def test_a_request_whose_client_ends_in_the_middle_of_it_is_forgotten(shared: OverHttp, cut: int) -> None:
    headers = shared.usual(content_length=str(len(PING)))
    with shared.connect() as sock, takes_at_most(5.0):
        sock.sendall((head("POST", "/mcp", headers) + PING)[:cut])
        sock.shutdown(socket.SHUT_WR)
        assert is_closed(sock, PATIENCE) == b""


def test_a_client_that_leaves_before_its_answer_harms_nobody(shared: OverHttp) -> None:
    before = shared.server.errors.count("slow started")
    for _ in range(5):
        with shared.connect() as sock:
            shared.send(sock, call(1, "slow", seconds=0.5))
    with shared.connect() as sock:
        shared.send(sock, call(2, "slow", seconds=0.5))
        assert answer(sock).json["id"] == 2
    assert shared.server.errors.count("slow started") > before


def test_every_error_is_json_with_careful_headers(shared: OverHttp) -> None:
    for refused in (
        shared.get("/"),
        shared.get("/mcp"),
        shared.get("/greeting/../etc"),
        shared.get("/greeting", "DELETE"),
        shared.get("/broken"),
        shared.post(PING, accept="text/html"),
        shared.post(PING, accept="text/html", mcp_protocol_version="2026-07-28"),
        shared.post(request(1, "nothing/like/it", modern=True), mcp_protocol_version="2026-07-28", mcp_method="x"),
        shared.post(PING, mcp_protocol_version="1999-01-01"),
    ):
        assert refused.status >= 400
        assert refused.message
        assert "canary" not in refused.message
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert refused.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in refused.headers["content-security-policy"]
        assert "server" not in refused.headers


@pytest.mark.parametrize("header", ["x-cio-mcp-readonly", "x-mcp-readonly", "x-mcp-toolsets", "x-forwarded-host"])
def test_a_header_that_asks_for_more_changes_nothing(shared: OverHttp, header: str) -> None:
    plain = shared.post(request(1, "tools/list")).json
    assert shared.post(request(1, "tools/list"), **{header: "false"}).json == plain
    assert shared.post(initialize(), host="evil.example", **{header: shared.authority}).status == 421


@pytest.mark.parametrize(
    "header", ["X-MCP-Readonly: false", "X-MCP-Toolsets: all", "X-CIO-MCP-Grant: *:*", "X-CIO-MCP-Read-Only: false"]
)
def test_a_header_cannot_widen_what_the_operator_allows(read_only: int, header: str) -> None:
    usual = {"content-type": "application/json", "accept": "application/json, text/event-stream"}

    def said(asked: object, **headers: str) -> Any:
        with closing(http.client.HTTPConnection("127.0.0.1", read_only, timeout=PATIENCE)) as connection:
            connection.request("POST", "/mcp", json.dumps(asked), usual | headers)
            return json.loads(connection.getresponse().read())["result"]

    name, _, value = header.partition(": ")
    assert said(request(1, "tools/list"), **{name: value}) == said(request(1, "tools/list"))
    suppressed = said(call(2, "suppress_person", identifier="nobody"), **{name: value})
    assert suppressed["structuredContent"]["error"]["code"] == "not_permitted"


@pytest.fixture(scope="module")
def read_only() -> Iterator[int]:
    with program("--http", "0", "--read-only") as server:
        yield server.port()


def test_progress_tokens_that_collide_confuse_nobody(shared: OverHttp) -> None:
    asked = call(1, "progress")
    asked["params"]["_meta"] = {"progressToken": 1}
    with shared.connect() as first, shared.connect() as second:
        for sock in (first, second):
            shared.send(sock, asked)
        assert {answer(sock).json["result"]["content"][0]["text"] for sock in (first, second)} == {"reported"}


def test_a_flood_of_notifications_leaves_others_served(shared: OverHttp) -> None:
    body = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}).encode()
    headers = shared.usual(content_length=str(len(body)), mcp_protocol_version="2026-07-28")
    one = head("POST", "/mcp", headers) + body
    with shared.connect() as sock:
        flood = threading.Thread(target=_pour, args=(sock, one))
        flood.start()
        waits = []
        while flood.is_alive():
            with takes_at_most(5.0):
                assert shared.post(call(1, "echo", text="hello")).status == 200
            waits.append(True)
        flood.join(PATIENCE)
    assert len(waits) > 10


def _pour(sock: socket.socket, one: bytes, number: int = 30_000, at_once: int = 500) -> None:
    with sock.makefile("rb") as stream:
        for _ in range(number // at_once):
            sock.sendall(one * at_once)
            answered = (line for line in stream if line.startswith(b"HTTP/1.1 "))
            assert set(itertools.islice(answered, at_once)) == {b"HTTP/1.1 202 Accepted\r\n"}
