"""A host on one origin, its sandbox on another, and this server behind them: all on sockets of this machine."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from tests.cli.commands import PATIENCE, running
from tests.node_packages import package

HERE = Path(__file__).parent
# What a bare name means to the modules of the packages: their `exports`, under the condition "browser".
IMPORTS: Mapping[str, str] = {
    "@modelcontextprotocol/client": "@modelcontextprotocol/client/dist/index.mjs",
    "@modelcontextprotocol/client/_shims": "@modelcontextprotocol/client/dist/shimsBrowser.mjs",
    "@modelcontextprotocol/core": "@modelcontextprotocol/core/dist/index.mjs",
    "@modelcontextprotocol/core/internal": "@modelcontextprotocol/core/dist/internal.mjs",
    "@modelcontextprotocol/ext-apps/app-bridge": "@modelcontextprotocol/ext-apps/dist/src/app-bridge.js",
    "eventsource": "eventsource/dist/index.js",
    "eventsource-parser": "eventsource-parser/dist/index.js",
    "eventsource-parser/stream": "eventsource-parser/dist/stream.js",
    "jose": "jose/dist/webapi/index.js",
    "pkce-challenge": "pkce-challenge/dist/index.browser.js",
    "zod/v4": "zod/v4/index.js",
}
KINDS = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript"}
PASSED_ON = ("accept", "content-type", "mcp-protocol-version", "mcp-session-id", "mcp-method", "mcp-name")


def policy(csp: Mapping[str, list[str]]) -> str:
    """Return what a host must enforce for what a resource declares (SEP-1865, "Content Security Policy")."""
    named = {name: " ".join(csp.get(f"{name}Domains", ())) for name in ("connect", "resource", "frame", "baseUri")}
    loaded, framed, based = named["resource"], named["frame"] or "'self'", named["baseUri"] or "'self'"
    return (
        f"default-src 'none'; script-src 'self' 'unsafe-inline' {loaded}; style-src 'self' 'unsafe-inline' {loaded}; "
        f"connect-src 'self' {named['connect']}; img-src 'self' data: {loaded}; font-src 'self' {loaded}; "
        f"media-src 'self' data: {loaded}; frame-src {framed}; object-src 'none'; "
        f"base-uri {based}"
    )


def _imports() -> dict[str, dict[str, str]]:
    return {"imports": {name: f"/packages/{place}" for name, place in IMPORTS.items()}}


class _Page(BaseHTTPRequestHandler):
    """Answers a browser; `self.server` says as what."""

    server: "_Origin"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base names it
        """Say nothing."""

    def do_GET(self) -> None:
        """Give a file of the host, of the sandbox, or of a package."""
        asked = urlsplit(self.path)
        if asked.path == "/mcp":
            self._answer(405, b"", "text/plain")
        elif found := self.server.file(asked.path):
            more = {"Content-Security-Policy": self._policy(asked.query)} if self.server.is_sandbox else {}
            text = found.read_bytes().replace(b"{{imports}}", json.dumps(_imports()).encode())
            self._answer(200, text, KINDS.get(found.suffix, "text/plain"), more)
        else:
            self._answer(404, b"", "text/plain")

    def do_POST(self) -> None:
        """Pass a message on to the server, as a host that is no browser would send it."""
        body = self.rfile.read(int(self.headers["content-length"]))
        given = {name: value for name, value in self.headers.items() if name.lower() in PASSED_ON}
        answer = self.server.http.post(self.server.mcp, content=body, headers=given)
        kept = {"mcp-session-id": held} if (held := answer.headers.get("mcp-session-id")) else {}
        self._answer(answer.status_code, answer.content, answer.headers.get("content-type", "text/plain"), kept)

    def _policy(self, query: str) -> str:
        return policy(json.loads(parse_qs(query).get("csp", ["{}"])[0]))

    def _answer(self, status: int, body: bytes, kind: str, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Origin(ThreadingHTTPServer):
    """One origin."""

    daemon_threads = True

    def __init__(self, *, packages: Path, mcp: str, http: httpx2.Client, is_sandbox: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.packages, self.mcp, self.http, self.is_sandbox = packages, mcp, http, is_sandbox

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def file(self, path: str) -> Path | None:
        """Return what lies at a path, if anything does."""
        place = self.packages if path.startswith("/packages/") else HERE
        found = (place / path.removeprefix("/packages/").lstrip("/")).resolve()
        return found if found.is_file() and found.is_relative_to(place) else None


@contextmanager
def _serving(origin: _Origin) -> Iterator[_Origin]:
    thread = Thread(target=partial(origin.serve_forever, poll_interval=0.05), daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        origin.shutdown()
        origin.server_close()
        thread.join(PATIENCE)


@contextmanager
def hosted(*flags: str, **environment: str) -> Iterator[tuple[str, str]]:
    """Serve a host in front of this server and its sandbox of Customer.io; return the origins of host and sandbox."""
    packages = package(HERE, "@modelcontextprotocol/ext-apps").parents[1]
    with ExitStack() as stack:
        server = stack.enter_context(running("serve", "--sandbox", "--http", "0", *flags, env=environment))
        stack.callback(server.stop)
        mcp = server.wait_for("serves MCP at").split()[-1]
        http = stack.enter_context(httpx2.Client(timeout=PATIENCE, trust_env=False))
        host, sandbox = (
            stack.enter_context(_serving(_Origin(packages=packages, mcp=mcp, http=http, is_sandbox=is_sandbox)))
            for is_sandbox in (False, True)
        )
        yield host.url, sandbox.url
