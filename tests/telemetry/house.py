"""A server as a process, against a sandbox of its own, with keys and people that must not show anywhere."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from cio_mcp.observing import UNKNOWN
from tests.cli.commands import Running, exported, running

PERSON = "canary-person@example.com"
UNKNOWN_TOOL = "canary_tool_of_nobody"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CANARIES = re.compile(rb"canary|example\.com")
WIDE = {f"CIO_MCP_LIMIT_{name}": "1000/1" for name in ("EMAIL", "TRANSACTIONAL", "BROADCAST", "TRACK")}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A server on a socket."""

    server: Running
    url: str
    http: httpx2.Client

    def call(self, tool: str, arguments: Mapping[str, Any], number: Any = 1) -> dict[str, Any]:
        """Call a tool as a client does that is in a trace."""
        meta = {"traceparent": f"00-{TRACE}-{PARENT}-01", "canary": "canary-meta"}
        params = {"name": tool, "arguments": dict(arguments), "_meta": meta}
        message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
        answer: dict[str, Any] = self.http.post(self.url, json=message, headers=headers).json()
        return answer

    def at(self, text: str) -> str:
        """Return the address that the server tells beside a text."""
        line = self.server.wait_for(text)
        found = re.search(r"http://[0-9.:]+(/[a-z]+)?", line)
        assert found, line
        return found[0]

    def records(self) -> list[dict[str, Any]]:
        """Return what it has logged, every line of it."""
        return [json.loads(line) for line in self.server.err]


@contextmanager
def serving(*flags: str, **environment: str) -> Iterator[House]:
    """Serve over HTTP."""
    with running("serve", "--http", "0", *flags, env={**WIDE, **environment}) as server:
        url = re.findall(r"http://[0-9.:]+/mcp", server.wait_for("serves MCP at"))[0]
        with httpx2.Client(timeout=30, trust_env=False) as http:
            yield House(server=server, url=url, http=http)


@contextmanager
def customer_io() -> Iterator[tuple[dict[str, str], httpx2.Client]]:
    """Run a Customer.io, and yield the variables that lead to it and the way to its own paths."""
    with running("sandbox", "--port", "0") as process:
        process.wait_for("CUSTOMERIO_APP_API_KEY=")
        variables = exported("".join(process.out))
        base = f"{variables['CUSTOMERIO_APP_URL']}/_sandbox"
        with httpx2.Client(base_url=base, trust_env=False, timeout=30) as http:
            yield variables, http


def live(house: House, customer_io: httpx2.Client) -> None:
    """Have one of everything: a read, a write, a refusal, an unknown tool, a 429, an outcome that nobody knows."""
    faults = [
        {"kind": "throttle", "match": "GET /v1/segments", "retry_after": 0},
        {"kind": "reset", "match": "POST /v1/send/email", "when": "after"},
    ]
    assert customer_io.post("/faults", json=faults).is_success
    person = {"identifier": PERSON, "attributes": {"note": "canary-attribute"}}
    message = {"transactional_message_id": 1, "to": PERSON, "identifiers": {"id": "canary-person"}}
    calls: list[tuple[str, dict[str, Any], str]] = [
        ("identify_person", person, ""),
        ("get_person_attributes", {"customer_id": PERSON, "id_type": "email"}, ""),
        ("get_person_attributes", {"customer_id": "canary-nobody"}, "not_found"),
        ("list_segments", {}, ""),
        ("get_segment", {"segment_id": "canary-segment"}, "invalid_arguments"),
        ("send_email", message, "outcome_unknown"),
        ("get_rate_budget", {}, ""),
    ]
    for tool, arguments, code in calls:
        result = house.call(tool, arguments, "canary-id")["result"]
        assert result["structuredContent"].get("error", {}).get("code", "") == code
    assert "error" in house.call(UNKNOWN_TOOL, {})


ENDINGS = {
    ("identify_person", "ok", ""),
    ("get_person_attributes", "ok", ""),
    ("get_person_attributes", "failed", "not_found"),
    ("list_segments", "ok", ""),
    ("get_segment", "refused", "invalid_arguments"),
    ("send_email", "unknown", "outcome_unknown"),
    ("get_rate_budget", "ok", ""),
    (UNKNOWN, "refused", ""),
}
"""What is told of these calls: tool, ending, code."""


def canaries(written: bytes, keys: Mapping[str, str]) -> list[bytes]:
    """Return what must not stand in anything that is told: people, arguments, a client's words, keys."""
    secrets = [value.encode() for name, value in keys.items() if name.endswith(("_KEY", "_ID"))]
    assert secrets
    return [*CANARIES.findall(written), *(secret for secret in secrets if secret in written)]
