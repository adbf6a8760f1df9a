"""Other people's text made safe to carry: it must end neither a server nor a terminal."""

import json
import math
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cio_mcp.scrub import DEPTH, one_line, read_json, suspicious, text, visible

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"]
SURROGATES = ["\ud800", "\udbff", "\udc00", "\udfff"]
BIDI = [*map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C))]
ZERO_WIDTH = [*map(chr, (*range(0x200B, 0x200E), *range(0x2060, 0x2065), 0xFEFF, 0x00AD, 0x034F))]
FILLERS = [*map(chr, (0x115F, 0x1160, 0x3164, 0xFFA0, 0x17B4, 0x17B5, *range(0x180B, 0x1810)))]
DEPRECATED = [*map(chr, (*range(0x206A, 0x2070), *range(0xFFF0, 0xFFFC), 0x1BCA0, 0x1D173))]
SELECTORS = [*map(chr, (*range(0xFE00, 0xFE10), 0xE0100, 0xE01EF))]
TAGS = [*map(chr, range(0xE0000, 0xE0080)), "\U000e0080", "\U000e0fff"]
UNSEEN = [*CONTROLS, *SURROGATES, *BIDI, *ZERO_WIDTH, *FILLERS, *DEPRECATED, *SELECTORS, *TAGS]
anything = st.text(st.characters())
mostly_unseen = st.text(
    st.sampled_from([*UNSEEN, *"a1#\u0645\u0915\u094d\u1820\u845b\u0e01\u20e3\U0001f469\U0001f3fd\u2764"])
)


def escaped(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"


@pytest.mark.parametrize("unseen", UNSEEN, ids=ascii)
def test_what_nobody_sees_is_shown_as_an_escape(unseen: str) -> None:
    assert text(f"a{unseen}b") == f"a{escaped(unseen)}b"
    assert text(unseen * 3) == escaped(unseen) * 3


@pytest.mark.parametrize(
    "kept", ["\t", "\n", "\r\n", "é", "e\u0301", "\N{GRINNING FACE}", "\u2028", "\u05d0", "\u202f"]
)
def test_what_people_write_stays(kept: str) -> None:
    assert text(f"a{kept}b") == f"a{kept}b"


AT_HOME = {
    "a family": "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "a profession with a skin tone": "\U0001f469\U0001f3fd\u200d\U0001f4bb",
    "a heart on fire": "\u2764\ufe0f\u200d\U0001f525",
    "a kiss": "\U0001f9d1\U0001f3fb\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f9d1\U0001f3ff",
    "a rainbow flag": "\U0001f3f3\ufe0f\u200d\U0001f308",
    "the flag of Scotland": "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "a country's flag": "\U0001f1e9\U0001f1ea",
    "a keycap": "1\ufe0f\u20e3 #\ufe0f\u20e3",
    "text style": "\u2139\ufe0e \u2708\ufe0f",
    "an ideographic variant": "\u845b\U000e0100\u98fe\ufe00",
    "Persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "a Persian date": "\u06f1\u06f3\u06f8\u06f5 \u0647\u200d.\u0634",
    "Devanagari": "\u0915\u094d\u200d\u0937 \u0930\u094d\u200c\u0915",
    "Sinhala": "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
    "Bengali": "\u09b0\u200d\u09cd\u09af",
    "a Malayalam chillu at the end": "\u0d05\u0d35\u0d30\u0d4d\u200d",
    "words of Khmer": "\u1797\u17b6\u179f\u17b6\u200b\u1781\u17d2\u1798\u17c2\u179a",
    "Mongolian": "\u182d\u180e\u1820 \u1820\u180b",
    "points of Hebrew": "\u05dc\u05b7\u034f\u05b4\u05dd",
}


@pytest.mark.parametrize("kept", AT_HOME.values(), ids=AT_HOME)
def test_what_makes_an_emoji_or_shapes_a_word_stays(kept: str) -> None:
    assert text(kept) == kept
    assert text(f"see {kept}\n") == f"see {kept}\n"


AWAY: dict[str, tuple[str, str]] = {
    "a joiner after an emoji": ("\U0001f469\u200d", r"\u{200d}"),
    "a joiner before an emoji": ("a\u200d\U0001f469", r"a\u{200d}"),
    "two joiners": ("\U0001f469\u200d\u200d\U0001f469", r"\u{200d}\u{200d}"),
    "two selectors": ("\u263a\ufe0f\ufe0e", "\ufe0f" + r"\u{fe0e}"),
    "bytes behind a selector": ("\u263a\ufe0f\U000e0158\U000e0155", "\ufe0f" + r"\u{e0158}\u{e0155}"),
    "a selector behind a letter": ("a\ufe0fb\ufe01", r"a\u{fe0f}b\u{fe01}"),
    "an emoji's selector behind an ideograph": ("\u845b\ufe0f", r"\u{fe0f}"),
    "an ideograph's selector behind an emoji": ("\u2764\U000e0100", r"\u{e0100}"),
    "a digit in emoji style": ("1\ufe0f", r"1\u{fe0f}"),
    "a flag of nowhere": ("\U0001f3f4\U000e0067\U000e0062\U000e007f", r"\u{e0067}\u{e0062}\u{e007f}"),
    "tags behind a flag": (AT_HOME["the flag of Scotland"] + "\U000e0061", "\U000e007f" + r"\u{e0061}"),
    "a joiner between Persian and Latin": ("\u0645\u200ca", r"\u{200c}a"),
    "a space of no width in Persian": ("\u0645\u200b\u0645", r"\u{200b}"),
    "joiners in a row": ("\u0645\u200c\u200c\u0645", r"\u{200c}\u{200c}"),
    "a joiner after a Persian digit": ("\u06f1\u200c\u06f1", r"\u{200c}"),
    "a separator of vowels in Latin": ("a\u180eb", r"a\u{180e}b"),
    "a joiner of graphemes in Latin": ("a\u034f\u0301", r"a\u{34f}"),
    "Hebrew with marks of direction": ("\u05d0\u200f", r"\u{200f}"),
}  # fmt: skip


@pytest.mark.parametrize(("given_text", "shown"), AWAY.values(), ids=AWAY)
def test_the_same_characters_elsewhere_are_shown(given_text: str, shown: str) -> None:
    assert shown in text(given_text)


def test_every_second_letter_cannot_hide_another_text() -> None:
    hidden = "".join(f"{letter}{chr(0xE0100 + letter.encode()[0])}" for letter in "Hello")
    assert text(hidden) == "".join(f"{letter}{escaped(chr(0xE0100 + ord(letter)))}" for letter in "Hello")


@given(anything | mostly_unseen)
def test_scrubbed_text_can_be_encoded_and_scrubbing_again_changes_nothing(given_text: str) -> None:
    once = text(given_text)
    once.encode()
    assert text(once) == once


@given(anything | mostly_unseen)
def test_nothing_is_lost(given_text: str) -> None:
    read = re.sub(r"\\u\{([0-9a-f]+)\}", lambda found: chr(int(found[1], 16)), text(given_text))
    assert read == given_text


@pytest.mark.parametrize("spelt", [r"\u{202e}", r"\u202e", "\\\\u{202e}", r"\u{", r"\u{110000}", "\\"])
def test_an_escape_spelt_out_is_only_text(spelt: str) -> None:
    assert text(spelt) == spelt


@given(anything | mostly_unseen, st.integers(1, 50))
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
    (rb'{"name": "\ud800"}', {"name": r"\u{d800}"}),
    (rb'{"\ud800": "\u0000"}', {r"\u{d800}": r"\u{0}"}),
    (rb'{"a\u200b": 1, "b": 2, "a\\u{200b}": 3}', {r"a\u{200b} (2)": 1, "b": 2, r"a\u{200b}": 3}),
    (rb'{"pair": "\ud83d\ude00"}', {"pair": "\N{GRINNING FACE}"}),
    (b'{"latin": "\xe9"}', {"latin": "\ufffd"}),
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


@given(st.dictionaries(st.text(st.sampled_from("\u202e\\u{}2 ()ea3"), max_size=12), st.integers(), max_size=8))
def test_no_member_is_lost_whatever_its_name_becomes(members: dict[str, int]) -> None:
    read = read_json(json.dumps(members).encode())
    assert list(read.values()) == list(members.values())
    assert {name: read[name] for name in members if text(name) == name}.items() <= members.items()


def test_many_names_that_become_one_cost_no_time() -> None:
    hidden = ["".join("\u202e" if number >> bit & 1 else r"\u{202e}" for bit in range(14)) for number in range(2**14)]
    started = time.thread_time()
    read = read_json(json.dumps(dict.fromkeys(hidden, 1)).encode())
    assert len(read) == 2**14
    assert time.thread_time() - started < 5


SEEN = [
    ("Spring sale", '"Spring sale"'),
    ("", '""'),
    ("\U0001f469\u200d\U0001f4bb", '"\U0001f469\u200d\U0001f4bb"'),
    ("a\u202eb", r'"a\u{202e}b" (holds hidden characters)'),
    ("Test\n\nRecipients: 1\tApproved", r'"Test\u{a}\u{a}Recipients: 1\u{9}Approved"'),
    ('x" (audience: 1)', r'"x\u{22} (audience: 1)"'),
    ("\u0430dmin", '"\u0430dmin" (mixes alphabets in a word)'),
    ("jose\u0301", '"jose\u0301" (holds decomposed letters)'),
    ("x" * 81, f'"{"x" * 79}…"'),
    ("x" * 81 + "\u200b", f'"{"x" * 79}…" (holds hidden characters)'),
    ("a\u2028b", r'"a\u{2028}b"'),
]


@pytest.mark.parametrize(("name", "shown"), SEEN, ids=[ascii(name[:30]) for name, _ in SEEN])
def test_a_name_is_shown_so_that_a_person_can_decide(name: str, shown: str) -> None:
    assert visible(name) == shown


@given(anything | mostly_unseen, st.integers(1, 50))
def test_nothing_in_a_name_ends_its_line_or_its_quotation(name: str, characters: int) -> None:
    shown = visible(name, characters)
    assert len(shown.splitlines()) == 1
    quotation, _, remark = shown[1:].partition('"')
    assert len(quotation) <= characters
    assert '"' not in remark


@pytest.mark.parametrize(
    "name", ["\u0430dmin", "p\u0430ypal.com", "\u0391lpha", "\u03bf\u0440en", "a\u200bb", "\ud800", "x\u202e", "\x00"]
)
def test_look_alikes_and_hidden_characters_are_suspicious(name: str) -> None:
    assert suspicious(name)


@pytest.mark.parametrize(
    "name",
    ["admin", "Zo\u00eb", "jos\u00e9", "jose\u0301", "\u041f\u0440\u0438\u0432\u0435\u0442 Bob", "\u03a9mega"[1:],
     "\u0394-wing", "\u845b\u98fe ABC", "\u0645\u06cc\u200c\u062e", "\u00b5m", "caf\u00e9 \u2615\ufe0f", "1\u20ac", ""],
)  # fmt: skip
def test_names_of_one_alphabet_or_of_several_words_are_not(name: str) -> None:
    assert not suspicious(name)
