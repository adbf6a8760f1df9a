"""Pure: which address a message really goes to, and whether it is on a list.

What is compared is the address that a mail server would deliver to, never a display name. Whatever could be read in
two ways is refused: quoted local parts, comments, groups, routes, encoded words, Liquid.
"""

import re
from dataclasses import dataclass

from cio_mcp.catalog.emails import recipients
from cio_mcp.catalog.identifiers import is_phone

# RFC 5322, section 3.2.3 ("atext"), without the characters of routes (% !), Liquid ({ } |) and lists (*), and
# with letters of other scripts (RFC 6532): they equal no ASCII letter, so look-alikes match nothing.
_LOCAL = r"[\w#$&'+/=?^`~-]+(?:\.[\w#$&'+/=?^`~-]+)*"
_DOMAIN = r"[^\W_](?:[^\W_]|-)*(?:\.[^\W_](?:[^\W_]|-)*)+"
_ADDRESS = re.compile(f"({_LOCAL})@({_DOMAIN})")
_QUOTED_NAME = r'"(?:[^"\\\r\n]|\\[^\r\n])*"'
_PLAIN_NAME = r"[^\"<>@,;:()\[\]\\\r\n]*"
_NAMED = re.compile(rf"(?:{_QUOTED_NAME}\s*|{_PLAIN_NAME})<([^<>\s]+)>")
_ENCODED_WORD = "=?"
# In a name too: what Liquid becomes may end the name and begin another address.
_LIQUID = frozenset("{}")
# RFC 1035, section 2.3.4, for names that are written in a grants file: ASCII, other scripts in their xn-- form.
_HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_LONGEST_NAME = 253
EVERYTHING = "*"


def lowered(text: str) -> str:
    """Lower ASCII letters alone: Python's own `lower` makes a `k` of the Kelvin sign."""
    return text.translate(_ASCII_LOWER)


def address_in(text: str) -> str:
    """Return the one address of `a@x`, `<a@x>` or `Name <a@x>`, lowered; raise ValueError if it is not plain."""
    stripped = text.strip()
    named = _NAMED.fullmatch(stripped)
    bare = named[1] if named else stripped
    if _ENCODED_WORD in stripped or not _LIQUID.isdisjoint(stripped) or not _ADDRESS.fullmatch(bare):
        raise ValueError("cannot be read as one plain address")
    return lowered(bare)


def addresses_in(text: str) -> tuple[str, ...]:
    """Return every address of a comma separated list, lowered; raise ValueError if one cannot be read for certain."""
    return tuple(address_in(part) for part in recipients(text))


def number_in(text: str) -> str:
    """Return a telephone number in E.164 form; raise ValueError for Liquid, which could become any number."""
    if not is_phone(text):
        raise ValueError("cannot be read as one telephone number")
    return text


def host_name(text: str) -> str:
    """Read a host or domain of a list, `x.org` or `*.x.org`; raise ValueError with the remedy."""
    host = lowered(text)
    if host == EVERYTHING:
        return host
    if not _HOST.fullmatch(host) or len(host) > _LONGEST_NAME:
        raise ValueError('must be a domain such as "example.com" or "*.example.com", in ASCII (xn--...), or "*"')
    return host


def in_hosts(host: str, hosts: frozenset[str]) -> bool:
    """Say whether a lowered host is listed as it is, lies below a listed `*.` name, or every host is listed by `*`."""
    if EVERYTHING in hosts:
        return True
    labels = host.split(".")
    below = ("*." + ".".join(labels[start:]) for start in range(1, len(labels)))
    return host in hosts or any(name in hosts for name in below)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Whom messages may go to: the listed, and with `own` also each person at their own address."""

    own: bool = True
    addresses: frozenset[str] = frozenset()
    """E-mail addresses, lowered, and telephone numbers."""
    domains: frozenset[str] = frozenset()

    @property
    def everybody(self) -> bool:
        """Whether anything goes, so that addresses need not even be read."""
        return EVERYTHING in self.domains

    def lists(self, address: str) -> bool:
        """Say whether a lowered address or a number is on the list."""
        return address in self.addresses or in_hosts(address.rpartition("@")[2], self.domains)

    def __str__(self) -> str:
        if self.everybody:
            return "anybody"
        named = [*sorted(self.addresses), *(f"@{domain}" for domain in sorted(self.domains))]
        return ", ".join((["each person's own address"] if self.own else []) + named) or "nobody"


def listed_address(text: str) -> str:
    """Read an address of a list: an e-mail address or a telephone number; raise ValueError with the remedy."""
    try:
        return text if is_phone(text) else address_in(text)
    except ValueError:
        raise ValueError('must be an address such as "ada@example.com", or a number such as "+15551234567"') from None


def recipient_list(texts: list[str]) -> Recipients:
    """Read `a@x.org` and `@x.org` (everybody there) as the only recipients; raise ValueError with the remedy."""
    return Recipients(
        own=False,
        addresses=frozenset(listed_address(text) for text in texts if not text.startswith("@")),
        domains=frozenset(host_name(text[1:]) for text in texts if text.startswith("@")),
    )
