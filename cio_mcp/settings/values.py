"""How the text of a setting is read: every function raises ValueError with the remedy, never with the value."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from cio_mcp import postgres
from cio_mcp.agents.urls import checked
from cio_mcp.gate import Mode
from cio_mcp.ledger.keys import keys_of
from cio_mcp.ledger.terms import LONGEST_CALL
from cio_mcp.limiter import Rate
from cio_mcp.limiter.engine.redis import SCHEMES as REDIS_SCHEMES
from cio_mcp.policy import Grant
from cio_mcp.secret import Secret

Region = Literal["us", "eu"]
SERVICE_ACCOUNT_PREFIX = "sa_live_"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
PROOFS = ("tokens", "oauth")
"""Tokens of this server's own, access tokens of an issuer."""
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_MOST_DAYS = 3_660
CONSOLE_KEY_CHARACTERS = 32
"""So many that nobody guesses it, however often they may try."""
LEAST_EVENT_DAYS = 8
"""Customer.io repeats a call for seven days (reporting webhooks reference, "Timeouts and failures"), and whoever forgot
its event would take the repeat for something new."""
MEMORY = "memory"
"""The ledger that lasts as long as the process."""


def secret_text(value: str) -> Secret:
    """Read a key: one printable word."""
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("holds a space, a line break or a character that no key has: copy the key again")
    return Secret(value)


def app_key(value: str) -> Secret:
    """Read an App API key, and tell a service account token from one."""
    if value.startswith(SERVICE_ACCOUNT_PREFIX):
        raise ValueError("holds a service account token: set CUSTOMERIO_SERVICE_ACCOUNT_TOKEN instead")
    return secret_text(value)


def service_account(value: str) -> Secret:
    """Read a service account token."""
    if not value.startswith(SERVICE_ACCOUNT_PREFIX):
        raise ValueError(f"must begin with {SERVICE_ACCOUNT_PREFIX}; an App API key goes to CUSTOMERIO_APP_API_KEY")
    return secret_text(value)


def workspace_number(value: str) -> int:
    """Read a workspace's number."""
    if not (value.isascii() and value.isdigit() and len(value) <= 18):  # noqa: PLR2004 - digits of a 64-bit integer
        raise ValueError("must be the workspace's number, as it stands in Customer.io's address bar")
    return int(value)


def region(value: str) -> Region:
    """Read where the account lives."""
    match value.lower():
        case "us":
            return "us"
        case "eu":
            return "eu"
        case _:
            raise ValueError("must be us or eu")


def is_customer_io(url: str) -> bool:
    """Say whether a URL leads to Customer.io, over https."""
    parts = urlsplit(url)
    return parts.scheme == "https" and _is_customer_io(parts.hostname or "")


def _is_customer_io(host: str) -> bool:
    return host == "customer.io" or host.endswith(".customer.io")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# Scheme, host, port and nothing else. Whatever is not in here (credentials, backslashes, spaces, escapes, a path,
# letters that only look like Latin ones) is what URL parsers disagree about.
_BASE_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/?")
_LAST_PORT = 65_535


def base_url(value: str) -> str:
    """Take https on customer.io, or a loopback address; a key goes nowhere else."""
    match = _BASE_URL.fullmatch(value)
    if match is None or int(match[3] or 1) not in range(1, _LAST_PORT + 1):
        raise ValueError("must be https://<host>.customer.io, or a loopback address, without a path")
    scheme, host = match[1], match[2].strip("[]").lower()
    if not ((scheme == "https" and _is_customer_io(host)) or _is_loopback(host)):
        raise ValueError("must lead to customer.io over https, or to a loopback address: a key goes nowhere else")
    return value.rstrip("/")


def areas(value: str) -> frozenset[str]:
    """Read names separated by commas."""
    return frozenset(_listed(value))


def grants(value: str) -> frozenset[Grant]:
    """Read grants separated by commas."""
    return frozenset(Grant.parse(part) for part in _listed(value))


def _listed(value: str) -> list[str]:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts:
        raise ValueError("names nothing: separate several with commas")
    return parts


NONE = "none"
"""A list that is meant to be empty."""


def reached_as(value: str) -> tuple[str, ...]:
    """Read the names, with ports if they are not the scheme's own, by which clients reach this server."""
    names = tuple(_listed(value))
    for name in names:
        if "/" in name or "*" in name or not name.isascii() or " " in name:
            raise ValueError("must be names as in a URL, with a port if it is shown there, such as mcp.example.com")
    return names


def origins(value: str) -> tuple[str, ...]:
    """Read from which web pages the server may be called; the word none for no page at all."""
    if value == NONE:
        return ()
    found = tuple(_listed(value))
    if not all(_ORIGIN.fullmatch(each) for each in found):
        raise ValueError(f"must be origins such as https://app.example.com, or {NONE}")
    return found


def proofs(value: str) -> frozenset[str]:
    """Read by what agents prove who they are."""
    found = frozenset(_listed(value))
    if not found <= set(PROOFS):
        raise ValueError(f"must be one or more of {', '.join(PROOFS)}")
    return found


def oauth_url(value: str) -> str:
    """Read a URL of OAuth, as it stands to the last slash: it is compared with what tokens say."""
    checked(value)
    return value


def switch(value: str) -> bool:
    """Read a yes or no."""
    match value.lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
        case _:
            raise ValueError("must be true or false")


def _number(value: str, *, least: float, most: float, unit: str) -> float:
    remedy = f"must be a number of {unit} between {least:,} and {most:,}"
    try:
        number = float(value)
    except ValueError:
        raise ValueError(remedy) from None
    if not least <= number <= most:
        raise ValueError(remedy)
    return number


def seconds(value: str) -> float:
    """Read the time that one call may take."""
    return _number(value, least=1, most=LONGEST_CALL, unit="seconds")


def tokens(value: str) -> int:
    """Read how many tokens a result may cost."""
    return int(_number(value, least=1000, most=1_000_000, unit="tokens"))


def rate(value: str) -> Rate:
    """Read a limit."""
    try:
        return Rate.parse(value)
    except ValueError:
        raise ValueError("must be requests/seconds, such as 10/1 or 1/10") from None


def level(value: str) -> str:
    """Read a log level."""
    if value.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return value.lower()


def log_format(value: str) -> str:
    """Read how log lines are written."""
    if value.lower() not in LOG_FORMATS:
        raise ValueError(f"must be one of {', '.join(LOG_FORMATS)}")
    return value.lower()


def address(value: str) -> tuple[str, int]:
    """Read where to listen: a port, or host:port, such as 9464, 0.0.0.0:9464 or [::1]:9464."""
    host, _, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    try:
        ip_address(host or "127.0.0.1") if host != "localhost" else None
        number = int(port) if port.isascii() and port.isdigit() else -1
    except ValueError:
        number = -1
    if not 0 <= number <= _LAST_PORT:
        raise ValueError("must be [HOST:]PORT with an address as host, such as 9464 or 0.0.0.0:9464")
    return host or "127.0.0.1", number


def mode(value: str) -> Mode:
    """Read how calls are confirmed."""
    try:
        return Mode(value.lower())
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Mode)}") from None


def ledger(value: str) -> str:
    """Read where the record is kept: an absolute path, or the word memory."""
    if value == MEMORY:
        return value
    try:
        path = Path(value).expanduser()
    except RuntimeError:  # the home of somebody who is nobody here
        path = Path()
    if not path.is_absolute() or "\0" in value:
        # A host starts its servers in any folder: a relative path would be another ledger each time.
        raise ValueError(f"must be an absolute path, or {MEMORY}")
    return str(path)


def window(value: str) -> float:
    """Read the time within which the same send is held back; 0 holds nothing back."""
    return _number(value, least=0, most=86_400, unit="seconds")


def people(value: str) -> int:
    """Read a number of people."""
    return int(_number(value, least=1, most=1_000_000, unit="people"))


def database(value: str) -> Secret:
    """Read the address of a database; it may hold a password."""
    postgres.shown(value)
    return Secret(value)


def ledger_key(value: str) -> Secret:
    """Read the secret by which a record is chained."""
    keys_of(value)
    return Secret(value)


def engine(value: str) -> Secret:
    """Read through what limits are shared; it may hold a password."""
    known = (*REDIS_SCHEMES, *postgres.SCHEMES)
    if not urlsplit(value).scheme or value.partition(":")[0] not in known:
        raise ValueError(f"must be an address that begins with one of {', '.join(f'{each}://' for each in known)}")
    return Secret(value)


def replicas(value: str) -> int:
    """Read a number of servers."""
    return int(_number(value, least=1, most=1_000, unit="servers"))


def listening(value: str) -> tuple[str, int]:
    """Read where to listen: a host and a port, or a port of this machine alone."""
    host, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= _LAST_PORT):  # noqa: PLR2004 - digits
        raise ValueError(f"must be a port from 0 to {_LAST_PORT}, or host:port")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def console_key(value: str) -> Secret:
    """Read the secret by which the operator signs in."""
    if len(value) < CONSOLE_KEY_CHARACTERS:
        raise ValueError(f"must have {CONSOLE_KEY_CHARACTERS} characters or more; `openssl rand -hex 32` makes one")
    return secret_text(value)


def public_url(value: str) -> str:
    """Read the https address of ours that somebody else is told."""
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.password:
        raise ValueError("must be an https address without user and password")
    return value


def past(value: str) -> float:
    """Read how old a signed event may be."""
    return _number(value, least=60, most=30 * 86_400, unit="seconds")


def ahead(value: str) -> float:
    """Read how far ahead of our clock another one may be."""
    return _number(value, least=0, most=3_600, unit="seconds")


def days(value: str) -> float:
    """Read how long records are kept."""
    return _number(value, least=1, most=_MOST_DAYS, unit="days")


def event_days(value: str) -> float:
    """Read how long events are kept: an event whose repeat may still come is not forgotten before."""
    try:
        return _number(value, least=LEAST_EVENT_DAYS, most=_MOST_DAYS, unit="days")
    except ValueError as error:
        raise ValueError(f"{error}: Customer.io repeats an event for seven days, and is not to count twice") from None


def megabytes(value: str) -> float:
    """Read how large the record may grow."""
    return _number(value, least=1, most=100_000, unit="megabytes")
