"""Which key opens which door, and that the door is tried before anything else."""

import base64
from collections.abc import Iterator

import pytest

from tests.sandbox.sandbox_talk import Talk, talking

BASIC = "Basic " + base64.b64encode(b"sandbox-site-id:sandbox-track-key").decode()
APP = "Bearer sandbox-app-key"
SERVICE = "Bearer sa_live_sandbox"
SEND = ("POST", "/v1/send/email")
READ = ("GET", "/v1/segments")
TRACK = ("PUT", "/api/v1/customers/9")


@pytest.fixture(scope="module")
def cio() -> Iterator[Talk]:
    with talking() as talk:
        yield talk


def call(cio: Talk, request: tuple[str, str], headers: dict[str, str]) -> int:
    method, path = request
    body = {"to": "a@example.com", "transactional_message_id": 1, "identifiers": {"id": "1"}}
    return cio.http.request(method, path, json=None if method == "GET" else body, headers=headers).status_code


@pytest.mark.parametrize(
    ("request_", "authorization", "status"),
    [
        (TRACK, BASIC, 200),
        (TRACK, APP, 401),
        (TRACK, SERVICE, 401),
        (TRACK, "Basic !!!", 401),
        (TRACK, "Basic " + base64.b64encode(b"sandbox-site-id:other").decode(), 401),
        (TRACK, "Basic " + base64.b64encode(b"sandbox-track-key:").decode(), 401),
        (READ, APP, 200),
        (READ, "bearer sandbox-app-key", 200),
        (READ, BASIC, 401),
        (READ, "Bearer sandbox-track-key", 401),
        (READ, "Bearer sandbox-app-key2", 401),
        (READ, "Bearer sa_live_other", 401),
        (SEND, APP, 200),
        (SEND, BASIC, 401),
        (SEND, "Bearer sa_live_other", 401),
    ],
)
def test_a_key_opens_its_own_door_alone(cio: Talk, request_: tuple[str, str], authorization: str, status: int) -> None:
    assert call(cio, request_, {"authorization": authorization, "x-workspace-id": "1"}) == status


@pytest.mark.parametrize(
    ("request_", "workspace", "status"),
    [
        (SEND, {"x-workspace-id": "1"}, 200),
        (SEND, {}, 400),
        (SEND, {"x-workspace-id": "one"}, 400),
        (SEND, {"x-workspace-id": "2"}, 403),
        (READ, {"x-workspace-id": "1"}, 403),
        (("POST", "/v1/campaigns/10/triggers"), {"x-workspace-id": "1"}, 403),
        (("POST", "/v1/newsletters/1/send"), {"x-workspace-id": "1"}, 403),
    ],
)
def test_a_service_account_may_send_in_its_workspace_and_nothing_else(
    cio: Talk, request_: tuple[str, str], workspace: dict[str, str], status: int
) -> None:
    assert call(cio, request_, {"authorization": SERVICE} | workspace) == status


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/v1/nothing", "/v1/send/nothing"])
def test_an_unknown_path_without_a_key_says_401_first(cio: Talk, path: str) -> None:
    assert cio.http.get(path).status_code == 401


def test_a_refused_key_does_not_apply_the_request(cio: Talk) -> None:
    assert cio.http.delete("/api/v1/customers/ada-1", headers={"authorization": APP}).status_code == 401
    assert cio.attributes("ada-1") is not None


def test_keys_do_not_show_in_their_repr(cio: Talk) -> None:
    assert "sandbox-app-key" not in repr(cio.sandbox.app.state.keys)
    assert "sandbox-track-key" not in repr(cio.sandbox.app.state.keys)
