"""The types that arguments share: what they accept, their limits, and the sentence a wrong value gets.

Limits are Customer.io's own ("Track API limits" and the operations' schemas in its API reference).
A validator's message names the remedy and never repeats the value, which may be personal.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, StrictBool, WithJsonSchema

from cio_mcp.catalog.json_values import JsonObject, json_at_most, parsed
from cio_mcp.catalog.paths import check_segment

TextCheck = Callable[[str], str]

ID_BYTES = 150
ATTRIBUTE_NAME_BYTES = 150
ATTRIBUTE_VALUE_BYTES = 1000
ATTRIBUTES = 300
EVENT_NAME_BYTES = 100
EVENT_DATA_BYTES = 100_000
# Not documented for path values that are no ids (e-mail addresses, form ids); RFC 5321 ends a mailbox at 254.
PATH_VALUE_BYTES = 254
# Neither documented; Firebase's tokens are the longest known, a few hundred characters.
DEVICE_TOKEN_BYTES = 1000
# Not documented; longer ones break in browsers and proxies.
URL_BYTES = 2000

# The official Ruby client takes 999999999 < timestamp < 100000000000 as a guard against milliseconds.
FIRST_SECOND = 1_000_000_000
FIRST_MILLISECOND = 100_000_000_000
_DIGITS = 18  # of the largest number that fits a signed 64-bit integer whatever its digits are

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WHOLE = re.compile(rf"0|[1-9][0-9]{{0,{_DIGITS - 1}}}")
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


def at_most(limit: int) -> TextCheck:
    """Bound a text by its UTF-8 bytes."""

    def check(text: str) -> str:
        size = len(text.encode())
        if size > limit:
            raise ValueError(f"has {size:,} bytes, at most {limit:,} are taken")
        return text

    return check


def one_line(text: str) -> str:
    """Refuse line breaks and other control characters, which could start a header of their own."""
    if _CONTROL.search(text):
        raise ValueError("must be one line without control characters")
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def not_blank(text: str) -> str:
    """Refuse a text of nothing but spaces."""
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def number_as_text(value: Any) -> Any:
    """Take a whole number for a text id; a fraction or a boolean is no id."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def whole_number_from(least: int) -> Callable[[Any], int]:
    """Take 12 and "12" for 12; refuse booleans, fractions and other spellings such as "012" or "1e3"."""

    def check(value: Any) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 10**_DIGITS:
            raise ValueError(f"must be a whole number, {least} or more")
        return value

    return check


def unix_seconds(value: Any) -> Any:
    """Read ISO 8601 (UTC unless it carries an offset) or whole unix seconds."""
    if isinstance(value, str):
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            return _from_iso(value)
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be ISO 8601, such as 2026-01-31T09:00:00Z, or unix seconds")  # noqa: TRY004
    if value >= FIRST_MILLISECOND:
        raise ValueError("looks like milliseconds (or lies after the year 5138): give unix seconds")
    if value < FIRST_SECOND:
        raise ValueError("is too small for unix seconds of this century: give an earlier time as ISO 8601")
    return value


def _from_iso(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no date: give ISO 8601, such as 2026-01-31T09:00:00Z, or unix seconds") from None
    seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    if not 0 < seconds < FIRST_MILLISECOND:
        raise ValueError("must lie between the years 1970 and 5138")
    return seconds


def in_zone(given: Any, *, zone: str, times: tuple[str, ...]) -> Any:
    """Give times without an offset that of the time zone which stands beside them; what is no time stays."""
    if not isinstance(given, Mapping) or not isinstance(name := given.get(zone), str):
        return given
    return {**given, **{time: _placed(given[time], name) for time in times if isinstance(given.get(time), str)}}


def _placed(text: str, zone: str) -> str:
    if text.strip().lstrip("-").isdigit():  # seconds, which Python would take for a date too
        return text
    try:
        moment = datetime.fromisoformat(text)
        return text if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone)).isoformat()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return text


def unix_seconds_or_zero(value: Any) -> Any:
    """Read a time, or 0 where the API gives it a meaning of its own."""
    zero = value == "0" or (isinstance(value, int) and not isinstance(value, bool) and value == 0)
    return 0 if zero else unix_seconds(value)


def ulid(text: str) -> str:
    """Check a ULID in its canonical form (github.com/ulid/spec): deduplication compares the text."""
    if not _ULID.fullmatch(text):
        raise ValueError("must be a ULID: 26 characters, digits and capitals without I, L, O, U")
    return text


def email_address(text: str) -> str:
    """Check that a text can be an e-mail address."""
    if "@" not in text:
        raise ValueError("must be an e-mail address")
    return text


def time_zone(text: str) -> str:
    """Check the shape of an IANA name; which names exist depends on a database not every system has."""
    if not _ZONE.fullmatch(text):
        raise ValueError("must be an IANA time zone, such as Europe/Berlin")
    return text


def https_url(text: str) -> str:
    """Check an address that Customer.io will call or download from: https, a host, no credentials."""
    one_line(text)
    if "\\" in text or " " in text:
        raise ValueError("must not hold a backslash or a space: percent-encode them")
    try:
        parts = urlsplit(text)
        host, has_user = parts.hostname, parts.username is not None or parts.password is not None
        _ = parts.port  # raises for what is no port
    except ValueError:
        raise ValueError("is no URL: give one such as https://example.com/path") from None
    if parts.scheme != "https" or not host:
        raise ValueError("must begin with https:// and a host")
    if has_user:
        raise ValueError("must not carry a user name or password: the address is stored and shown")
    return text


def attribute_names(members: dict[str, Any]) -> dict[str, Any]:
    """Check the names and the number of attributes ("Track API limits")."""
    if len(members) > ATTRIBUTES:
        raise ValueError(f"has {len(members)} attributes, at most {ATTRIBUTES} are taken")
    for name in members:
        if not name or len(name.encode()) > ATTRIBUTE_NAME_BYTES:
            raise ValueError(f"has a name that is empty or longer than {ATTRIBUTE_NAME_BYTES} bytes")
    return members


def attributes(members: dict[str, Any]) -> dict[str, Any]:
    """Check a person's attributes: names, number, and the size of each value ("Track API limits")."""
    for name, value in attribute_names(members).items():
        if isinstance(value, str) and len(value.encode()) > ATTRIBUTE_VALUE_BYTES:
            raise ValueError(f"{name[:40]!r} is longer than {ATTRIBUTE_VALUE_BYTES:,} bytes")
    return members


def all_text(members: dict[str, Any]) -> dict[str, Any]:
    """Check that every value is text, as Customer.io's forms and devices demand."""
    wrong = [name for name, value in members.items() if not isinstance(value, str)]
    if wrong:
        raise ValueError(f"takes only text values; {wrong[0][:40]!r} is none")
    return members


Line = Annotated[str, AfterValidator(one_line)]
Email = Annotated[Line, AfterValidator(email_address), AfterValidator(at_most(PATH_VALUE_BYTES))]
Text = Annotated[str, AfterValidator(not_blank)]
Flag = StrictBool
WholeNumber = Annotated[int, BeforeValidator(whole_number_from(1))]
NumericId = WholeNumber
Offset = Annotated[int, BeforeValidator(whole_number_from(0))]
TextId = Annotated[str, BeforeValidator(number_as_text), AfterValidator(one_line), AfterValidator(at_most(ID_BYTES))]

_Segment = Annotated[str, BeforeValidator(number_as_text), AfterValidator(check_segment)]
PathId = Annotated[_Segment, AfterValidator(at_most(PATH_VALUE_BYTES))]
DeviceToken = Annotated[_Segment, AfterValidator(at_most(DEVICE_TOKEN_BYTES))]

Attributes = Annotated[JsonObject, AfterValidator(attributes)]
TextValues = Annotated[JsonObject, AfterValidator(all_text)]
EventData = Annotated[JsonObject, AfterValidator(json_at_most(EVENT_DATA_BYTES))]
JsonList = BeforeValidator(parsed)
"""Put beside a list type, it takes the list as JSON text too."""

_TIME = WithJsonSchema({"type": "string", "format": "date-time"})
_TIME_OR_ZERO = WithJsonSchema({"type": "string"})  # 0 is no date-time
Timestamp = Annotated[int, BeforeValidator(unix_seconds), _TIME]
TimestampOrZero = Annotated[int, BeforeValidator(unix_seconds_or_zero), _TIME_OR_ZERO]
TimeZone = Annotated[str, AfterValidator(time_zone)]
Ulid = Annotated[str, AfterValidator(ulid)]
EventName = Annotated[Line, AfterValidator(str.strip), AfterValidator(at_most(EVENT_NAME_BYTES))]
HttpsUrl = Annotated[str, AfterValidator(https_url), AfterValidator(at_most(URL_BYTES))]

Platform = Literal["ios", "android"]
EventType = Literal["event", "page", "screen"]
Cursor = Annotated[str, AfterValidator(one_line), AfterValidator(at_most(4000))]
