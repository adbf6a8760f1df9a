"""Pure: which URLs may stand for an issuer, its keys and this server."""

import ipaddress
from urllib.parse import SplitResult, urlsplit


def checked(url: str) -> SplitResult:
    """Split a URL that names a party of OAuth; raises `ValueError` with the remedy.

    It is https without user, query and fragment (RFC 8414, section 2; RFC 9728, section 2 for the fragment). On a
    loopback address http will do, since what goes there does not leave the machine.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must be an https URL, as https://auth.example.com")
    if parts.scheme == "http" and not on_loopback(parts):
        raise ValueError("must be https: only a loopback address may be reached over http")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user name and no password")
    if "?" in url or "#" in url:
        raise ValueError("must have neither query nor fragment")
    if not url.isascii() or not url.isprintable() or " " in url or '"' in url or "\\" in url:
        raise ValueError("must be written in the characters of a URL, others percent-encoded")
    return parts


def on_loopback(parts: SplitResult) -> bool:
    """Say whether a URL's host is this machine, by an address of it or by `localhost`."""
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
