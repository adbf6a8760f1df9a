"""Whether the process runs, and whether it can serve: two answers for probes, and nothing else in them."""

import logging
from collections.abc import Awaitable, Callable, Mapping

import anyio
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[object]]
"""Fails by raising, by answering False, or by taking too long."""

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
        self._failing: frozenset[str] = frozenset()
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
        failing: set[str] = set()

        async def ask(name: str, check: Check) -> None:
            if not await _passes(check):
                failing.add(name)

        async with anyio.create_task_group() as asking:
            for name, check in self._checks.items():
                asking.start_soon(ask, name, check)
        if failing != self._failing:
            _log.warning("not ready: %s", ", ".join(sorted(failing))) if failing else _log.warning("ready again")
        self._failing = frozenset(failing)
        self._looked_at = anyio.current_time()


async def _passes(check: Check) -> bool:
    passed: object = False
    with anyio.move_on_after(_IN_TIME):
        try:
            passed = await check()
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is not ready
            _log.debug("a check failed: %s", type(exc).__name__)
    return passed is not False
