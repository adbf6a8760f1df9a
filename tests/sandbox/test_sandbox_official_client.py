"""Customer.io's own Python client, unchanged, over TLS: every public call it has."""

import datetime as dt
import inspect
import ipaddress
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import customerio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cio_mcp.sandbox import Fault, RunningSandbox, running_sandbox
from tests.sandbox.sandbox_talk import UNLIMITED

TO_ADA = {"identifiers": {"id": "ada-1"}}
# Public names that make no request of their own: URLs, encoding, connections.
PLUMBING = {
    *("close", "http", "send_request", "setup_base_url", "is_valid_id_type", "get_customer_query_string"),
    *("get_event_query_string", "get_events_query_string", "get_device_query_string"),
}

Call = Callable[[Any], Any]
TRACK_CALLS: dict[str, Call] = {
    "identify": lambda cio: cio.identify("zoe/1", email="zoe@example.com", plan="pro", seats=3),
    "track": lambda cio: cio.track("zoe/1", "bought", {"sku": "A-1"}, id="01J00000000000000000000001"),
    "track_anonymous": lambda cio: cio.track_anonymous("anon-1", "viewed", {"page": 1}),
    "pageview": lambda cio: cio.pageview("zoe/1", "https://example.com", referrer="x"),
    "backfill": lambda cio: cio.backfill("zoe/1", "joined", 1_700_000_000, source="import"),
    "add_device": lambda cio: cio.add_device("zoe/1", "token:1", "ios", last_used=1_700_000_000),
    "delete_device": lambda cio: cio.delete_device("zoe/1", "token:1"),
    "merge_customers": lambda cio: cio.merge_customers("id", "zoe/1", "email", "person1@example.com"),
    "batch": lambda cio: cio.batch([{"type": "person", "action": "identify", "identifiers": {"id": "yan"}}]),
    "suppress": lambda cio: cio.suppress("zoe/1"),
    "unsuppress": lambda cio: cio.unsuppress("zoe/1"),
    "delete": lambda cio: cio.delete("yan"),
}


def email(cio: Any) -> Any:
    request = customerio.SendEmailRequest(
        transactional_message_id="receipt", to="ada@example.com", headers={"X-Tag": "a"}, send_at=1, **TO_ADA
    )
    request.attach("a.txt", "text")
    return cio.send_email(request)


API_CALLS: dict[str, Call] = {
    "send_email": email,
    "send_push": lambda cio: cio.send_push(
        customerio.SendPushRequest(transactional_message_id=2, to="all", sound="none", **TO_ADA)
    ),
    "send_sms": lambda cio: cio.send_sms(customerio.SendSMSRequest(transactional_message_id=3, **TO_ADA)),
    "send_in_app": lambda cio: cio.send_in_app(customerio.SendInAppRequest(transactional_message_id=4, **TO_ADA)),
    "send_inbox_message": lambda cio: cio.send_inbox_message(
        {"transactional_message_id": "note", "auto_create": True} | TO_ADA
    ),
    "send_whatsapp": lambda cio: cio.send_whatsapp({"transactional_message_id": "ping", "auto_create": True} | TO_ADA),
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a throwaway certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def sandbox(certificate: tuple[Path, Path]) -> Iterator[RunningSandbox]:
    with running_sandbox(certificate=certificate, limits=UNLIMITED) as running:
        yield running


@pytest.fixture
def track(sandbox: RunningSandbox, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    parts = urlsplit(sandbox.url)
    with customerio.CustomerIO("sandbox-site-id", "sandbox-track-key", host=parts.hostname, port=parts.port) as client:
        yield client


@pytest.fixture
def api(sandbox: RunningSandbox, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with customerio.APIClient("sandbox-app-key", url=sandbox.url) as client:
        yield client


def public_calls(client: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(client) if not name.startswith("_")} - PLUMBING


def test_no_public_call_of_the_client_is_left_out() -> None:
    assert public_calls(customerio.CustomerIO) == set(TRACK_CALLS)
    assert public_calls(customerio.APIClient) == set(API_CALLS)


@pytest.mark.parametrize("name", TRACK_CALLS)
def test_the_track_client_works_unchanged(track: Any, sandbox: RunningSandbox, name: str) -> None:
    response = TRACK_CALLS[name](track)
    assert (response.status_code, response.json()) == (200, {})
    assert sandbox.app.state.journal[-1].status == 200


@pytest.mark.parametrize("name", API_CALLS)
def test_the_api_client_works_unchanged(api: Any, sandbox: RunningSandbox, name: str) -> None:
    answer = API_CALLS[name](api)
    assert sandbox.app.state.world.deliveries.find(answer["delivery_id"]) is not None


def test_the_client_sees_a_refusal_as_its_own_exception(track: Any, api: Any) -> None:
    with pytest.raises(customerio.CustomerIOException, match="400"):
        track.track("zoe", "n" * 101)
    with pytest.raises(customerio.CustomerIOException, match="transactional message 99 not found"):
        api.send_push({"transactional_message_id": 99} | TO_ADA)


def test_a_reset_reaches_a_client_over_tls_as_well(api: Any, sandbox: RunningSandbox) -> None:
    sandbox.app.state.faults.add(Fault(kind="reset", match="POST /v1/send/push", times=4))
    before = len(sandbox.app.state.journal)
    with pytest.raises(customerio.CustomerIOException, match="retries"):
        API_CALLS["send_push"](api)
    assert len(sandbox.app.state.journal) - before == 4  # the client repeats a send three times


def test_a_wrong_key_is_refused(sandbox: RunningSandbox, track: Any) -> None:
    track.api_key = "sandbox-app-key"
    with pytest.raises(customerio.CustomerIOException, match="401"):
        track.identify("zoe")
    assert sandbox.app.state.journal[-1].status == 401
