"""Where a key may be sent: Customer.io, or this machine, however somebody spells another place."""

import pytest

from cio_mcp.settings import APP_URLS, TRACK_URLS, SettingsError, load

REMEDIES = (
    "must be https://<host>.customer.io, or a loopback address, without a path",
    "must lead to customer.io over https, or to a loopback address: a key goes nowhere else",
)
TAKEN = [
    "https://track.customer.io",
    "https://track-eu.customer.io/",
    "https://customer.io",
    "https://TRACK.customer.io:443",
    "http://127.0.0.1:8025",
    "http://127.1.2.3",
    "https://localhost:8443/",
    "http://LOCALHOST:1",
    "http://[::1]:8025",
    "http://[0:0:0:0:0:0:0:1]/",
]
HOSTILE = {
    "no https": "http://customer.io",
    "another scheme": "ftp://track.customer.io",
    "no scheme": "track.customer.io",
    "a relative scheme": "//track.customer.io",
    "a script": "javascript://track.customer.io",
    "a suffix of ours before another domain": "https://customer.io.evil.com",
    "an ending of another name": "https://evilcustomer.io",
    "a trailing dot": "https://track.customer.io.",
    "credentials": "https://user:pass@track.customer.io",
    "a host behind credentials": "https://track.customer.io@evil.com",
    "empty credentials": "https://@track.customer.io",
    "a backslash": "https://evil.com\\.customer.io",
    "a backslash before the at": "https://evil.com\\@track.customer.io",
    "a path": "https://track.customer.io/api",
    "two slashes": "https://track.customer.io//",
    "a query": "https://track.customer.io?x=1",
    "an empty query": "https://track.customer.io?",
    "a fragment": "https://track.customer.io#x",
    "an empty fragment": "http://127.0.0.1:8025#",
    "a line break": "https://track.cus\ntomer.io",
    "a tab": "https://track.customer.io\t.evil.com",
    "a space": "https://track.customer.io .evil.com",
    "a percent sign": "https://evil.com%2f.customer.io",
    "an encoded dot": "https://evil%2ecustomer.io",
    "full-width letters": "https://\N{FULLWIDTH LATIN SMALL LETTER C}ustomer.io",
    "a Cyrillic letter": "https://\N{CYRILLIC SMALL LETTER ES}ustomer.io",
    "an ideographic full stop": "https://track\N{IDEOGRAPHIC FULL STOP}customer.io",
    "a port that is none": "https://track.customer.io:abc",
    "a port that is too large": "https://track.customer.io:65536",
    "port nought": "http://127.0.0.1:0",
    "a port with spaces": "http://127.0.0.1: 80",
    "a decimal address": "http://2130706433",
    "a hexadecimal address": "http://0x7f000001",
    "an octal address": "http://0177.0.0.1",
    "a short address": "http://127.1",
    "everybody": "http://0.0.0.0:8025",
    "everybody, IPv6": "http://[::]:8025",
    "the metadata address": "http://169.254.169.254",
    "a private address": "http://192.168.0.1:8025",
    "a zone": "http://[::1%25lo]:8025",
    "no address in brackets": "http://[:::]:80",
    "an open bracket": "http://[::1",
    "a name of this machine with a dot": "http://localhost.:8025",
    "a name below this machine's": "http://evil.localhost",
    "a name that begins like this machine's": "http://localhost.evil.com",
    "a name that resolves to this machine": "http://127.0.0.1.nip.io",
    "nothing but a scheme": "https://",
}  # fmt: skip


@pytest.mark.parametrize("env", ["CUSTOMERIO_TRACK_URL", "CUSTOMERIO_APP_URL"])
@pytest.mark.parametrize("url", TAKEN)
def test_a_base_url_may_lead_to_customer_io_or_this_machine(env: str, url: str) -> None:
    settings = load({env: url})
    assert {settings.track_url, settings.app_url} == {url.rstrip("/"), None}


@pytest.mark.parametrize("env", ["CUSTOMERIO_TRACK_URL", "CUSTOMERIO_APP_URL"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_base_url_may_lead_nowhere_else(env: str, hostile: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({env: HOSTILE[hostile]})
    assert str(refused.value) in {f"{env} {remedy}" for remedy in REMEDIES}


@pytest.mark.parametrize("region", ["us", "eu"])
def test_the_region_chooses_both_hosts(region: str) -> None:
    settings = load({"CUSTOMERIO_REGION": region})
    assert settings.track_base == {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}[region]
    assert settings.app_base == {"us": "https://api.customer.io", "eu": "https://api-eu.customer.io"}[region]
    assert {settings.track_base, settings.app_base} == {TRACK_URLS[settings.region], APP_URLS[settings.region]}


def test_a_host_set_by_hand_goes_before_the_regions_and_only_for_its_api() -> None:
    settings = load({"CUSTOMERIO_REGION": "eu", "CUSTOMERIO_TRACK_URL": "http://127.0.0.1:1"})
    assert (settings.track_base, settings.app_base) == ("http://127.0.0.1:1", "https://api-eu.customer.io")
