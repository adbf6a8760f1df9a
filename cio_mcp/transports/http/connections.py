"""Connections: how many, and for how long one may leave the server waiting.

Uvicorn waits for a request's head, and for an answer to be read, as long as a client likes. Here every wait has an
end, and when all places are taken, who waits longest without having asked anything gives way.
"""

import asyncio
import json
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from cio_mcp.transports.http.limits import Limits

_LAST_WORD = 1.0
"""Seconds for a client to take an answer after which its connection ends."""
_PHRASES = {400: b"Bad Request", 408: b"Request Timeout", 503: b"Service Unavailable"}


class Places:
    """The places for connections: each is taken by one that has a request under way, or by one that has none."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # in the order in which they began to wait

    def enter(self, connection: "Connection") -> bool:
        """Give a new connection its place, if need be that of the one that waits longest; False if all are busy."""
        if len(self._open) >= self._number:
            longest = next(iter(self._waiting), None)
            if longest is None:
                return False
            longest.give_way()
            self.leave(longest)
        self._open.add(connection)
        return True

    def leave(self, connection: "Connection") -> None:
        """Take the place back."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def set_waiting(self, connection: "Connection", *, waiting: bool) -> None:
        """Note whether a connection waits for its next request."""
        if not waiting:
            self._waiting.pop(connection, None)
        elif connection in self._open:
            self._waiting.setdefault(connection)

    def abort_all(self) -> None:
        """Cut every connection, whatever it has not taken yet."""
        for connection in self._open:
            connection.transport.abort()


class Connection(H11Protocol):
    """One client's connection, with an end to every wait."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        places: Places,
        limits: Limits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._places = places
        self._limits = limits
        self._asking: asyncio.TimerHandle | None = None  # the time for a head, or for the rest of a refused body
        self._taking: asyncio.TimerHandle | None = None  # the time for an answer to be read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Take a place, or say that there is none."""
        super().connection_made(transport)
        # asyncio does it only for sockets that were made with the protocol's number. Without it the second part of
        # an answer waits for the client to acknowledge the first, which takes 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._places.enter(self):
            self._end_with(503, "The server has as many connections as it can")
            return
        self._places.set_waiting(self, waiting=True)
        self._asking = self.loop.call_later(self._limits.head_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._places.leave(self)
        self._stop_asking()
        self._stop_taking()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that has begun has its time from its first byte, however slowly the rest comes."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._time_the_head()

    def handle_events(self) -> None:
        """Act on what has come, then note what is waited for."""
        super().handle_events()
        waits = self._waits()
        self._places.set_waiting(self, waiting=waits)
        if not waits:
            self._stop_asking()

    def on_response_complete(self) -> None:
        """Wait for the next request; the rest of a body that nobody reads has its time, too."""
        self._stop_asking()
        if self.cycle.more_body:
            self._asking = self.loop.call_later(self._limits.body_seconds, self._end)
        super().on_response_complete()
        self._places.set_waiting(self, waiting=self._waits())
        if self.conn.trailing_data[0]:  # the next head has begun while this request was served
            self._time_the_head()

    def pause_writing(self) -> None:
        """Begin to count the time in which the client does not read."""
        super().pause_writing()
        self._stop_taking()
        self._taking = self.loop.call_later(self._limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop counting: the client reads."""
        super().resume_writing()
        self._stop_taking()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even if its last answer was not taken."""
        super().timeout_keep_alive_handler()
        self._abort_soon()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP; in the middle of a request there is only the end."""
        if self._waits():
            self._end_with(400, msg)
            return
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self._end()

    def give_way(self) -> None:
        """End for the sake of another connection."""
        self._end()

    def _waits(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, against its annotation
        return cycle is None or cycle.response_complete

    def _time_the_head(self) -> None:
        if self._waits() and self._asking is None and not self.transport.is_closing():
            self._asking = self.loop.call_later(self._limits.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._end_with(408, "The request did not come in time")

    def _end_with(self, status: int, message: str) -> None:
        """Say why, and end. The answer is written by hand: h11 would not have one without a request."""
        body = json.dumps({"error": {"message": message}}).encode()
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n%s\r\n"
        self.transport.write(head % (status, _PHRASES[status], len(body), b"retry-after: 1\r\n" * (status == 503)))  # noqa: PLR2004
        self.transport.write(body)
        self._end()

    def _end(self) -> None:
        self._unset_keepalive_if_required()
        self._stop_asking()
        self.transport.close()
        self._abort_soon()

    def _abort_soon(self) -> None:
        self._stop_taking()
        self._taking = self.loop.call_later(_LAST_WORD, self.transport.abort)

    def _stop_asking(self) -> None:
        if self._asking:
            self._asking.cancel()
            self._asking = None

    def _stop_taking(self) -> None:
        if self._taking:
            self._taking.cancel()
            self._taking = None
