"""Which URLs Customer.io may be made to use: hostile ones never, others where the host is listed."""

from typing import Any, get_args

import pytest

from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.fields import HttpsUrl
from cio_mcp.policy.urls import URL_FIELDS, host_of, redacted
from tests.policy.situations import ORIGIN, decided, granted

HOSTILE = [
    "http://hooks.example.com/x",
    "https://127.1/",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://0177.0.0.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal/",
    "https://100.64.0.1/",
    "https://localhost/",
    "https://localhost./",
    "https://a.localhost/",
    "https://hooks.example.com./x",
    "https://hooks.example.com\\@evil.com/",
    "https://hooks.example.com@evil.com/",
    "https://user:secret@hooks.example.com/",
    "https://:@hooks.example.com/",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:8443/",
    "https://hooks.example.com:/",
    "https://hooks.example.com:0443/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/plain,x",
    "ftp://hooks.example.com/",
    "//hooks.example.com/x",
    "https:/hooks.example.com/x",
    "https:hooks.example.com",
    "https:///hooks.example.com/",
    "https://",
    "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "https://hooks\u3002example\u3002com/",
    "https://\uff48ooks.example.com/",
    "https://ex\u0430mple.com/",
    "https://hooks.example.com%2eevil.com/",
    "https://hooks.example.com%00.evil.com/",
    "https://hooks.example.com\t.evil.com/",
    "https://hooks.example.com\n/",
    " https://hooks.example.com/",
    "https://hooks.example.com/ x",
    "https://hooks.example.com/{{customer.email}}",
    "https://hooks_a.example.com/",
    "https://-hooks.example.com/",
    "https://hooks-.example.com/",
    "https://hooks..example.com/",
    "https://.example.com/",
    "https://example/",
    "https://intranet/",
    "https://printer.local/",
    "https://db.corp/",
    "https://x.test/",
    "https://x.onion/",
    "https://1.0.0.127.in-addr.arpa/",
    "https://" + "a." * 130 + "com/",
    "https://" + "a" * 64 + ".com/",
]
PLAIN = {
    "https://hooks.example.com": "hooks.example.com",
    "https://hooks.example.com/": "hooks.example.com",
    "https://HOOKS.Example.COM/x": "hooks.example.com",
    "HTTPS://hooks.example.com/x": "hooks.example.com",
    "https://hooks.example.com:443/x": "hooks.example.com",
    "https://hooks.example.com/a/b?c=d&e=%20#f": "hooks.example.com",
    "https://hooks.example.com?c=d": "hooks.example.com",
    "https://hooks.example.com/@evil.com": "hooks.example.com",
    "https://xn--bcher-kva.com/": "xn--bcher-kva.com",
    "https://xn--e1afmkfd.xn--p1ai/": "xn--e1afmkfd.xn--p1ai",
    "https://127.0.0.1.nip.io/": "127.0.0.1.nip.io",
}


@pytest.mark.parametrize("url", HOSTILE)
def test_a_url_that_leads_elsewhere_than_it_looks_has_no_host(url: str) -> None:
    with pytest.raises(ValueError, match=r"must (be https|name a host)"):
        host_of(url)
    assert redacted(url) == "<redacted URL>"


def test_a_host_has_at_most_253_characters() -> None:
    longest = "a." * 125 + "com"
    assert host_of(f"https://{longest}/") == longest
    with pytest.raises(ValueError, match="must name a host"):
        host_of(f"https://a{longest}/")


@pytest.mark.parametrize("url", PLAIN)
def test_a_plain_url_has_the_host_that_it_shows(url: str) -> None:
    assert host_of(url) == PLAIN[url]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.com", "https://hooks.example.com"),
        ("https://hooks.example.com/", "https://hooks.example.com"),
        ("https://hooks.example.com/secret/path", "https://hooks.example.com/…"),
        ("https://hooks.example.com/secret?sig=abc", "https://hooks.example.com/…?<redacted>"),
        ("https://hooks.example.com/?sig=abc", "https://hooks.example.com/?<redacted>"),
        ("https://hooks.example.com?sig=abc#secret", "https://hooks.example.com/?<redacted>"),
        ("https://hooks.example.com/#secret", "https://hooks.example.com"),
        ("https://u:p@hooks.example.com/?sig=abc", "<redacted URL>"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert redacted(url) == shown


def calls(url: str) -> dict[str, dict[str, Any]]:
    webhook = {"name": "w", "endpoint": url, "events": ["email_bounced"]}
    return {
        "create_reporting_webhook": webhook,
        "update_reporting_webhook": webhook | {"webhook_id": 1},
        "trigger_broadcast": {"broadcast_id": 1, "data_file_url": url},
        "create_collection": {"name": "c", "url": url},
        "update_collection": {"collection_id": 1, "url": url},
    }


TOOLS = list(calls(""))


def test_every_argument_that_is_a_url_is_ruled() -> None:
    ruled = {(tool, field) for tool, given in calls("x").items() for field in given if field in URL_FIELDS}
    declared = {
        (name, field)
        for name, endpoint in CATALOG.items()
        for field, info in endpoint.params.model_fields.items()
        if set(get_args(HttpsUrl)[1:]) <= set(info.metadata)
        or any(arg == HttpsUrl for arg in get_args(info.annotation))
    }
    assert declared == ruled


@pytest.mark.parametrize("tool", TOOLS)
def test_a_url_passes_where_its_host_is_listed(tool: str) -> None:
    given = calls("https://hooks.example.com/x")[tool]
    for hosts in ({"hooks.example.com"}, {"*.example.com"}, {"*"}):
        assert decided(tool, given, granted(hosts=frozenset(hosts))).allowed
    assert decided(tool, given).allowed


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    "hosts", [set(), {"example.com"}, {"hooks.example.org"}, {"*.hooks.example.com"}, {"evil-hooks.example.com"}]
)
def test_a_host_that_is_not_listed_is_refused_with_how_to_allow_it(tool: str, hosts: set[str]) -> None:
    refused = decided(tool, calls("https://hooks.example.com/x")[tool], granted(hosts=frozenset(hosts)))
    assert refused.decision.rule == "urls.hosts"
    assert f"is not among those allowed in {ORIGIN}" in refused.message
    assert f"the host listed under [urls] in {ORIGIN}" in refused.next_step


@pytest.mark.parametrize(
    "host", ["hooks.example.com.evil.com", "evilhooks.example.com", "127.0.0.1.nip.io", "hooks.example.com-evil.com"]
)
def test_a_host_that_looks_like_a_listed_one_is_not_it(host: str) -> None:
    given = calls(f"https://{host}/")["create_collection"]
    assert not decided("create_collection", given, granted(hosts=frozenset({"hooks.example.com"}))).allowed


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("url", ["https://127.1/", "https://hooks.example.com:8443/", "https://printer.local/"])
def test_hostile_urls_are_refused_without_grants_too_and_never_repeated(tool: str, url: str) -> None:
    for agent in (None, granted(hosts=frozenset({"*"}))):
        refused = decided(tool, calls(url)[tool], agent)
        assert refused.decision.rule == "urls"
        assert url.removeprefix("https://").strip("/") not in refused.message
        assert refused.next_step == "Give the address of a public https host."
