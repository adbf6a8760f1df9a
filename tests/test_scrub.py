"""Other people's text made safe to carry: it must end neither a server nor a terminal."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cio_mcp.scrub import DEPTH, REPLACEMENT, one_line, read_json, text

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"]
SURROGATES = ["\ud800", "\udbff", "\udc00", "\udfff"]
anything = st.text(st.characters())


@pytest.mark.parametrize("unsafe", CONTROLS + SURROGATES, ids=ascii)
def test_control_characters_and_halves_of_characters_are_replaced(unsafe: str) -> None:
    assert text(f"a{unsafe}b") == f"a{REPLACEMENT}b"


@pytest.mark.parametrize(
    "kept", ["\t", "\n", "\r\n", "é", "\N{GRINNING FACE}", "\u2028", "\ufeff", "\N{HEBREW LETTER ALEF}"]
)
def test_what_people_write_stays(kept: str) -> None:
    assert text(f"a{kept}b") == f"a{kept}b"


@given(anything)
def test_scrubbed_text_can_be_encoded_and_scrubbing_again_changes_nothing(given_text: str) -> None:
    once = text(given_text)
    once.encode()
    assert text(once) == once
    assert len(once) == len(given_text)


@given(anything, st.integers(1, 50))
def test_one_line_is_one_line_of_its_length(given_text: str, characters: int) -> None:
    line = one_line(given_text, characters)
    assert len(line) <= characters
    assert line.splitlines() in ([], [line])
    line.encode()


def test_a_cut_line_shows_that_it_was_cut() -> None:
    assert one_line(" a\n\nb\tc ", 10) == "a b c"
    assert one_line("abcdef", 4) == "abc…"


READ: list[tuple[bytes, Any]] = [
    (b'{"a": [1, 2.5, "x", null, true]}', {"a": [1, 2.5, "x", None, True]}),
    (b'\xef\xbb\xbf{"bom": 1}', {"bom": 1}),
    (rb'{"name": "\ud800"}', {"name": REPLACEMENT}),
    (rb'{"\ud800": "\u0000"}', {REPLACEMENT: REPLACEMENT}),
    (rb'{"pair": "\ud83d\ude00"}', {"pair": "\N{GRINNING FACE}"}),
    (b'{"latin": "\xe9"}', {"latin": REPLACEMENT}),
    (b'{"nan": NaN, "inf": Infinity, "less": -Infinity}', {"nan": None, "inf": None, "less": None}),
    (b'{"big": 1e999, "small": -1e999}', {"big": "1e999", "small": "-1e999"}),
    (b'{"digits": ' + b"9" * 5000 + b"}", {"digits": "9" * 5000}),
    (b'{"id": 18446744073709551616}', {"id": 18446744073709551616}),
    (b'"text"', "text"),
    (b"[]", []),
]  # fmt: skip


@pytest.mark.parametrize(("body", "data"), READ, ids=[ascii(body[:24]) for body, _ in READ])
def test_a_body_is_read_as_what_json_can_carry(body: bytes, data: Any) -> None:
    assert read_json(body) == data


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"{'a': 1}", b"\xff\xfe", b'{"a": 1} trailing'])
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Extra data"):
        read_json(body)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("levels", [DEPTH + 2, 900, 100_000])
def test_json_that_nests_too_deeply_is_a_value_error(opening: bytes, levels: int) -> None:
    closing = b"]" if opening == b"[" else b"}"
    with pytest.raises(ValueError, match=r"nested too deeply|Expecting"):
        read_json(opening * levels + b"1" + closing * levels)


def test_json_of_a_depth_that_customer_io_never_reaches_is_still_read() -> None:
    assert read_json(b"[" * 50 + b"]" * 50)


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused_and_what_is_read_can_be_sent(body: bytes) -> None:
    try:
        data = read_json(body)
    except ValueError:
        return
    json.dumps(data, allow_nan=False, ensure_ascii=False).encode()


def test_numbers_stay_finite() -> None:
    values = read_json(b"[1e308, -1e308, 1e-400, 0.1]")
    assert all(math.isfinite(value) for value in values)
