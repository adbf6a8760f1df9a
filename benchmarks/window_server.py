"""An HTTP server with an exact sliding window, at the end of a simulated network.

    python benchmarks/window_server.py --limit 10 --window 1 --net u80

Prints its port, serves until its standard input is closed. `GET /log` is neither delayed nor counted.
"""

import argparse
import asyncio
import json
import random
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Delay = Callable[[random.Random], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """`delay` is drawn once for each way, in seconds; `spread` is how much it varies, None without a bound."""

    delay: Delay
    spread: float | None
    words: str


NETWORKS = {
    "none": Network(delay=lambda _: 0.0, spread=0.0, words="no delay"),
    "u80": Network(delay=lambda r: r.uniform(0.0, 0.08), spread=0.08, words="uniform 0-80 ms each way"),
    "heavy": Network(
        delay=lambda r: 0.02 + 0.005 * r.paretovariate(1.5),
        spread=None,
        words="20 ms + Pareto(1.5, 5 ms) each way",
    ),
}


class Window:
    """The log of arrivals: when each request was accepted, and how many were refused."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._recent: deque[float] = deque()
        self.accepted: list[float] = []
        self.refused = 0

    def accepts(self, now: float) -> bool:
        """Log an arrival; False when it is one too many in its window."""
        while self._recent and now - self._recent[0] >= self._window:
            self._recent.popleft()
        if len(self._recent) >= self._limit:
            self.refused += 1
            return False
        self._recent.append(now)
        self.accepted.append(now)
        return True


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests are bodiless and come one at a time."""

    def __init__(self, window: Window, delay: Callable[[], float]) -> None:
        self._window = window
        self._delay = delay
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for answers."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Delay a complete request on its way to the window."""
        self._buffer += data
        if not self._buffer.endswith(b"\r\n\r\n"):
            return
        request, self._buffer = self._buffer, b""
        if request.startswith(b"GET /log "):
            log = {"accepted": self._window.accepted, "refused": self._window.refused}
            self._answer("200 OK", json.dumps(log))
        else:
            self._later(self._arrive)

    def _arrive(self) -> None:
        accepted = self._window.accepts(self._loop.time())
        self._later(lambda: self._answer("200 OK" if accepted else "429 Too Many Requests", "{}"))

    def _later(self, act: Callable[[], None]) -> None:
        delay = self._delay()
        if delay:
            self._loop.call_later(delay, act)
        else:
            act()

    def _answer(self, status: str, body: str) -> None:
        again = "retry-after: 1\r\n" if status.startswith("429") else ""
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{again}content-length: {len(body)}\r\n\r\n"
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write((head + body).encode())


async def serve(limit: int, window: float, net: str, seed: int) -> None:
    """Serve on a free loopback port, printed first, until standard input ends."""
    log = Window(limit, window)
    r = random.Random(seed)  # noqa: S311 - repeatable, and guards nothing
    delay = NETWORKS[net].delay
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(log, lambda: delay(r)), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--window", type=float, default=1.0)
    parser.add_argument("--net", choices=NETWORKS, default="none")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    asyncio.run(serve(options.limit, options.window, options.net, options.seed))


if __name__ == "__main__":
    main()
