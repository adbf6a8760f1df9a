"""`cio-mcp call --url` through a gateway that answers in the server's place: what is said of the call."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from cio_mcp.transports.http.answers import MCP_PATH, refusal
from tests.cli.commands import run, running
from tests.cli.conftest import Here

SEND = json.dumps({"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}})
PAGE = b"<html><h1>Bad Gateway</h1></html>"
FULL = bytes(refusal({"path": MCP_PATH}, 503, "The server serves as many requests as it can").body)
STOPPED = bytes(refusal({"path": MCP_PATH}, 503, "The server had to stop before the answer was there").body)
LATER = {"Retry-After": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a gateway says itself."""

    status: int
    body: bytes = PAGE
    kind: str = "text/html"
    headers: Mapping[str, str] | None = None


Gate = Callable[[str], Answer | None]
"""Given the method of a message, returns the gateway's own answer; None passes it on."""


@contextmanager
def gateway(server: str, gate: Gate) -> Iterator[str]:
    """Run a gateway before a server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            own = gate(json.loads(body).get("method", ""))
            if own:
                self._say(own)
                return
            hop = ("host", "connection", "content-length", "accept-encoding")
            passed = {name: value for name, value in self.headers.items() if name.lower() not in hop}
            said = httpx2.post(server, content=body, headers=passed, timeout=60, trust_env=False)
            kind, session = said.headers.get("content-type", ""), said.headers.get("mcp-session-id")
            more = {"mcp-session-id": session} if session else None
            self._say(Answer(status=said.status_code, body=said.content, kind=kind, headers=more))

        def _say(self, answer: Answer) -> None:
            self.send_response(answer.status)
            told = {"Content-Type": answer.kind, "Content-Length": str(len(answer.body)), **(answer.headers or {})}
            for name, value in told.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_args: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/mcp"
        listening.shutdown()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Return the address of a server that keeps to the sandbox."""
    with running("serve", "--sandbox", "--http", "0") as serving:
        yield serving.wait_for("serves MCP at").split()[-1]


def to_the_call(answer: Answer) -> Gate:
    return lambda method: answer if method == "tools/call" else None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=502),
        Answer(status=504),
        Answer(status=503, headers=LATER),
        Answer(status=503, body=STOPPED, kind="application/json"),
        Answer(status=500, body=FULL, kind="application/json"),
        Answer(status=200),
        Answer(status=202, body=b"", kind="application/json"),
        Answer(status=200, body=b'{"jsonrpc"', kind="application/json"),
        Answer(status=200, body=b": cut\n\n", kind="text/event-stream"),
    ],
    ids=lambda answer: f"{answer.status} {answer.kind} {len(answer.body)}",
)
@pytest.mark.parametrize(("tool", "given"), [("send_email", SEND), ("list_segments", "{}"), ("get_rate_budget", "{}")])
def test_an_answer_in_the_servers_place_leaves_only_a_write_unknown(
    here: Here, server: str, answer: Answer, tool: str, given: str
) -> None:
    with gateway(server, to_the_call(answer)) as url:
        ended = here("call", "--url", url, tool, given)
    if tool == "send_email":
        assert (ended.code, ended.out) == (3, "")
        assert "it is not known whether send_email took effect" in ended.err
        assert "list_unknown_operations" in ended.err
    else:
        assert (ended.code, ended.out) == (1, "")
        assert "unavailable: " in ended.err
        assert "Reading changed nothing" in ended.err


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (Answer(status=413), 1, "invalid_arguments: The arguments are larger than the server takes"),
        (Answer(status=503, body=FULL, kind="application/json", headers=LATER), 1, "unavailable: The server did not "),
        (Answer(status=429), 2, "cio-mcp: --url: the call was refused with 429"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_a_call_that_was_refused_is_said_to_have_sent_nothing(
    here: Here, server: str, answer: Answer, code: int, said: str
) -> None:
    with gateway(server, to_the_call(answer)) as url:
        ended = here("call", "--url", url, "send_email", SEND)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert "othing was sent" in ended.err


def test_a_gateway_without_a_server_is_told_before_anything_is_sent(here: Here, server: str) -> None:
    with gateway(server, lambda _method: Answer(status=502)) as url:
        said = here("call", "--url", url, "send_email", SEND).sentence(2)
    assert f"{url} answered 502, and nothing was sent" in said


def test_a_result_that_has_come_is_told_whatever_becomes_of_the_server_then(here: Here, server: str) -> None:
    called: list[str] = []

    def gone_afterwards(method: str) -> Answer | None:
        gone = "tools/call" in called
        called.append(method)
        return Answer(status=502) if gone else None

    with gateway(server, gone_afterwards) as url:
        ended = here("call", "--url", url, "send_email", SEND)
    assert (ended.code, "delivery_id" in ended.json) == (0, True), ended


def test_a_call_on_this_machine_takes_no_way_round_over_a_proxy(here: Here, server: str) -> None:
    proxy = socket.create_server(("127.0.0.1", 0))
    proxy.settimeout(0)
    with proxy:
        env = {"HTTP_PROXY": f"http://127.0.0.1:{proxy.getsockname()[1]}", "NO_PROXY": "", "CIO_MCP_TOKEN": "canary"}
        ended = here("call", "--url", server, "list_segments", env={**env, "http_proxy": env["HTTP_PROXY"]})
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert ended.code == 0, ended


def test_sessions_are_served_through_a_gateway_that_knows_no_more_than_post(here: Here) -> None:
    with running("serve", "--sandbox", "--http", "0", "--sessions") as serving:
        behind = serving.wait_for("serves MCP at").split()[-1]
        with gateway(behind, lambda _method: None) as url:
            ended = here("call", "--url", url, "send_email", SEND)
    assert (ended.code, "delivery_id" in ended.json) == (0, True), ended


def test_arguments_that_are_too_large_for_the_server_are_said_to_be(server: str) -> None:
    large = json.dumps({"name": "x" * (5 << 20)}).encode()
    ended = run("call", "--url", server, "create_segment", "-", given=large)
    assert ended.code == 1
    assert ended.err.startswith("invalid_arguments: The arguments are larger than the server takes")
