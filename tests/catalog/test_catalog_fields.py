import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from cio_mcp.catalog import fields, identifiers, json_values
from cio_mcp.catalog.params import Params, input_schema, wrong

DEEP = '{"a": ' * 30 + "1" + "}" * 30


def taken(kind: Any, given: Any) -> Any:
    return TypeAdapter(kind).validate_python(given)


def said(kind: Any, given: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(given)
    return "\n".join(line["msg"] for line in caught.value.errors())


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (fields.NumericId, 12, 12),
        (fields.NumericId, "12", 12),
        (fields.NumericId, 10**18 - 1, 10**18 - 1),
        (fields.Offset, 0, 0),
        (fields.Offset, "0", 0),
        (fields.TextId, 12, "12"),
        (fields.TextId, "a b", "a b"),
        (fields.PathId, 12, "12"),
        (fields.PathId, "a/b c", "a/b c"),
        (fields.Timestamp, 1_769_850_000, 1_769_850_000),
        (fields.Timestamp, "1769850000", 1_769_850_000),
        (fields.Timestamp, "2026-01-31T09:00:00Z", 1_769_850_000),
        (fields.Timestamp, "2026-01-31T10:00:00+01:00", 1_769_850_000),
        (fields.Timestamp, "2026-01-31T09:00:00", 1_769_850_000),
        (fields.Timestamp, "2026-01-31", 1_769_817_600),
        (fields.TimestampOrZero, 0, 0),
        (fields.TimestampOrZero, "0", 0),
        (fields.TimestampOrZero, "2026-01-31T09:00:00Z", 1_769_850_000),
        (fields.EventName, "  bought  ", "bought"),
        (fields.EventName, "é" * 50, "é" * 50),
        (fields.TimeZone, "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        (fields.TimeZone, "Etc/GMT+5", "Etc/GMT+5"),
        (fields.TimeZone, "UTC", "UTC"),
        (fields.HttpsUrl, "https://example.com:8443/a?b=c#d", "https://example.com:8443/a?b=c#d"),
        (fields.HttpsUrl, "HTTPS://example.com", "HTTPS://example.com"),
        (fields.Email, "Person+x@example.com", "Person+x@example.com"),
        (json_values.JsonObject, '{"a": [1, null]}', {"a": [1, None]}),
        (json_values.JsonObject, {"a": None}, {"a": None}),
        (identifiers.PersonInPath, "cio_a3000001", "cio_a3000001"),
        (identifiers.PersonInPath, "a+b@example.com", "a+b@example.com"),
        (identifiers.PersonInPath, "cio_a@example.com", "cio_a@example.com"),
        (identifiers.PersonIdentifiers, {"id": 42}, {"id": "42"}),
        (identifiers.PersonIdentifiers, '{"email": "a@example.com"}', {"email": "a@example.com"}),
    ],
)
def test_a_value_is_read_as_meant(kind: Any, given: Any, expected: Any) -> None:
    found = taken(kind, given)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "given", [0, -1, True, False, 1.0, 1.5, "012", "1e3", " 1", "", "x", None, [], 10**18, "\u0661"]
)
def test_a_number_of_a_thing_is_a_whole_number_from_1(given: Any) -> None:
    assert "must be a whole number, 1 or more" in said(fields.NumericId, given)


@pytest.mark.parametrize("given", [-1, True, 0.0, "00", "-0", ""])
def test_an_offset_is_a_whole_number_from_0(given: Any) -> None:
    assert "must be a whole number, 0 or more" in said(fields.Offset, given)


@pytest.mark.parametrize("kind", [fields.TextId, fields.PathId, fields.DeviceToken])
@pytest.mark.parametrize("given", [True, False, 1.5, None, [], {}])
def test_what_is_no_text_or_whole_number_is_no_text_id(kind: Any, given: Any) -> None:
    assert "valid string" in said(kind, given)


@pytest.mark.parametrize(
    ("kind", "given", "remedy"),
    [
        (fields.TextId, "x" * 151, "has 151 bytes, at most 150 are taken"),
        (fields.TextId, "é" * 76, "has 152 bytes, at most 150 are taken"),
        (fields.TextId, "", "must not be blank"),
        (fields.TextId, "a\nb", "must be one line"),
        (fields.Line, "a\x85b", "must be one line"),
        (fields.Text, " \n ", "must not be blank"),
        (fields.PathId, "..", "path step"),
        (identifiers.PersonInPath, "cio_a3-1", "begins with cio_ and is no cio_id"),
        (identifiers.PersonInPath, "cio_", "begins with cio_ and is no cio_id"),
        (identifiers.PersonInPath, "cio_\u0661", "begins with cio_ and is no cio_id"),
        (identifiers.PersonInPath, "+15551234567", "looks like a phone number"),
        (fields.PathId, "x" * 255, "at most 254"),
        (fields.DeviceToken, "x" * 1001, "at most 1,000"),
        (fields.Timestamp, 1_700_000_000_000, "looks like milliseconds"),
        (fields.Timestamp, "1700000000000", "looks like milliseconds"),
        (fields.Timestamp, 0, "too small for unix seconds"),
        (fields.Timestamp, "1969-12-31", "between the years 1970 and 5138"),
        (fields.Timestamp, True, "ISO 8601"),
        (fields.Timestamp, 1.7e9, "ISO 8601"),
        (fields.Timestamp, "tomorrow", "is no date"),
        (fields.TimestampOrZero, False, "ISO 8601"),
        (fields.TimestampOrZero, 0.0, "ISO 8601"),
        (fields.TimestampOrZero, 1, "too small for unix seconds"),
        (fields.Ulid, "01arz3ndektsv4rrffq69g5fav", "must be a ULID"),
        (fields.Ulid, "81ARZ3NDEKTSV4RRFFQ69G5FAV", "must be a ULID"),
        (fields.Ulid, "01ARZ3NDEKTSV4RRFFQ69G5FA", "must be a ULID"),
        (fields.EventName, "x" * 101, "at most 100"),
        (fields.TimeZone, "+01:00", "IANA"),
        (fields.TimeZone, "Europe/", "IANA"),
        (fields.TimeZone, "Europe Berlin", "IANA"),
        (fields.TimeZone, "../etc/passwd", "IANA"),
        (fields.HttpsUrl, "http://example.com", "must begin with https://"),
        (fields.HttpsUrl, "example.com", "must begin with https://"),
        (fields.HttpsUrl, "https:///path", "must begin with https:// and a host"),
        (fields.HttpsUrl, "https://user@example.com", "user name or password"),
        (fields.HttpsUrl, "https://:secret@example.com", "user name or password"),
        (fields.HttpsUrl, "https://example.com\\@evil.example", "backslash"),
        (fields.HttpsUrl, "https://example.com/a b", "a space"),
        (fields.HttpsUrl, "https://example.com/\n", "one line"),
        (fields.HttpsUrl, "https://example.com:99999", "is no URL"),
        (fields.HttpsUrl, "https://[::1", "is no URL"),
        (fields.HttpsUrl, "https://example.com/" + "x" * 2000, "at most 2,000"),
        (fields.Email, "person", "must be an e-mail address"),
        (fields.Flag, "true", "boolean"),
        (fields.Flag, 1, "boolean"),
        (fields.Attributes, {"x": "y" * 1001}, "'x' is longer than 1,000 bytes"),
        (fields.Attributes, {"x" * 151: 1}, "longer than 150 bytes"),
        (fields.Attributes, {"": 1}, "empty"),
        (fields.Attributes, {f"a{i}": 1 for i in range(301)}, "has 301 attributes, at most 300"),
        (fields.TextValues, {"ok": "x", "count": 1}, "takes only text values; 'count' is none"),
        (fields.EventData, {"x": "y" * 100_000}, "at most 100,000"),
        (json_values.JsonObject, "{a: 1}", "must be a JSON object or list, not text"),
        (json_values.JsonObject, "[1]", "valid dictionary"),
        (json_values.JsonObject, '{"a": 1, "a": 2}', "names a member twice"),
        (json_values.JsonObject, '{"a": NaN}', "NaN is no JSON"),
        (json_values.JsonObject, '{"a": 1e999}', "JSON cannot carry"),
        (json_values.JsonObject, '{"a": "\\ud800"}', "half a character"),
        (json_values.JsonObject, DEEP, "nested more than 20 levels deep"),
        (json_values.JsonObject, "[" * 100_000, "must be a JSON object or list"),
        (json_values.JsonObject, {"a": float("inf")}, "JSON cannot carry"),
        (json_values.JsonObject, {"a": object()}, "JSON cannot carry"),
        (identifiers.PersonInPath, "+14155552671", 'use apply_entity with {"phone": ...}'),
        (identifiers.PersonInPath, "x" * 151, "at most 150"),
        (identifiers.PersonIdentifiers, {}, "must hold exactly one of id | email | cio_id"),
        (identifiers.PersonIdentifiers, {"id": "1", "email": "a@example.com"}, "exactly one of id | email | cio_id"),
        (identifiers.PersonIdentifiers, {"phone": "+14155552671"}, "does not take 'phone'"),
        (identifiers.PersonIdentifiers, {"id": 1.0}, "must be text"),
        (identifiers.PersonIdentifiers, {"id": True}, "must be text"),
        (identifiers.PersonIdentifiers, {"email": "person"}, "must be an e-mail address"),
        (identifiers.PersonIdentifiers, "person@example.com", "must be a JSON object"),
    ],
)
def test_a_wrong_value_is_refused_with_its_remedy(kind: Any, given: Any, remedy: str) -> None:
    assert remedy in said(kind, given)


@pytest.mark.parametrize(
    ("kind", "canary"),
    [
        (fields.Timestamp, "canary-value"),
        (fields.HttpsUrl, "https://canary:canary@example.com"),
        (fields.Email, "canary"),
        (fields.PathId, "canary/.."),
        (identifiers.PersonIdentifiers, '{"email": "canary"}'),
        (json_values.JsonObject, "canary"),
    ],
)
def test_a_refused_value_is_not_repeated_in_the_reason(kind: Any, canary: str) -> None:
    assert "canary" not in said(kind, canary)


def test_the_limits_are_met_exactly() -> None:
    assert taken(fields.TextId, "x" * 150)
    assert taken(fields.Attributes, {f"a{i}": "y" * 1000 for i in range(300)})
    assert taken(fields.EventData, {"x": "y" * (100_000 - len('{"x":""}'))})
    assert "100,001 bytes" in said(fields.EventData, {"x": "y" * (100_001 - len('{"x":""}'))})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a@example.com", "email"),
        ("cio_a3000001", "cio_id"),
        ("cio_A3", "cio_id"),
        ("cio_a@b", "email"),
        ("cio_a3000001@example.com", "email"),
        ("cio_a3-1", None),
        ("cio_\u0661", None),
        ("cio_a3\n", None),
        ("cio_", None),
        ("CIO_a3", None),
        ("+14155552671", "phone"),
        ("14155552671", None),
        ("+0123456789", None),
        ("user-42", None),
    ],
)
def test_an_id_is_known_by_its_look(text: str, kind: str | None) -> None:
    assert identifiers.kind_by_look(text) == kind


@pytest.mark.parametrize(
    ("identifier", "kind"),
    [
        ("cio_a3", "cio_id"),
        ("cio_a3@example.com", "email"),
        ("a@example.com", "email"),
        ("cio_", "id"),
        ("ada-1", "id"),
    ],
)
def test_a_person_in_a_path_is_looked_up_as_what_customer_io_takes_them_for(identifier: str, kind: str) -> None:
    assert identifiers.lookup_of(identifier) == {"customer_id": identifier, "id_type": kind}


def test_a_wrong_place_keeps_the_places_below_it() -> None:
    inner = wrong(("a", 1), "must be b")
    (line,) = wrong("outer", inner).errors()
    assert line["loc"] == ("outer", "a", 1)
    assert str(line["ctx"]["error"]) == "must be b"
    assert line["input"] is None


def test_depth_is_counted_and_not_recursed() -> None:
    value: Any = 1
    for _ in range(json_values.DEPTH):
        value = [value]
    json_values.check_depth(value)
    with pytest.raises(ValueError, match="nested more than 20 levels deep"):
        json_values.check_depth([value])
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="nested more than 20 levels deep"):
        json_values.check_depth(value)


def test_json_that_no_serialiser_can_walk_is_refused() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="nested too deeply"):
        json_values.json_size(value)


def test_the_size_is_that_of_compact_utf_8() -> None:
    value = {"é": [1, "b"], "c": None}
    assert json_values.json_size(value) == len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def test_the_schema_of_an_optional_time_is_flat() -> None:
    class Example(Params):
        when: fields.Timestamp | None = None

    assert input_schema(Example)["properties"] == {"when": {"format": "date-time", "type": "string"}}
