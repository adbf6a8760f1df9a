"""Pure: which addresses Customer.io may be made to call or fetch from, and how they are shown.

A URL is taken only if every parser reads the same host in it: https, a public name in ASCII, port 443, no user name.
Numbers are no names, in any notation. What a name leads to is decided later and elsewhere, so names that stand for
an address inside (such as those of wildcard DNS services) are stopped by the list of hosts alone.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from cio_mcp.catalog.params import Params
from cio_mcp.policy.addresses import lowered

URL_FIELDS = ("endpoint", "data_file_url", "url")
"""The arguments that Customer.io posts to or fetches from."""
_LONGEST_NAME = 253
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{1,59}})")
# RFC 3986, appendix A: what may stand after the authority; neither braces, which Liquid reads, nor backslashes.
_URL = re.compile(r"(?i:https)://([A-Za-z0-9.-]+)(?::443)?(?:[/?#][A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*)?")
# IANA, "Special-Use Domain Names", and ICANN's names reserved for private use: none leads to the public internet.
_PRIVATE = (
    "alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain",
    "localhost", "mail", "onion", "private", "test",
)  # fmt: skip


def host_of(url: str) -> str:
    """Return the lowered host of a URL; raise ValueError with the reason if it is not plainly public."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("must be https:// and a host name, with no user name, no port but 443, in plain ASCII")
    host = lowered(found[1])
    if len(host) > _LONGEST_NAME or not _NAME.fullmatch(host):
        raise ValueError("must name a host in full, such as hooks.example.com, not by a number or in short")
    if host.rpartition(".")[2] in _PRIVATE:
        raise ValueError("must name a host on the public internet")
    return host


def redacted(url: str) -> str:
    """Return what of a URL may be recorded and shown: scheme and host; its path and query are often secrets."""
    try:
        host = host_of(url)
    except ValueError:
        return "<redacted URL>"
    rest = urlsplit(url)
    path = "/…" if rest.path.strip("/") else ""
    query = f"{'' if path else '/'}?<redacted>" if rest.query else ""
    return f"https://{host}{path}{query}"


def urls_in(params: Params) -> Iterator[tuple[str, str]]:
    """Yield the URLs of a call that Customer.io would use, with the names of their arguments."""
    for name in URL_FIELDS:
        value = getattr(params, name, None)
        if isinstance(value, str):
            yield name, value
