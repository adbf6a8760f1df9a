"""Pure: characters without a look of their own, and where they belong.

Text can carry what a model reads and no person sees: tag characters, chains of variation selectors, zero-width
marks, overrides of the reading direction. The same characters also make a family of one emoji, choose the variant of
an ideograph, and shape Persian and Indic words. What decides is the neighbours: a character that does something for
them is at home, any other is not.
"""

import re
import unicodedata

_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff"
# Default_Ignorable_Code_Point (Unicode Character Database, DerivedCoreProperties), and interlinear annotation.
_IGNORABLE = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# The only emoji written with tag characters: the flags of England, Scotland and Wales (Unicode TS #51, ED-14a).
_FLAG = re.compile(
    "\U0001f3f4\U000e0067\U000e0062"
    "(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
_FLAG_TAGS = 6
# Extended_Pictographic, with the code points reserved for it until Unicode 16 (Unicode TS #51, emoji-data.txt).
_PICTURES = (
    "\xa9\xae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u2388\u23cf\u23e9-\u23f3\u23f8-\u23fa"
    "\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u2605\u2607-\u2612\u2614-\u2685\u2690-\u2705\u2708-\u2712\u2714"
    "\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2755\u2757\u2763-\u2767\u2795-\u2797\u27a1"
    "\u27b0\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001f0ff"
    "\U0001f10d-\U0001f10f\U0001f12f\U0001f16c-\U0001f171\U0001f17e\U0001f17f\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f1ad-\U0001f1e5\U0001f201-\U0001f20f\U0001f21a\U0001f22f\U0001f232-\U0001f23a\U0001f23c-\U0001f23f"
    "\U0001f249-\U0001f3fa\U0001f400-\U0001f53d\U0001f546-\U0001f64f\U0001f680-\U0001f6ff\U0001f774-\U0001f77f"
    "\U0001f7d5-\U0001f7ff\U0001f80c-\U0001f80f\U0001f848-\U0001f84f\U0001f85a-\U0001f85f\U0001f888-\U0001f88f"
    "\U0001f8ae-\U0001f8ff\U0001f90c-\U0001f93a\U0001f93c-\U0001f945\U0001f947-\U0001faff\U0001fc00-\U0001fffd"
)
_PICTURE = re.compile(f"[{_PICTURES}]")
_SKIN_TONE = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_EMOJI_STYLE = "\ufe0f"
_KEYCAP = "\u20e3"
UNSEEN = re.compile(
    f"[{_CONTROLS}{_IGNORABLE}]+"
    f"(?<![{_PICTURES}]{_EMOJI_STYLE})(?<![{_PICTURES}]\u200d(?=[{_PICTURES}]))"
    f"(?<![{_PICTURES}][{_EMOJI_STYLE}{_SKIN_TONE}]\u200d(?=[{_PICTURES}]))"
)
"""Finds them in runs, but for those of the most common emoji, which `shown` would keep anyway."""
_ALONE = re.compile(f"[{_CONTROLS}{_IGNORABLE}]")
# Scripts whose letters join or stack: the Unicode Standard, chapters 9 and 12 to 17, asks joiners of them.
_SHAPING = re.compile(
    "[\u0600-\u086f\u0870-\u0dff\u1000-\u109f\u1700-\u18af\u1900-\u194f\u1a00-\u1bff\u1c00-\u1c4f\ua840-\ua8ff"
    "\ua980-\ua9ff\uaa60-\uaa7f\uaae0-\uaaff\uabc0-\uabff\ufb50-\ufdff\ufe70-\ufefc\U00010ac0-\U00010aff"
    "\U00010b80-\U00010baf\U00010d00-\U00010d3f\U00010f30-\U00010faf\U00010fb0-\U00010fdf\U00011000-\U00011fff"
    "\U0001e900-\U0001e95f]"
)
_MONGOLIAN = re.compile("[\u1820-\u18aa]")
# Written without spaces between words: the Unicode Standard, 23.2, "Zero-Width Space".
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17d3\u1950-\u19df\u1a20-\u1aad\uaa60-\uaadf]")
_IDEOGRAPH = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd]")
# What StandardizedVariants.txt lists with VS1 to VS14: a zero, operators, CJK forms, Myanmar, Phags-pa, Manichaean,
# hieroglyphs.
_WITH_VARIANTS = re.compile(
    "[0\u2018\u2019\u201c\u201d\u2205-\u22ff\u2a00-\u2aff\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff00-\uff9f\u1000-\u109f\uaa60-\uaa7f\ua840-\ua87f\U00010ac0-\U00010aff\U00013000-\U0001345f"
    "\U00020000-\U0003fffd]"
)
_VIRAMA = 9  # Canonical_Combining_Class


def escape(characters: str) -> str:
    r"""Return the escapes of characters, such as `\u{202e}`."""
    return "".join([f"\\u{{{ord(character):x}}}" for character in characters])


def shown(found: re.Match[str]) -> str:
    """Return what to show in place of a run that `UNSEEN` found: characters at home as they are, others escaped."""
    run, start = found[0], found.start()
    if len(run) == 1:
        return run if _is_at_home(found.string, start) else f"\\u{{{ord(run):x}}}"
    # What comes later in a run has unseen neighbours only, and does nothing for anybody.
    near = [c if _is_at_home(found.string, at) else escape(c) for at, c in enumerate(run[:_FLAG_TAGS], start)]
    return "".join(near) + escape(run[_FLAG_TAGS:])


def _is_at_home(text: str, at: int) -> bool:
    """Say whether the unseen character at a place of a text does something there that people see."""
    before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    match text[at]:
        case "\u200d":
            home = _joins_emoji(text, at) or _shapes(before, after) or _shapes_an_edge(before, after)
        case "\u200c":
            home = _shapes(before, after)
        case "\u200b":
            home = _is_of(_UNSPACED, before) and _is_of(_UNSPACED, after)
        case "\u180e":
            home = _is_of(_MONGOLIAN, before) and _is_of(_MONGOLIAN, after)
        case "\u180b" | "\u180c" | "\u180d" | "\u180f":
            home = _is_of(_MONGOLIAN, before)
        case "\u034f":
            home = _is_seen(before, "M") and _is_seen(after, "M")
        case tag if "\U000e0020" <= tag <= "\U000e007f":
            home = _flies(text, at)
        case other:
            home = _selects(other, before, after)
    return home


def _selects(selector: str, before: str, after: str) -> bool:
    """Say whether a variation selector follows what has variants: chains, and selectors elsewhere, spell bytes."""
    if "\ufe00" <= selector <= "\ufe0d":
        return bool(_WITH_VARIANTS.fullmatch(before))
    if "\ufe0e" <= selector <= "\ufe0f":
        keycap = before in ("#", "*", *"0123456789") and after == _KEYCAP
        return keycap or bool(_PICTURE.fullmatch(before)) or (before != "" and before in _SKIN_TONE)
    return "\U000e0100" <= selector <= "\U000e01ef" and bool(_IDEOGRAPH.fullmatch(before))


def _flies(text: str, at: int) -> bool:
    """Say whether a tag character belongs to a flag."""
    staff = text.rfind("\U0001f3f4", max(0, at - _FLAG_TAGS), at)
    return staff >= 0 and bool(_FLAG.match(text, staff))


def _joins_emoji(text: str, at: int) -> bool:
    """Say whether a joiner stands between two emoji (Unicode TS #51, ED-16)."""
    before = text[at - 1 : at] if at else ""
    if before and before in _EMOJI_STYLE + _SKIN_TONE:
        before = text[at - 2 : at - 1] if at > 1 else ""
    return bool(_PICTURE.fullmatch(before) and _PICTURE.match(text, at + 1))


def _shapes(before: str, after: str) -> bool:
    """Say whether a joiner stands inside a word of a script that asks for it, or after a virama (UAX #31, 2.3)."""
    if before and unicodedata.combining(before) == _VIRAMA:
        return True
    return _is_of(_SHAPING, before) and _is_of(_SHAPING, after)


def _shapes_an_edge(before: str, after: str) -> bool:
    """Say whether a joiner shows the first or last letter of a word in its joined shape, as Persian dates do."""
    return (_is_of(_SHAPING, before) and _is_edge(after)) or (_is_edge(before) and _is_of(_SHAPING, after))


def _is_edge(character: str) -> bool:
    return not character or character in "\t\n\r" or unicodedata.category(character)[0] in "ZP"


def _is_of(scripts: re.Pattern[str], character: str) -> bool:
    return bool(scripts.fullmatch(character)) and _is_seen(character, "LM")


def _is_seen(character: str, categories: str) -> bool:
    """Say whether a character is of a category, such as letters and marks, and not itself unseen."""
    return bool(character) and unicodedata.category(character)[0] in categories and not _ALONE.fullmatch(character)
