"""Signatures: what proves that a request comes from Customer.io, and what does not."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cio_mcp.secret import Secret
from cio_mcp.webhooks.signature import Check, Claim, Reason, Window, claim_of, verify

KEY = Secret("whsec_test_key")
AT = "1700000000"
BODY = (
    b'{"event_id":"01E4C4CT6YDC7Y5M7FE1GWWPQJ","object_type":"email","metric":"sent","timestamp":1700000000,"data":{}}'
)
GOOD = "49a53c5ab6a9cf65fdf0bb40545b0bf227f6d3b52e9daf37f61f34264d21e315"
BODY_ONLY = hmac.new(b"whsec_test_key", BODY, hashlib.sha256).hexdigest()

Given = list[tuple[bytes, bytes]]


def headers(timestamp: str = AT, mac: str = GOOD) -> Given:
    return [(b"x-cio-timestamp", timestamp.encode("latin-1")), (b"x-cio-signature", mac.encode("latin-1"))]


def judged(
    given: Given, body: bytes = BODY, *, now: float = 1_700_000_000, keys: tuple[Secret, ...] = (KEY,)
) -> Reason | None:
    found = verify(given, body, keys=keys, now=now)
    return None if isinstance(found, Claim) else found


def test_a_signature_made_elsewhere_holds() -> None:
    assert judged(headers()) is None


@pytest.mark.parametrize("mac", [GOOD.upper(), f"v0={GOOD}", f" {GOOD}\t"])
def test_spellings_of_the_same_signature_hold(mac: str) -> None:
    assert judged(headers(mac=mac)) is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([(b"x-cio-signature", GOOD.encode())], Reason.NO_TIMESTAMP),
        ([(b"x-cio-timestamp", AT.encode())], Reason.NO_SIGNATURE),
        (headers() + headers()[:1], Reason.SEVERAL_TIMESTAMPS),
        (headers() + headers()[1:], Reason.SEVERAL_SIGNATURES),
        (headers(""), Reason.NO_TIME),
        (headers("-1"), Reason.NO_TIME),
        (headers("1.7e9"), Reason.NO_TIME),
        (headers("+1700000000"), Reason.NO_TIME),
        (headers("1700000000000"), Reason.MILLISECONDS),
        (headers("9" * 19), Reason.NO_TIME),
        (headers(mac=""), Reason.NO_MAC),
        (headers(mac=GOOD[:-1]), Reason.NO_MAC),
        (headers(mac=GOOD + "0"), Reason.NO_MAC),
        (headers(mac="\xe9" * 64), Reason.NO_MAC),
        (headers(mac=BODY_ONLY), Reason.FORGED),
    ],
)
def test_what_proves_nothing_is_refused_with_its_reason(given: Given, reason: Reason) -> None:
    assert judged(given) is reason


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (1_700_000_000 - 300, None),
        (1_700_000_000 - 301, Reason.TOO_NEW),
        (1_700_000_000 + 7 * 86_400 + 3_600, None),
        (1_700_000_000 + 7 * 86_400 + 3_601, Reason.TOO_OLD),
    ],
)
def test_the_window_is_seven_days_and_an_hour_back_and_five_minutes_ahead(now: float, reason: Reason | None) -> None:
    assert judged(headers(), now=now) is reason


def test_the_window_can_be_set() -> None:
    narrow = Window(past=10, ahead=0)
    assert verify(headers(), BODY, keys=(KEY,), now=1_700_000_011, window=narrow) is Reason.TOO_OLD
    assert verify(headers(), BODY, keys=(KEY,), now=1_699_999_999, window=narrow) is Reason.TOO_NEW


def test_two_keys_are_good_during_a_rotation_and_one_after_it() -> None:
    new = Secret("another")
    assert judged(headers(), keys=(new, KEY)) is None
    assert judged(headers(), keys=(KEY, new)) is None
    assert judged(headers(), keys=(new,)) is Reason.FORGED


def test_no_key_proves_nothing() -> None:
    assert judged(headers(), keys=()) is Reason.FORGED


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_a_body_in_parts_is_the_same_body(parts: list[bytes]) -> None:
    body = b"".join(parts)
    mac = hmac.new(b"whsec_test_key", b"v0:" + AT.encode() + b":" + body, hashlib.sha256).hexdigest()
    claim = claim_of(headers(mac=mac))
    assert isinstance(claim, Claim)
    check = Check(claim=claim, keys=(KEY,))
    for part in parts:
        check.update(part)
    assert check.holds()


@given(st.integers(min_value=0, max_value=len(BODY) * 8 - 1))
def test_every_bit_of_the_body_counts(bit: int) -> None:
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8
    assert judged(headers(), bytes(changed)) is Reason.FORGED


@given(st.lists(st.tuples(st.sampled_from([b"x-cio-timestamp", b"x-cio-signature", b"x"]), st.binary(max_size=80))))
def test_whatever_the_headers_are_they_end_in_a_claim_or_a_reason(given_headers: Given) -> None:
    assert isinstance(claim_of(given_headers), Claim | Reason)


def test_keys_do_not_show_in_what_is_examined() -> None:
    claim = claim_of(headers())
    assert isinstance(claim, Claim)
    assert "whsec_test_key" not in repr(Check(claim=claim, keys=(KEY,)))
