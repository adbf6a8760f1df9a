"""A model behind an HTTP endpoint: asked, asked again if it is busy, and left if it lets nobody in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import anyio
import httpx2
from mcp import types

from evals.dialects import Dialect, Garbage, Said, Turn, read

ATTEMPTS = 4
LONGEST_WAIT = 60.0
ANSWER_SECONDS = 120.0
_NEVER_REACHED = (httpx2.ConnectError, httpx2.ConnectTimeout)
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class Unusable(Exception):
    """The endpoint answers nobody like this, or is not there: another entry would fare no better."""


class Failed(Exception):
    """No answer to this one, after all attempts."""


def checked_url(url: str) -> str:
    """Return the endpoint without its last slash; raises ValueError if a key would travel or be written in clear."""
    parts = urlsplit(url)
    _ = parts.port  # raises for what is no port
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("--endpoint must be a base URL alone, which the report names: give a key with --key-env")
    local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ValueError("--endpoint must be https, or http on this machine: a key goes nowhere else")
    return url.rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model is asked, and how."""

    http: httpx2.AsyncClient
    url: str
    dialect: Dialect
    model: str
    key: str = ""

    async def ask(self, system: str, tools: Sequence[types.Tool], turns: Sequence[Turn]) -> Said:
        """Return what the model answers to a conversation; raises Failed or Unusable."""
        body = self.dialect.request(self.model, system, tools, turns)
        problem, reached = "", False
        for attempt in range(ATTEMPTS):
            try:
                response = await self.http.post(
                    self.url + self.dialect.path,
                    json=body,
                    headers=self.dialect.headers(self.key),
                    timeout=ANSWER_SECONDS,
                )
            except httpx2.TransportError as error:
                problem, wait = f"no connection ({type(error).__name__})", 2.0**attempt
                reached = reached or not isinstance(error, _NEVER_REACHED)
            else:
                reached = True
                if response.is_success:
                    try:
                        return read(self.dialect, response.json())
                    except (ValueError, RecursionError, Garbage) as error:
                        problem, wait = f"unreadable answer: {type(error).__name__}", 0.0
                else:
                    problem, wait = _passing(response), _wait(response, attempt)
            if attempt + 1 < ATTEMPTS:
                await anyio.sleep(wait)
        if not reached:
            raise Unusable(f"{problem}, {ATTEMPTS} times: look at --endpoint, and whether anything listens there")
        raise Failed(problem)


def _passing(response: httpx2.Response) -> str:
    if response.status_code in _PASSING or response.is_server_error:
        return f"HTTP {response.status_code}"
    raise Unusable(f"the endpoint answered HTTP {response.status_code}: look at --endpoint, --api, --model and the key")


def _wait(response: httpx2.Response, attempt: int) -> float:
    """Return how long to wait: as the endpoint says, if it does in seconds."""
    try:
        seconds = float(response.headers["retry-after"])
    except (KeyError, ValueError):
        seconds = math.nan
    return 2.0**attempt if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_WAIT)
