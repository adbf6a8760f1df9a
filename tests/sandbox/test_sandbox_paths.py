"""Hostile and unusual paths, written to the socket as they are."""

import base64
import http.client
from urllib.parse import quote, urlsplit

import pytest

from tests.sandbox.sandbox_talk import Talk

AUTH = {"authorization": "Basic " + base64.b64encode(b"sandbox-site-id:sandbox-track-key").decode()}
BEARER = {"authorization": "Bearer sandbox-app-key"}


def raw(cio: Talk, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> int:
    connection = http.client.HTTPConnection(urlsplit(cio.sandbox.url).netloc, timeout=10)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers | {"content-length": str(len(body))}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    "tail",
    ["/ada-1/", "//ada-1", "/", "", "/ada-1//", "/ada-1/devices/", "/ada-1/devices/..", "/ada-1/.", "/%2E%2E", "/.."],
)
def test_a_path_that_is_not_exactly_a_person_deletes_nobody(cio: Talk, tail: str) -> None:
    before = len(cio.sandbox.app.state.world.people)
    assert raw(cio, "DELETE", f"/api/v1/customers{tail}", AUTH) in {404, 405}
    assert len(cio.sandbox.app.state.world.people) == before


@pytest.mark.parametrize(
    "identifier",
    ["a/b", "a b", "a+b", "ü", "100%", "%2F", "a?b#c", "..a", "a%00", "{}", "devices", "\N{ROCKET}"],
)
def test_an_identifier_arrives_as_it_was_encoded(cio: Talk, identifier: str) -> None:
    encoded = quote(identifier, safe="")
    assert raw(cio, "PUT", f"/api/v1/customers/{encoded}", AUTH, b'{"seen":1}') == 200
    assert cio.sandbox.app.state.world.people.find("id", identifier) is not None
    assert raw(cio, "GET", f"/v1/customers/{encoded}/attributes", BEARER) == 200


def test_a_segment_is_decoded_once(cio: Talk) -> None:
    raw(cio, "PUT", "/api/v1/customers/a%252Fb", AUTH)
    assert cio.sandbox.app.state.world.people.find("id", "a%2Fb") is not None
    assert cio.sandbox.app.state.world.people.find("id", "a/b") is None


def test_bytes_that_are_not_text_are_refused(cio: Talk) -> None:
    assert raw(cio, "PUT", "/api/v1/customers/%FF", AUTH) == 400


@pytest.mark.parametrize("target", ["/", "/api", "/v2/segments", "/api/v1/customers/x/unknown", "/V1/segments"])
def test_an_unknown_path_is_404(cio: Talk, target: str) -> None:
    assert raw(cio, "GET", target, AUTH if target.startswith("/api") else BEARER) == 404


def test_a_known_path_with_another_method_is_405(cio: Talk) -> None:
    assert raw(cio, "PATCH", "/v1/segments", BEARER) == 405
    assert raw(cio, "DELETE", "/v1/customers", BEARER) == 405


def test_the_content_type_does_not_matter(cio: Talk) -> None:
    headers = AUTH | {"content-type": "text/plain"}
    assert raw(cio, "PUT", "/api/v1/customers/zoe", headers, b'{"plan":"pro"}') == 200
    assert cio.attributes("zoe") is not None


def test_a_stored_lone_surrogate_stays_valid_json(cio: Talk) -> None:
    assert raw(cio, "PUT", "/api/v1/customers/zoe", AUTH, b'{"name":"\\ud800"}') == 200
    text = cio.app("GET", "/customers/zoe/attributes").text
    assert '"name":"\\ud800"' in text
