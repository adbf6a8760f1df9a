"""What an operator can set: one table that drives parsing, `--help`, the README and the bundle's manifest."""

import argparse
import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from cio_mcp.catalog import Bucket
from cio_mcp.limiter import Rate
from cio_mcp.policy import PERMISSIONS, Grant
from cio_mcp.secret import Secret

Region = Literal["us", "eu"]

# Customer.io Track and App API references, "Servers".
TRACK_URLS: Mapping[Region, str] = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}
APP_URLS: Mapping[Region, str] = {"us": "https://api.customer.io", "eu": "https://api-eu.customer.io"}
SERVICE_ACCOUNT_PREFIX = "sa_live_"


class SettingsError(Exception):
    """A setting cannot be used; the text names it and the remedy."""


def _secret(value: str) -> Secret:
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("holds a space, a line break or a character that no key has: copy the key again")
    return Secret(value)


def _app_key(value: str) -> Secret:
    if value.startswith(SERVICE_ACCOUNT_PREFIX):
        raise ValueError("holds a service account token: set CUSTOMERIO_SERVICE_ACCOUNT_TOKEN instead")
    return _secret(value)


def _service_account(value: str) -> Secret:
    if not value.startswith(SERVICE_ACCOUNT_PREFIX):
        raise ValueError(f"must begin with {SERVICE_ACCOUNT_PREFIX}; an App API key goes to CUSTOMERIO_APP_API_KEY")
    return _secret(value)


def _workspace(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 18):  # noqa: PLR2004 - digits of a 64-bit integer
        raise ValueError("must be the workspace's number, as it stands in Customer.io's address bar")
    return int(value)


def _region(value: str) -> Region:
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


def _base_url(value: str) -> str:
    """Take https on customer.io, or a loopback address; a key goes nowhere else."""
    match = _BASE_URL.fullmatch(value)
    if match is None or int(match[3] or 1) not in range(1, _LAST_PORT + 1):
        raise ValueError("must be https://<host>.customer.io, or a loopback address, without a path")
    scheme, host = match[1], match[2].strip("[]").lower()
    if not ((scheme == "https" and _is_customer_io(host)) or _is_loopback(host)):
        raise ValueError("must lead to customer.io over https, or to a loopback address: a key goes nowhere else")
    return value.rstrip("/")


def _areas(value: str) -> frozenset[str]:
    return frozenset(_listed(value))


def _grants(value: str) -> frozenset[Grant]:
    return frozenset(Grant.parse(part) for part in _listed(value))


def _listed(value: str) -> list[str]:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts:
        raise ValueError("names nothing: separate several with commas")
    return parts


def _switch(value: str) -> bool:
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


def _seconds(value: str) -> float:
    return _number(value, least=1, most=600, unit="seconds")


def _tokens(value: str) -> int:
    return int(_number(value, least=1000, most=1_000_000, unit="tokens"))


def _rate(value: str) -> Rate:
    try:
        return Rate.parse(value)
    except ValueError:
        raise ValueError("must be requests/seconds, such as 10/1 or 1/10") from None


def _level(value: str) -> str:
    if value.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return value.lower()


LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting: its variable, how it is read, and what `--help` and the README say of it."""

    env: str
    help: str
    parse: Callable[[str], Any]
    default: str = ""
    is_switch: bool = False

    @property
    def name(self) -> str:
        """The field of `Settings`, and the flag without its dashes."""
        return self.env.removeprefix("CIO_MCP_").removeprefix("CUSTOMERIO_").lower()

    @property
    def flag(self) -> str | None:
        """The flag of the same name; credentials have none, because every user of a machine sees flags."""
        return "--" + self.name.replace("_", "-") if self.env.startswith("CIO_MCP_") else None


OPTIONS: tuple[Option, ...] = (
    Option(env="CUSTOMERIO_SITE_ID", parse=_secret, help="Track API: site id"),
    Option(env="CUSTOMERIO_TRACK_API_KEY", parse=_secret, help="Track API: key that belongs to the site id"),
    Option(env="CUSTOMERIO_APP_API_KEY", parse=_app_key, help="App API: key"),
    Option(
        env="CUSTOMERIO_SERVICE_ACCOUNT_TOKEN", parse=_service_account,
        help="Service account token (sa_live_...), for the four transactional sends only; needs the workspace id",
    ),
    Option(env="CUSTOMERIO_WORKSPACE_ID", parse=_workspace, help="Workspace of the service account token"),
    Option(env="CUSTOMERIO_REGION", parse=_region, default="us", help="Where the account lives: us or eu"),
    Option(
        env="CUSTOMERIO_TRACK_URL", parse=_base_url,
        help="Track host, if not the region's: https on customer.io, or a loopback address",
    ),
    Option(env="CUSTOMERIO_APP_URL", parse=_base_url, help="App host, likewise"),
    Option(
        env="CIO_MCP_SANDBOX", parse=_switch, default="false", is_switch=True,
        help="Use a built-in Customer.io instead of the real one: no keys, no network, nobody gets mail",
    ),
    Option(env="CIO_MCP_AREAS", parse=_areas, help="Serve only these areas, such as people,customers"),
    Option(
        env="CIO_MCP_READ_ONLY", parse=_switch, default="false", is_switch=True,
        help="Serve only tools that change nothing",
    ),
    Option(
        env="CIO_MCP_GRANT", parse=_grants,
        help=f"Serve only what is named, as area:permission, such as customers:read,messaging:send. "
        f"Permissions: {', '.join(PERMISSIONS)}; * stands for all of either",
    ),
    Option(
        env="CIO_MCP_TIME_BUDGET", parse=_seconds, default="45",
        help="Seconds one call may take, waiting included; many clients give up after 60",
    ),
    Option(
        env="CIO_MCP_RESULT_TOKENS", parse=_tokens, default="25000",
        help="Tokens that one result may cost at most; longer lists are cut, and the result says so",
    ),
    Option(env="CIO_MCP_LIMIT_APP", parse=_rate, default="10/1", help="App API: requests / seconds"),
    Option(env="CIO_MCP_LIMIT_EMAIL", parse=_rate, default="100/1", help="send_email: requests / seconds"),
    Option(
        env="CIO_MCP_LIMIT_TRANSACTIONAL", parse=_rate, default="10/1",
        help="send_push, send_sms, send_in_app: requests / seconds",
    ),
    Option(
        env="CIO_MCP_LIMIT_BROADCAST", parse=_rate, default="1/10",
        help="trigger_broadcast: requests / seconds",
    ),
    Option(env="CIO_MCP_LIMIT_TRACK", parse=_rate, default="1000/1", help="Track API: requests / seconds"),
    Option(
        env="CIO_MCP_LOG_LEVEL", parse=_level, default="info",
        help=f"Messages on standard error: {', '.join(LOG_LEVELS)}; the records of calls are always written",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator set, read and checked."""

    site_id: Secret | None
    track_api_key: Secret | None
    app_api_key: Secret | None
    service_account_token: Secret | None
    workspace_id: int | None
    region: Region
    track_url: str | None
    app_url: str | None
    sandbox: bool
    areas: frozenset[str] | None
    read_only: bool
    grant: frozenset[Grant] | None
    time_budget: float
    result_tokens: int
    limit_app: Rate
    limit_email: Rate
    limit_transactional: Rate
    limit_broadcast: Rate
    limit_track: Rate
    log_level: str

    @property
    def rates(self) -> dict[Bucket, Rate]:
        """The limit of every bucket."""
        return {
            Bucket.TRACK: self.limit_track,
            Bucket.APP: self.limit_app,
            Bucket.EMAIL: self.limit_email,
            Bucket.TRANSACTIONAL: self.limit_transactional,
            Bucket.BROADCAST: self.limit_broadcast,
        }

    @property
    def track_base(self) -> str:
        """The Track host of the region, unless another was set."""
        return self.track_url or TRACK_URLS[self.region]

    @property
    def app_base(self) -> str:
        """The App host of the region, unless another was set."""
        return self.app_url or APP_URLS[self.region]


def load(environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment, with flags (by option name) before variables.

    Raises SettingsError with the name of the variable or flag, and what to do.
    """
    given = flags or {}
    _refuse_strangers(environ)
    values: dict[str, Any] = {}
    for option in OPTIONS:
        from_flag = given.get(option.name)
        if from_flag is not None and not from_flag.strip():
            # A script's empty variable: to take it for "not set" would serve everything where little was meant.
            raise SettingsError(f"{option.flag} needs a value; leave the flag out for the default")
        text = from_flag if from_flag is not None else _from_environment(option, environ)
        values[option.name] = _parse(option, source_of(option, given), text if text is not None else option.default)
    return Settings(**values)


def source_of(option: Option, flags: Mapping[str, str]) -> str:
    """Return the flag or the variable that an option's value comes from, as an operator would name it."""
    return option.flag if option.flag and option.name in flags else option.env


def strangers(environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables that look like settings and are none, each with the nearest that is one."""
    known = [name for option in OPTIONS for name in (option.env, f"{option.env}_FILE")]
    odd = (name for name in environ if name.startswith(("CIO_MCP_", "CUSTOMERIO_")) and name not in known)
    near = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.7) for name in sorted(odd)}
    return {name: close[0] for name, close in near.items() if close}


def _refuse_strangers(environ: Mapping[str, str]) -> None:
    """Refuse a misspelt setting of ours: it may have been meant to restrict."""
    known = {name for option in OPTIONS for name in (option.env, f"{option.env}_FILE")}
    meant = strangers(environ)
    for name in environ:
        if name.startswith("CIO_MCP_") and name not in known:
            hint = f": did you mean {meant[name]}?" if name in meant else "; `cio-mcp serve --help` lists them"
            raise SettingsError(f"{name} is no setting of this server{hint}")


def _parse(option: Option, source: str, text: str) -> Any:
    if not text:
        return None
    try:
        return option.parse(text)
    except ValueError as error:
        # The parsers' own words, which never hold the value.
        raise SettingsError(f"{source} {error}") from None


def _from_environment(option: Option, environ: Mapping[str, str]) -> str | None:
    value = _set(environ.get(option.env))
    path = _set(environ.get(option.env + "_FILE"))
    if value and path:
        raise SettingsError(f"{option.env} and {option.env}_FILE are both set: unset one of them")
    return _read(option.env + "_FILE", path) if path else value


def _set(value: str | None) -> str | None:
    """Treat an unexpanded placeholder of a host, such as `${user_config.key}`, as not set."""
    value = (value or "").strip()
    return None if not value or value.startswith("${") else value


def _read(name: str, path: str) -> str | None:
    """Read a value from a file, tolerating a byte order mark and a line end of any kind."""
    try:
        return _set(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise SettingsError(f"{name} names a file that cannot be read: {reason}") from None


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every setting that may be given on the command line."""
    group = parser.add_argument_group("settings", "each also as the environment variable in brackets")
    for option in OPTIONS:
        if option.flag is None:
            continue
        default = f" (default: {option.default})" if option.default and not option.is_switch else ""
        text = f"{option.help}{default} [{option.env}]".replace("%", "%%")
        if option.is_switch:
            group.add_argument(option.flag, dest=option.name, action="store_const", const="true", help=text)
        else:
            group.add_argument(option.flag, dest=option.name, metavar="VALUE", help=text)


def flags_given(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the settings that were given as flags."""
    given = {option.name: getattr(arguments, option.name, None) for option in OPTIONS if option.flag}
    return {name: value for name, value in given.items() if value is not None}
