"""The network as a process sees it: a transport of its HTTP client whose every step the simulation knows."""

from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import replace

import anyio
import httpx2

from tests.simulation.messages import Answer, Arrived, At, Connecting, Fate, Go, Message

Ask = Callable[[Message], Go]
_BODILESS = (204, 304)


class SimulatedNetwork(httpx2.AsyncBaseTransport):
    """Carries requests to the simulation; `call` tells which of an agent's calls a request belongs to."""

    def __init__(self, ask: Ask, call: ContextVar[int | None]) -> None:
        self._ask = ask
        self._call = call

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return the answer, as far as its fate lets them through."""
        trace = request.extensions["trace"]
        body = await request.aread()
        arriving = self._arriving(request, body)
        size = _size(arriving)
        fate = self._fate(Connecting(arriving.call, arriving.method, arriving.target, size))
        await _connect(request, fate)
        await trace("send_request_headers.started", {"request": request})
        self._pass("in the request")
        await anyio.sleep(fate.sending)
        if fate.sent is not None:
            raise httpx2.WriteError("the connection broke")
        answer = self._answer(replace(arriving, fate=fate))
        await trace("send_request_body.complete", {})
        if fate.silent:
            await anyio.sleep_forever()
        await anyio.sleep(fate.answering)
        if fate.heard is not None and fate.heard <= 0:
            raise _broken(fate)
        await trace("receive_response_headers.complete", {})
        stream = _Body(answer.body, fate, lambda: self._pass("in the answer"))
        return httpx2.Response(answer.status, headers=_headers(answer, fate), stream=stream, request=request)

    def _arriving(self, request: httpx2.Request, body: bytes) -> Arrived:
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
        target = request.url.raw_path.decode("ascii")
        return Arrived(self._call.get(), request.method, target, headers, body, Fate("fine"))

    def _pass(self, point: str) -> None:
        self._ask(At(point, self._call.get()))

    def _fate(self, connecting: Connecting) -> Fate:
        given = self._ask(connecting).given
        assert isinstance(given, Fate)
        return given

    def _answer(self, arrived: Arrived) -> Answer:
        given = self._ask(arrived).given
        assert isinstance(given, Answer)
        return given


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, in parts, as far as it comes."""

    def __init__(self, body: bytes, fate: Fate, passing: Callable[[], None]) -> None:
        self._body = body
        self._fate = fate
        self._passing = passing

    async def __aiter__(self) -> AsyncIterator[bytes]:
        fate, body = self._fate, self._body
        end = len(body) if fate.claimed_length is None else min(len(body), fate.claimed_length)
        end = end if fate.heard is None else min(end, fate.heard - 1)
        step = 1 if fate.drip else max(1, end // 2)
        for start in range(0, end, step):
            yield body[start : min(start + step, end)]
            if start == 0:
                self._passing()
            if fate.drip:
                await anyio.sleep(1)
        if fate.heard is not None and end < len(body):
            raise _broken(fate)
        if fate.claimed_length is not None and fate.claimed_length > len(body):
            raise _broken(fate)

    async def aclose(self) -> None:
        """Nothing is held open."""


async def _connect(request: httpx2.Request, fate: Fate) -> None:
    limit = request.extensions["timeout"]["connect"]
    await anyio.sleep(min(limit, fate.connecting))
    if fate.connecting > limit:
        raise httpx2.ConnectTimeout("no connection in time")
    if fate.unreachable:
        raise httpx2.ConnectError(fate.unreachable)


def _broken(fate: Fate) -> httpx2.TransportError:
    kind = httpx2.ReadError if fate.breaks_as == "ReadError" else httpx2.RemoteProtocolError
    return kind("the connection broke")


def _headers(answer: Answer, fate: Fate) -> list[tuple[str, str]]:
    given = [(name, value) for name, value in answer.headers if name != "content-length"]
    length = len(answer.body) if fate.claimed_length is None else fate.claimed_length
    return given if answer.status in _BODILESS else [*given, ("content-length", str(length))]


def _size(request: Arrived) -> int:
    """Return the bytes of a request on the wire (RFC 9112)."""
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers)]
    return len("\r\n".join(lines)) + len("\r\n\r\n") + len(request.body)
