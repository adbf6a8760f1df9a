"""One attempt on the wire: what left, what came back, and nothing else."""

import math
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import anyio
import httpx2

from cio_mcp import __version__
from cio_mcp.budgets import Slots
from cio_mcp.credentials import Lease
from cio_mcp.wire import Answer, Request

T = TypeVar("T")

REPLY_BYTES = 10_000_000
"""Decoded bytes read of one answer: Customer.io's largest page, 30,000 people, has about 3 MB."""
REPLY_VALUES = 300_000
"""Values read of one answer, for very many small ones cost what their bytes do not show: 10 MB of `[],` half a GB.

Twice what Customer.io's largest page has, 30,000 people with five each (App API reference, "List customers in a
segment"); a collection, which is no larger than 10 MB either, has that many at 33 bytes a value.
"""
# Customer.io may close an idle connection while a request is on its way to it, which looks like a lost answer;
# connections that idled for longer than this are not used again.
KEEPALIVE_SECONDS = 2.0
CONNECTIONS = 100
"""At once, of those that are used again and of those that are not: see `Gateway`."""
RESERVED = 20
"""Connections that only sends may take, so that a message does not wait behind slow reading."""

# Compression off: what is not packed cannot unpack to a thousand times its size.
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": f"cio-mcp/{__version__}"}
_WITH_BODY = {"Content-Type": "application/json"}
# After its answer the connection is closed (RFC 9112, 9.6), by this side too.
_FRESH = {"Connection": "close"}
# The whole attempt has one deadline, which a drip of bytes cannot extend.
_NO_TIMEOUT = httpx2.Timeout(None).as_dict()
# Of the attempt's time, for waiting until one of the last connections is free, and again for opening one.
_CONNECTION_SHARE = 0.25
# Every value of JSON but the outermost stands behind one of these. Those inside texts are counted too, since telling
# them apart would be parsing; prose has one comma in some eighty bytes, 125,000 in 10 MB.
_BEFORE_A_VALUE = (b",", b"[", b"{")
_CROWDED = "too many other calls were waiting for their answers"
_LEAVING = "this server had to stop before an answer came"


class Unsent(Exception):
    """The request provably never left; `local` if the reason lies on this machine and the host was not even asked."""

    def __init__(self, reason: str, *, local: bool = False) -> None:
        super().__init__(reason)
        self.local = local


class Lost(Exception):
    """The request left, and no whole answer came; `head` is what came, without its body, if that did."""

    def __init__(self, reason: str, head: Answer | None = None) -> None:
        super().__init__(reason)
        self.head = head


class Oversized(Exception):
    """The answer is larger than `REPLY_BYTES` or `REPLY_VALUES`, or packed in a way that cannot be bounded."""

    def __init__(self, reason: str, head: Answer) -> None:
        super().__init__(reason)
        self.head = head


def new_client(transport: httpx2.AsyncBaseTransport | None = None, *, loopback: bool = False) -> httpx2.AsyncClient:
    """Return the HTTP client of one workspace: no redirects, no cookies.

    The proxies of the environment are used for Customer.io, never for a loopback address.
    """
    client = httpx2.AsyncClient(
        transport=transport,
        limits=httpx2.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEEPALIVE_SECONDS),
        timeout=None,
        follow_redirects=False,
        trust_env=not loopback,
    )
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


class _Progress:
    """How far a request got, told by the transport's trace events."""

    def __init__(self, slots: Slots) -> None:
        self.begun = False
        self.head: Answer | None = None
        self._tunnelling = False
        self._slots = slots

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            # A proxy is first asked for a tunnel; what was to go through it has not left yet.
            self._tunnelling = info["request"].method in ("CONNECT", b"CONNECT")
            self.begun = not self._tunnelling
        elif self._tunnelling:
            return
        elif event.endswith("send_request_body.complete"):
            self._slots.written()
        elif event.endswith("receive_response_headers.complete"):
            self._slots.responded()

    def failure(self, reason: str, *, local: bool = False) -> Unsent | Lost:
        """Return what it means that the request got this far and no further."""
        return Lost(reason, self.head) if self.begun else Unsent(reason, local=local)


class Place:
    """One of the connections that may be open at once, to be left when its request is over; safe to leave twice.

    Made of nothing, it is one of the reserved ones, which are not counted here.
    """

    def __init__(self, taken_of: anyio.Semaphore | None = None) -> None:
        self._taken_of = taken_of

    def leave(self) -> None:
        """Let the next one in line have it."""
        if self._taken_of is not None:
            self._taken_of.release()
            self._taken_of = None


class Gateway:
    """Sends one request and returns its answer.

    A `fresh` request has a connection of its own, so that no bytes from before can pass for its answer: a host or a
    proxy that once answers twice would otherwise tell of a send that never arrived that it was accepted. That costs
    two round trips a request, for TCP and TLS 1.3.

    Any other goes on a connection of earlier ones, and so may be told what was meant for one of them: of second
    answers only those are noticed that arrive by themselves and before the connection is used again. A read shows
    stale data then, masked as its own would be; a write that may be repeated is taken for done or for refused.

    A client is opened for the first request of its kind: loading the machine's certificates takes longer than listing
    tools. Its transport must tell the trace events of httpx2's own, since they decide what provably never left.
    """

    def __init__(self, open_client: Callable[[], httpx2.AsyncClient]) -> None:
        self._open_client = open_client
        self._clients: dict[bool, httpx2.AsyncClient] = {}
        """By whether all their connections are fresh."""
        self._common = anyio.Semaphore(CONNECTIONS - RESERVED, fast_acquire=True)
        self._under_way: set[anyio.CancelScope] = set()
        self.leaving = False
        """Nothing more is sent."""

    def abandon(self) -> None:
        """Wait no longer for any answer, and send nothing more: the process must end, and the records be closed."""
        self.leaving = True
        for attempt in self._under_way:
            attempt.deadline = -math.inf

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()

    async def unless_leaving(self, wait: Callable[[], Awaitable[T]]) -> T:
        """Return what is waited for before an attempt; raises Unsent when the process must end."""
        with self._until_abandoned(math.inf):
            return await wait()
        raise Unsent(_LEAVING, local=True)

    async def place(self, patience: float, *, reserved: bool) -> Place:
        """Wait up to `patience` seconds for one of the connections; raises Unsent when that was too short.

        With `reserved` it may be one of the last. All others stand in one line, first come, first served.
        """
        if reserved:
            return Place()
        with self._until_abandoned(patience):
            await self._common.acquire()
            return Place(self._common)
        raise Unsent(_LEAVING if self.leaving else _CROWDED, local=True)

    async def exchange(
        self,
        request: Request,
        lease: Lease,
        slots: Slots,
        place: Place,
        *,
        timeout: float,  # noqa: ASYNC109 - it bounds the attempt, and the attempt says what is known by then
        fresh: bool = False,
    ) -> Answer:
        """Make one attempt within `timeout` seconds; raises Unsent, Lost or Oversized.

        With `fresh` it has a connection to itself. Slots and place are given back, whatever happens.
        """
        progress = _Progress(slots)
        try:
            with self._until_abandoned(timeout):
                return await self._exchange(request, lease, progress, timeout, fresh=fresh)
            raise progress.failure(_LEAVING if self.leaving else f"no answer within {timeout:.0f} s")
        except httpx2.TransportError as error:
            raise progress.failure(_reason(error), local=isinstance(error, httpx2.PoolTimeout)) from None
        finally:
            place.leave()
            if progress.begun:
                slots.written()  # a part of it may count as a request, of one that was given up too
            slots.close()

    @contextmanager
    def _until_abandoned(self, seconds: float) -> Iterator[None]:
        """Give up what is inside after so long, or at once when the process must end."""
        if self.leaving:
            raise Unsent(_LEAVING, local=True)
        scope = anyio.CancelScope(deadline=anyio.current_time() + seconds)
        self._under_way.add(scope)
        try:
            with scope:
                yield
        finally:
            self._under_way.discard(scope)

    def _opened(self, *, fresh: bool) -> httpx2.AsyncClient:
        if fresh not in self._clients:
            try:
                self._clients[fresh] = self._open_client()
            except (ImportError, OSError, ValueError, httpx2.InvalidURL):
                raise Unsent(
                    "the proxy or the certificates that the environment names cannot be used", local=True
                ) from None
        return self._clients[fresh]

    async def _exchange(
        self, request: Request, lease: Lease, progress: _Progress, seconds: float, *, fresh: bool
    ) -> Answer:
        outgoing = httpx2.Request(
            request.method,
            lease.base_url + request.target,
            content=request.body,
            headers=_HEADERS | (_WITH_BODY if request.body is not None else {}) | (_FRESH if fresh else {}),
            # What gets its connection late would leave with too little time to hear its answer.
            extensions={
                "trace": progress,
                "timeout": _NO_TIMEOUT | dict.fromkeys(("pool", "connect"), seconds * _CONNECTION_SHARE),
            },
        )
        if outgoing.url.raw_path.decode() != request.target:
            raise AssertionError("the HTTP client would send another path than the one that was checked")
        response = await self._opened(fresh=fresh).send(outgoing, auth=lease.auth, stream=True)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw}
        progress.head = Answer(status=response.status_code, headers=headers, body=b"")
        try:
            return replace(progress.head, body=lease.auth.conceal(await _bounded(response, progress.head)))
        finally:
            await response.aclose()


def _reason(error: httpx2.TransportError) -> str:
    """Name a failure by its kind; a library's text may hold addresses."""
    return {
        httpx2.ConnectError: "no connection could be made",
        httpx2.ConnectTimeout: "no connection could be made in time",
        httpx2.PoolTimeout: _CROWDED,
        httpx2.RemoteProtocolError: "the connection was closed before the whole answer came",
        httpx2.ReadError: "the connection broke while the answer was awaited",
        httpx2.WriteError: "the connection broke while the request was written",
    }.get(type(error), type(error).__name__)


async def _bounded(response: httpx2.Response, head: Answer) -> bytes:
    """Read a body up to `REPLY_BYTES` decoded bytes, whatever it was packed with, and up to `REPLY_VALUES`."""
    unpack = _unpacker(head)
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_raw():
        plain = unpack(part, REPLY_BYTES + 1 - size)
        size += len(plain)
        parts.append(plain)
        if size > REPLY_BYTES:
            raise Oversized(f"more than {REPLY_BYTES:,} bytes", head)
    body = b"".join(parts)
    if sum(map(body.count, _BEFORE_A_VALUE)) > REPLY_VALUES:
        raise Oversized(f"more than {REPLY_VALUES:,} values", head)
    return body


def _unpacker(head: Answer) -> Callable[[bytes, int], bytes]:
    packing = head.headers.get("content-encoding", "identity").strip().lower()
    if packing in ("", "identity"):
        return lambda part, _limit: part
    if packing in ("gzip", "x-gzip", "deflate"):
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)

        def unpack(part: bytes, limit: int) -> bytes:
            try:
                return unpacker.decompress(part, limit)
            except zlib.error:
                raise Oversized("packed data that is damaged", head) from None

        return unpack
    raise Oversized("an encoding that was not asked for", head)
