"""Frames as lines on the pipe of one server."""

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from tests.fuzz.frames import ENVELOPE, Frames, is_own
from tests.fuzz.owed import owed
from tests.fuzz.server import HANG, Program, program

_WINDOW = 200


class _Pipe:
    """The client's end: writes whole windows, and reads answers as they come."""

    def __init__(self, server: Program) -> None:
        self._server = server
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, lines: Sequence[bytes]) -> None:
        """Write lines."""
        assert self._server.process.stdin is not None
        self._server.process.stdin.write(b"".join(line + b"\n" for line in lines))
        self._server.process.stdin.flush()

    def next(self, deadline: float) -> object:
        """Return the id of the next answer; `queue.Empty` after the deadline."""
        while True:
            line = self._answers.get(timeout=max(deadline - time.monotonic(), 0.001))
            assert line, f"the server is gone: {self._server.errors[-5:]}"
            message = json.loads(line)
            if "method" not in message:
                return message["id"]

    def _read(self) -> None:
        assert self._server.process.stdout is not None
        for line in self._server.process.stdout:
            self._answers.put(line)
        self._answers.put(b"")


def fuzz_stdio(number: int, seed: int) -> None:
    """Send frames to one server; `AssertionError` names the seed and what went wrong."""
    with program() as server:
        pipe = _Pipe(server)
        info = {"name": "fuzz", "version": "1"}
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
        pipe.send([json.dumps({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": hello}).encode()])
        assert pipe.next(time.monotonic() + 30) == "hello"
        pipe.send([b'{"jsonrpc":"2.0","method":"notifications/initialized"}'])
        frames = iter(Frames(seed))
        for begun in range(0, number, _WINDOW):
            window = list(islice(frames, min(_WINDOW, number - begun)))
            problem = _window(pipe, window, f"end-{begun}")
            assert not problem, f"stdio, seed {seed}, frames from {begun}: {problem}"
        assert server.is_alive


def _window(pipe: _Pipe, window: Sequence[bytes], last: str) -> str:
    """Send some frames and a last one in good order; return what is wrong with the answers."""
    ping = {"jsonrpc": "2.0", "id": last, "method": "server/discover", "params": {"_meta": ENVELOPE}}
    dues = [owed(frame) for frame in window]
    due: Counter[object] = Counter([*(request_id for one in dues for request_id in one.ids), last])
    room = sum(one.unsure for one in dues)
    got: Counter[object] = Counter()
    pipe.send([*window, json.dumps(ping).encode()])
    deadline = time.monotonic() + HANG
    while any(got[request_id] < times for request_id, times in due.items()):
        try:
            got[pipe.next(deadline)] += 1
        except queue.Empty:
            missing = [request_id for request_id, times in due.items() if got[request_id] < times]
            frames = [frame[:300] for frame, one in zip(window, dues, strict=True) if set(one.ids) & set(missing)]
            return f"no answer within {HANG} s to {missing[:3]}: {frames[:3]}"
    twice = [request_id for request_id, times in got.items() if is_own(request_id) and times > max(due[request_id], 1)]
    if twice:
        frames = [frame[:300] for frame, one in zip(window, dues, strict=True) if set(one.ids) & set(twice)]
        return f"more than one answer to {twice[:3]}: {frames[:3]}"
    others = sum(max(times - due[request_id], 0) for request_id, times in got.items())
    return f"{others} answers that nobody is owed, for {room} frames without a readable id" if others > room else ""
