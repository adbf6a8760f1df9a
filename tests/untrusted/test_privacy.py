"""What is personal or secret by its name or by its look, and what is neither."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cio_mcp.privacy import Mask, masked

CLOSED, GRANTED = Mask(), Mask(personal_data=True)
CARD = "4111 1111 1111 1111"  # the industry's test number
IBAN = "DE89 3704 0044 0532 0130 00"  # the example of the IBAN registry


def attribute(name: str, value: Any, mask: Mask) -> Any:
    return masked({"customer": {"id": "1", "identifiers": {}, "attributes": {name: value}}}, mask)["customer"][
        "attributes"
    ][name]


ADDRESSES = [
    "ada@example.com", "a.b+c@mail.example.co.uk", "ADA@EXAMPLE.COM", "ada%40example.com", "ada%2Bx%40example.com",
    "o'brien@example.com", '"ada lovelace"@example.com', "jos\u00e9@ex\u00e4mple.de", "ada\uff20example.com",
    r"ada\u{200b}@example.com", "x@y", "ada@[127.0.0.1]", "!#$%*-_`{}~@example.com",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("around", ["{}", "to {}, please", "<{}>", "mailto:{}", "(x){}", "https://h.example/?m={}&a=1"])
def test_an_address_is_masked_anywhere_in_a_text(address: str, around: str) -> None:
    assert masked({"note": around.format(address)}, CLOSED)["note"] == around.format("[masked: e-mail]")


PHONES = [
    "+15550100001", "+1 555 010 0001", "+1 (555) 010-0001", "+49 151 2345-6789", "%2B15550100001", "0049 151 23456789",
    "(555) 010-0001", "555-010-0001", "555.010.0001", "+86 138 0013 8000",
]  # fmt: skip


@pytest.mark.parametrize("phone", PHONES)
@pytest.mark.parametrize("around", ["{}", "call {} now", "\u7535\u8bdd{}", "tel:{}", "({})"])
def test_a_telephone_number_is_masked_anywhere_in_a_text(phone: str, around: str) -> None:
    assert masked({"note": around.format(phone)}, CLOSED)["note"] == around.format("[masked: phone]")


HARMLESS = [
    "2026-01-31T09:00:00Z", "2026-01-31 09:00:00", "1769850000", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "127.0.0.1", "a + b = c",
    "dgOmBwABAXw7Q0aYpG+1234567890=", "version 1.2.3", "100-200-300", "Price +10 %", "#123456", "1:1769850000", "10/10",
    "https://hooks.example.com/customerio?a=1#b", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "{{customer.name}}", "[x]",
]  # fmt: skip


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_neither_stays(text: str) -> None:
    assert masked({"note": text}, CLOSED) == {"note": text}


def test_names_of_members_lose_addresses_and_none_is_lost() -> None:
    rows = {"rows": [{"ada@example.com": 1, "bob@example.com": 2, "plain": 3}]}
    assert masked(rows, CLOSED) == {"rows": [{"[masked: e-mail]": 1, "[masked: e-mail] (2)": 2, "plain": 3}]}
    assert masked(rows, GRANTED) == rows


def test_names_lose_cards_always_and_names_below_a_secret_lose_no_less() -> None:
    row = {
        "m": {CARD: "y", "4111-1111-1111-1111": "z", f"to {IBAN}": 1},
        "tokens": {"carol@example.net": "x", "dave@example.net": "x"},
        "secret": [{"Call +1 555 123 4567": "q"}],
    }
    secret = "[masked: secret]"
    m = {"[masked: card number]": "y", "[masked: card number] (2)": "z", "to [masked: bank account]": 1}
    assert masked({"rows": [row]}, CLOSED)["rows"] == [
        {
            "m": m,
            "tokens": {"[masked: e-mail]": secret, "[masked: e-mail] (2)": secret},
            "secret": [{"Call [masked: phone]": secret}],
        }
    ]
    assert masked({"rows": [row]}, GRANTED)["rows"] == [
        {
            "m": m,
            "tokens": {"carol@example.net": secret, "dave@example.net": secret},
            "secret": [{"Call +1 555 123 4567": secret}],
        }
    ]


VALUES: list[tuple[str, Any, Any]] = [
    ("city", "Berlin", "[masked: text of 6]"),
    ("age", 41, "[masked: number]"),
    ("vip", True, "[masked: true or false]"),
    ("plan", None, None),
    ("plan", "", ""),
    ("tags", ["a", {"b": "cd"}], ["[masked: text of 1]", {"b": "[masked: text of 2]"}]),
    ("home", {"id": "12 Main St"}, {"id": "[masked: text of 10]"}),
    ("mail", "ada@example.com", "[masked: e-mail]"),
    ("id", "42", "42"),
    ("id", "ada@example.com", "[masked: e-mail]"),
    ("id", "+15550100001", "[masked: phone]"),
    ("cio_id", "a3000001", "a3000001"),
    ("created_at", "1769850000", "1769850000"),
    ("created_at", "Ada", "[masked: text of 3]"),
    ("unsubscribed", "true", "true"),
    ("cio_subscription_preferences", '{"topics":{"topic_1":true}}', '{"topics":{"topic_1":true}}'),
    ("cio_subscription_preferences", '{"topics":{"Ada":true}}', "[masked: text of 23]"),
    ("nested", '{"a":"b"}', "[masked: text of 9]"),
    ("email_x", f"id {CARD}", "[masked: text of 22]"),
]


@pytest.mark.parametrize(("name", "value", "shown"), VALUES)
def test_the_value_of_an_attribute_shows_its_kind_and_size(name: str, value: Any, shown: Any) -> None:
    assert attribute(name, value, CLOSED) == shown
    assert attribute(name, value, Mask(attributes_shown=frozenset({name}))) == value


SECRETS: list[tuple[str, Any, Any]] = [
    ("password", "hunter2", "[masked: secret]"),
    ("userPassword", "hunter2", "[masked: secret]"),
    ("USER_PASSWD", 12345, "[masked: secret]"),
    ("api-key", "x", "[masked: secret]"),
    ("apiKey", "x", "[masked: secret]"),
    ("accessToken", "x", "[masked: secret]"),
    ("ssn", "078-05-1120", "[masked: secret]"),
    ("card", {"number": "1", "year": None}, {"number": "[masked: secret]", "year": None}),
    ("tokens", ["a", "b"], ["[masked: secret]", "[masked: secret]"]),
    ("iban", "x", "[masked: secret]"),
    ("note", f"pays with {CARD}.", "pays with [masked: card number]."),
    ("note", "4111111111111111", "[masked: card number]"),
    ("note", 4111111111111111, "[masked: card number]"),
    ("note", "3782 822463 10005", "[masked: card number]"),
    ("note", f"to {IBAN}", "to [masked: bank account]"),
    ("note", '{"password":"x","a":[1]}', '{"password":"[masked: secret]","a":[1]}'),
    ("note", ' \n{"password":"x"}', '{"password":"[masked: secret]"}'),
    ("note", "https://u:p@h.example/", "https://[masked: secret]@h.example/"),
    ("note", "https://h.example/?a=1&token=x#b", "https://h.example/?a=1&token=[masked: secret]#b"),
    ("note", "/hook?sig=y&page=2", "/hook?sig=[masked: secret]&page=2"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "shown"), SECRETS)
def test_secrets_and_cards_stay_masked_where_personal_data_is_granted(name: str, value: Any, shown: Any) -> None:
    assert attribute(name, value, GRANTED) == shown
    assert attribute(name, value, Mask(personal_data=True, attributes_shown=frozenset({name}))) == value


NO_SECRETS: list[tuple[str, Any]] = [
    ("note", "4111111111111112"),
    ("note", 1769850000000000),
    ("note", "DE00 3704 0044 0532 0130 00"),
    ("order_id", "4111111111111111"),
    ("opinion", "x"),
    ("discard", "x"),
    ("cardinality", 5),
    ("note", '{"a": [1,  2]}'),
    ("note", "[not JSON"),
    ("note", "https://h.example/?page=2"),
]


@pytest.mark.parametrize(("name", "value"), NO_SECRETS)
def test_what_only_resembles_a_secret_is_left_alone(name: str, value: Any) -> None:
    assert attribute(name, value, GRANTED) == value


def test_what_a_filter_compares_with_is_masked() -> None:
    data = {"recipients_filter": {"attribute": {"field": "first_name", "operator": "eq", "value": "Ada"}}}
    condition = masked(data, CLOSED)["recipients_filter"]["attribute"]
    assert condition == {"field": "first_name", "operator": "eq", "value": "[masked: text of 3]"}


def test_personal_names_are_masked_in_a_collection_and_others_are_not() -> None:
    row = {"first_name": "Ada", "lastName": "L", "name": "Chair", "price": 5, "birthday": 1815, "sku": "A-1"}
    assert masked({"rows": [row]}, CLOSED)["rows"] == [
        row | {"first_name": "[masked: text of 3]", "lastName": "[masked: text of 1]", "birthday": "[masked: number]"}
    ]


def test_unknown_texts_about_a_person_are_masked_too() -> None:
    message = {"id": "d=", "customer_id": "1", "type": "email", "preview": "Dear Ada", "opened_from": ["Berlin"]}
    told = masked({"messages": [message]}, CLOSED)["messages"][0]
    assert told == message | {"preview": "[masked: text of 8]", "opened_from": ["[masked: text of 6]"]}


def test_what_json_in_a_text_had_escaped_stays_escaped() -> None:
    spelt = r'{"password":"x","a":"\ud800\u202e"}'
    assert attribute("note", spelt, GRANTED) == r'{"password":"[masked: secret]","a":"\ud800\u202e"}'


def test_json_in_a_text_that_nests_without_end_is_masked_whole() -> None:
    deep = '{"a":' * 900 + "1" + "}" * 900
    assert masked({"note": deep}, CLOSED)["note"] in (deep, f"[masked: text of {len(deep)}]")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_whatever_is_known_of_a_person_only_placeholders_ids_and_states_remain(known: Any) -> None:
    told = masked({"customer_id": "1", "data": {"known": {"known": known}}}, CLOSED)["data"]

    def check(value: Any) -> None:
        match value:
            case dict():
                check(list(value.values()))
            case list():
                for item in value:
                    check(item)
            case None | "":
                pass
            case _:
                assert str(value).startswith("[masked: ")

    check(told)


HOSTILE = {
    "letters before a bracket": "a" * 1_000_000 + "(@b",
    "many ats": "a@" * 300_000,
    "no end of percent signs": "%40" * 300_000,
    "digits": "4" * 1_000_000,
    "digits and spaces": "4 " * 500_000,
    "pluses": "+1" * 500_000,
    "plus and digits": "+" + "1 " * 500_000,
    "capitals": "DE89" * 250_000,
    "capitals and spaces": "DE89 ABCD " * 100_000,
    "quotes": '"' * 1_000_000,
    "addresses": "a@b " * 250_000,
    "parameters": "&a=b" * 250_000,
    "schemes": "://" * 300_000,
    "brackets": "[" * 1_000_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_text_of_a_megabyte_costs_seconds_at_most(text: str) -> None:
    started = time.thread_time()
    masked({"note": text, "customer_id": "1", "data": {"a": text}}, CLOSED)
    masked({"note": text}, GRANTED)
    assert time.thread_time() - started < 10
