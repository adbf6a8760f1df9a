"""Whether the process runs, and whether it can serve: two answers for probes, and nothing else in them."""

import logging
from collections.abc import Awaitable, Callable, Mapping

import anyio
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str]]
"""Answers with what is wrong, for the operator to read, and with nothing if all is well.

It also fails by raising or by taking too long. Of what it raises only the kind is told: its text may hold anything.
"""

LIVE, READY = "/health/live", "/health/ready"
_IN_TIME = 2.0
"""Seconds for each check; probes give up after one to ten (Kubernetes, "Configure Probes": timeoutSeconds)."""
_KEPT = 1.0
"""Seconds for which an answer is good, so that probes, however many, cannot load what is checked."""


class Health:
    """ASGI application behind both paths. It answers any Host: a probe calls an address, and learns one bit."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self.draining = False
        """Set when the server stops: from then on it is not ready, whatever it can still do."""
        self._checks = dict(checks)
        self._looking = anyio.Lock()
        self._failing: dict[str, str] = {}
        self._looked_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one probe."""
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, "Health is asked for with GET", {"Allow": "GET, HEAD"})
        well = scope["path"] == LIVE or await self._ready()
        body, status = (b'{"status":"ok"}', 200) if well else (b'{"status":"unavailable"}', 503)
        await Response(body, status, media_type="application/json")(scope, receive, send)

    async def _ready(self) -> bool:
        async with self._looking:
            if not self.draining and anyio.current_time() - self._looked_at >= _KEPT:
                await self._look()
        return not (self.draining or self._failing)

    async def _look(self) -> None:
        failing: dict[str, str] = {}

        async def ask(name: str, check: Check) -> None:
            if why := await _failure(check):
                failing[name] = why

        async with anyio.create_task_group() as asking:
            for name, check in self._checks.items():
                asking.start_soon(ask, name, check)
        if failing != self._failing:
            _log.warning("not ready: %s", _told(failing)) if failing else _log.warning("ready again")
        self._failing = failing
        self._looked_at = anyio.current_time()


def _told(failing: Mapping[str, str]) -> str:
    return "; ".join(f"{name} ({why})" for name, why in sorted(failing.items()))


async def _failure(check: Check) -> str:
    """Return why a check fails, nothing if it passes."""
    with anyio.move_on_after(_IN_TIME):
        try:
            return await check()
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is not ready
            return type(exc).__name__
    return f"no answer within {_IN_TIME:g} s"
