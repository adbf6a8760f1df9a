"""A plain HTTP conversation with a running sandbox, for the tests of this folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from cio_mcp.sandbox import Limits, RunningSandbox, running_sandbox

UNLIMITED = Limits(app=None, email=None, transactional=None, broadcast=None, track=None)
START = 1_800_000_000.0
TRACK_AUTH = ("sandbox-site-id", "sandbox-track-key")
APP_HEADERS = {"authorization": "Bearer sandbox-app-key"}


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time it was set to."""
        return self.now


class Talk:
    """Requests to one sandbox, with the right key for each half of the API."""

    def __init__(self, sandbox: RunningSandbox, clock: ManualClock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.http = httpx2.Client(base_url=sandbox.url, trust_env=False, timeout=10)

    def track(self, method: str, path: str, json: Any = None, **options: Any) -> httpx2.Response:
        """Call the Track API with its key."""
        return self.http.request(method, f"/api{path}", json=json, auth=TRACK_AUTH, **options)

    def app(self, method: str, path: str, json: Any = None, **options: Any) -> httpx2.Response:
        """Call the App API with its key."""
        return self.http.request(method, f"/v1{path}", json=json, headers=APP_HEADERS, **options)

    def read(self, path: str) -> Any:
        """Return the JSON of a successful App read."""
        response = self.app("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    def attributes(self, customer: str) -> dict[str, str] | None:
        """Return a person's attributes, None when there is no such id."""
        response = self.app("GET", f"/customers/{customer}/attributes")
        found: dict[str, str] | None = response.json()["customer"]["attributes"] if response.is_success else None
        return found

    def reset(self) -> None:
        """Start over."""
        self.clock.now = START
        assert self.http.post("/_sandbox/reset").status_code == 204


@contextmanager
def talking() -> Iterator[Talk]:
    """Run a sandbox without limits whose clock the test moves."""
    clock = ManualClock(START)
    with running_sandbox(limits=UNLIMITED, clock=clock) as sandbox:
        talk = Talk(sandbox, clock)
        with talk.http:
            yield talk
