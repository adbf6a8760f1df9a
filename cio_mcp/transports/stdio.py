"""Both protocol eras at once on one pair of pipes.

The SDK's own loop takes the era of the first request for the whole connection. Clients that probe with
`server/discover` and then send `initialize` are refused by it with -32022; the specification lets a server serve
both (MCP specification 2026-07-28, "Versioning"), so here each era has a loop of its own and every message goes to
the one it belongs to.
"""

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

import anyio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import ServerMessageMetadata, SessionMessage

from cio_mcp.transports.frames import LineBuffer, Oversized, decode, encode
from cio_mcp.transports.leaks import guard_against_leaks
from cio_mcp.transports.pipes import Inbox, Outbox, take_standard_streams
from cio_mcp.transports.shutdown import Shutdown

_log = logging.getLogger(__name__)

# Stays open until the client ends it (MCP specification 2026-07-28, "Subscriptions"): not worth waiting for.
_ENDLESS = "subscriptions/listen"


_DRAIN = 5.0
_DRAIN_AFTER_SIGNAL = 10.0


async def serve_stdio(
    server: Server[Any],
    *,
    drain: float | None = None,
    depart: Callable[[], None] = lambda: None,
    give_up: Callable[[], None] = lambda: None,
    on_hangup: Callable[[], None] | None = None,
) -> int:
    """Serve one client over the process's standard input and output, and return the exit code for the process.

    Ends at the end of input (0), on SIGTERM (0), on SIGINT (130) and when the client no longer reads (1). Calls in
    flight may then finish and are answered. They have `drain` seconds: by default 5, and 10 after a signal, whose
    sender waits. At once `depart` is called, which makes calls end that need not go on waiting; shortly before the end
    `give_up`, which makes calls end that wait for an answer of somebody else. Then those still running are cancelled,
    and at last the process ends by itself, even after this function has returned. The standard streams are not given
    back: the caller flushes what it must and exits.

    `on_hangup` is called on SIGHUP, where there is one; without it that ends the process at once.
    """
    guard_against_leaks(server)
    # Never let go: this process has no purpose after its client.
    shutdown = Shutdown(
        budget=drain or _DRAIN,
        after_signal=drain or _DRAIN_AFTER_SIGNAL,
        depart=depart,
        give_up=give_up,
        on_hangup=on_hangup,
    )
    wire_in, wire_out = take_standard_streams()
    with shutdown.on_signals():
        outbox = Outbox(wire_out, on_broken=lambda: shutdown.begin(1))
        async with server.lifespan(server) as state:
            inbox = Inbox(wire_in, on_end=lambda: shutdown.begin(0))
            await _serve_eras(server, state, inbox, outbox, shutdown)
        with anyio.move_on_after(shutdown.remaining):
            await outbox.flush()
    return shutdown.exit_code


async def _serve_eras(server: Server[Any], state: Any, inbox: Inbox, outbox: Outbox, shutdown: Shutdown) -> None:
    modern, legacy = _Era(outbox), _Era(outbox)
    options = server.create_initialization_options()
    serve = partial(serve_dual_era_loop, server, lifespan_state=state, init_options=options)
    async with anyio.create_task_group() as loops:
        for era in (modern, legacy):
            loops.start_soon(serve, era.requests, era)
        with shutdown.patience:
            await _read(inbox, _Router(modern, legacy, outbox), shutdown)
            await modern.settled()
            await legacy.settled()
        for era in (modern, legacy):
            era.feed.close()  # the end of its input is what makes a loop cancel its handlers and return


async def _read(inbox: Inbox, router: "_Router", shutdown: Shutdown) -> None:
    """Route what the client sends until its end, or until something else ends the process."""

    async def stop_early() -> None:
        await shutdown.requested.wait()
        if not inbox.ended:  # at the end of input, what was sent before it is still served
            reading.cancel_scope.cancel()

    async with anyio.create_task_group() as reading:
        reading.start_soon(stop_early)
        await router.run(inbox)
        reading.cancel_scope.cancel()


class _Era:
    """One era's loop as seen from the pipes: its requests go in at `feed`, its messages come out at `send`.

    It is the `WriteStream` that the SDK's loop writes to, and counts the requests that still wait for an answer.
    """

    def __init__(self, outbox: Outbox) -> None:
        self.feed, self.requests = anyio.create_memory_object_stream[SessionMessage | Exception]()
        self._outbox = outbox
        self._open: Counter[types.RequestId] = Counter()  # a client may reuse an id that is in flight
        self._closed = anyio.Event()

    async def accept(self, message: types.JSONRPCMessage) -> None:
        """Hand one message of the client to the loop."""
        if not isinstance(message, types.JSONRPCRequest) or message.method == _ENDLESS:
            await self.feed.send(SessionMessage(message))
            return
        self._open[message.id] += 1

        async def unanswered() -> None:  # a cancelled request gets no answer
            self._close(message.id)

        await self.feed.send(SessionMessage(message, ServerMessageMetadata(on_request_unanswered=unanswered)))

    async def settled(self) -> None:
        """Wait until every request has its answer."""
        while self._open:
            self._closed = anyio.Event()
            await self._closed.wait()

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message of the server; a notification that JSON cannot carry is dropped."""
        message = item.message
        try:
            self._outbox.put(encode(message))
        except ValueError as exc:
            if isinstance(message, types.JSONRPCNotification):
                _log.warning("dropped: %s", exc)
                return
            raise
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError) and message.id is not None:
            self._close(message.id)

    async def aclose(self) -> None:
        """Do nothing: the descriptor is shared by both eras."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _close(self, request_id: types.RequestId) -> None:
        self._open[request_id] -= 1
        if self._open[request_id] <= 0:
            del self._open[request_id]
        self._closed.set()


class _Router:
    """Gives each line to the era it belongs to, and answers those that belong to none."""

    def __init__(self, modern: _Era, legacy: _Era, outbox: Outbox) -> None:
        self._modern = modern
        self._legacy = legacy
        self._outbox = outbox

    async def run(self, inbox: Inbox) -> None:
        """Read to the end of input, no faster than the client takes its answers."""
        lines = LineBuffer()
        async for chunk in inbox.chunks():
            for line in lines.feed(chunk):
                await self._outbox.room()
                await self._take(line)
        for line in lines.finish():
            await self._take(line)

    async def _take(self, line: bytes | Oversized) -> None:
        decoded = decode(line)
        if not isinstance(decoded, tuple):
            await self._route(decoded)
            return
        for refusal in decoded:
            self._outbox.put(encode(refusal))

    async def _route(self, message: types.JSONRPCMessage) -> None:
        if isinstance(message, types.JSONRPCNotification) and message.method == "notifications/cancelled":
            await self._modern.accept(message)  # it does not say which era its request was of
            await self._legacy.accept(message)
        elif isinstance(message, types.JSONRPCRequest) and _has_envelope(message):
            await self._modern.accept(message)
        else:
            await self._legacy.accept(message)


def _has_envelope(request: types.JSONRPCRequest) -> bool:
    """Tell whether a request carries the 2026-07-28 envelope, by the rule of the SDK's own loop."""
    meta = (request.params or {}).get("_meta")
    return request.method != "initialize" and isinstance(meta, dict) and types.PROTOCOL_VERSION_META_KEY in meta
