"""Which address a message goes to, however it is written, and whether it is on a list."""

import pytest

from cio_mcp.policy.addresses import Recipients, address_in, addresses_in, host_name, listed_address, recipient_list

LISTED = Recipients(addresses=frozenset({"ada@example.com"}), domains=frozenset({"example.org", "*.example.net"}))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  ada@example.com ", "ada@example.com"),
        ("<ada@example.com>", "ada@example.com"),
        ("Ada <ada@example.com>", "ada@example.com"),
        ("Ada <ADA@Example.COM>", "ada@example.com"),
        ('"Ada" <ada@example.com>', "ada@example.com"),
        ('"ada@example.com" <bob@evil.example>', "bob@evil.example"),
        ('"Ada <ada@example.com>" <bob@evil.example>', "bob@evil.example"),
        ('"ada@example.com, " <bob@evil.example>', "bob@evil.example"),
        ("Jos\u00e9 <jos\u00e9@example.com>", "jos\u00e9@example.com"),
        ("a+b@example.com", "a+b@example.com"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("a@b\u00fccher.example", "a@b\u00fccher.example"),
    ],
)
def test_the_address_is_what_a_server_delivers_to_and_never_the_name(text: str, address: str) -> None:
    assert address_in(text) == address
    assert addresses_in(text) == (address,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@@example.com",
        "ada@example.com>",
        "<ada@example.com",
        "<ada@example.com> <bob@evil.example>",
        "ada@example.com <bob@evil.example>",
        "bob@evil.example (ada@example.com)",
        "(c) ada@example.com",
        "Ada: ada@example.com;",
        "<@evil.example:ada@example.com>",
        "ada%evil.example@example.com",
        "evil.example!ada@example.com",
        '"a b"@example.com',
        '"bob@evil.example"@example.com',
        "=?utf-8?q?bob=40evil.example?= <ada@example.com>",
        "{{customer.email}}@example.com",
        "{{ 'bob@evil.example' }}@example.com",
        "{{ trigger.a }} <ada@example.com>",
        '"{{ trigger.a }}" <ada@example.com>',
        '"{% assign a = trigger.a %}" <ada@example.com>',
        "{% if a %} <ada@example.com>",
        '"Ada }" <ada@example.com>',
        '"Ada {" <ada@example.com>',
        "ada@example.com\r\nBcc: bob@evil.example",
        "ada\u0000@example.com",
        "ada@example.com\u3002evil.example",
        "ada@evil.example\uff20example.com",
        "ada\u202e@example.com",
        "ada\u200b@example.com",
        "ada@[127.0.0.1]",
        "ada@.example.com",
        "ada@example..com",
        "ada@-example.com",
        ".ada@example.com",
        "ada@example.com.",
    ],
)
def test_what_could_be_read_in_two_ways_is_read_in_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        address_in(text)


def test_all_of_a_list_are_found() -> None:
    text = 'ada@example.com, "Bob, the b@d" <bob@evil.example>,<c@example.com>'
    assert addresses_in(text) == ("ada@example.com", "bob@evil.example", "c@example.com")


def test_one_address_that_cannot_be_read_spoils_a_list() -> None:
    for text in ("ada@example.com, bob%x@evil.example", 'ada@example.com, "{{ a }}, Bob" <ada@example.com>'):
        with pytest.raises(ValueError, match="plain address"):
            addresses_in(text)


@pytest.mark.parametrize(
    "address",
    ["ada@example.com", "x@example.org", "x@a.example.net", "x@a.b.example.net"],
)
def test_listed_are_addresses_their_domains_and_what_lies_below_a_star(address: str) -> None:
    assert LISTED.lists(address)


@pytest.mark.parametrize(
    "address",
    [
        "bob@example.com",
        "ada@example.com.evil.example",
        "x@evilexample.org",
        "x@example.org.evil.example",
        "x@sub.example.org",
        "x@example.net",
        "x@aexample.net",
        "x@xn--exmple-cua.org",
        "ad\u0430@example.com",
        "x@ex\u0430mple.org",
        "ada@example.co",
        "+15551234567",
        "example.org",
    ],
)
def test_what_only_looks_listed_is_not(address: str) -> None:
    assert LISTED.lists(address) == (address == "example.org")  # a bare domain is no address, and never asked for


def test_case_is_ascii_alone() -> None:
    kelvin = Recipients(addresses=frozenset({"k@example.com"}))
    assert kelvin.lists(address_in("K@EXAMPLE.COM"))
    assert not kelvin.lists(address_in("\u212a@example.com"))


def test_a_star_lists_everybody() -> None:
    everybody = Recipients(domains=frozenset({"*"}))
    assert everybody.lists("x@evil.example")
    assert everybody.everybody
    assert not LISTED.everybody


@pytest.mark.parametrize("text", ["example.com", "*.example.com", "EXAMPLE.com", "xn--bcher-kva.example", "*"])
def test_a_domain_is_read(text: str) -> None:
    assert host_name(text) == text.lower()


@pytest.mark.parametrize(
    "text",
    ["", "com", "*.com", "@example.com", "example.com.", ".example.com", "a*.example.com", "*.*.example.com",
     "b\u00fccher.example", "https://example.com", "example.com/x", "example.com:443", "a" * 250 + ".com"],
)  # fmt: skip
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a domain"):
        host_name(text)


def test_a_domain_has_at_most_253_characters() -> None:
    longest = "a." * 125 + "com"
    assert host_name(longest) == longest
    with pytest.raises(ValueError, match="must be a domain"):
        host_name("a" + longest)


@pytest.mark.parametrize("text", ["ada@example.com", "+15551234567", "Ada <ADA@example.com>"])
def test_an_address_of_a_list_is_read(text: str) -> None:
    assert listed_address(text) in ("ada@example.com", "+15551234567")


@pytest.mark.parametrize("text", ["ada", "a@x, b@y", "555", "*@example.com", "@example.com"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an address"):
        listed_address(text)


def test_test_recipients_are_addresses_and_domains_and_nobody_else() -> None:
    only = recipient_list(["ada@example.com", "@example.org"])
    assert only == Recipients(own=False, addresses=frozenset({"ada@example.com"}), domains=frozenset({"example.org"}))
    assert str(only) == "ada@example.com, @example.org"


def test_recipients_are_told_in_words() -> None:
    assert str(Recipients()) == "each person's own address"
    assert str(Recipients(own=False)) == "nobody"
    assert str(Recipients(domains=frozenset({"*"}))) == "anybody"
