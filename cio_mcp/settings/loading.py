"""The settings of a process, read from its environment and its flags, and checked."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cio_mcp.catalog import Bucket
from cio_mcp.gate import Mode
from cio_mcp.limiter import Rate
from cio_mcp.login.kept import NAMES, Login, Spoilt, key_at
from cio_mcp.policy import Grant
from cio_mcp.policy.addresses import Recipients
from cio_mcp.policy.grants_file import GrantsFile
from cio_mcp.secret import Secret
from cio_mcp.settings.options import OPTIONS, Option
from cio_mcp.settings.values import MEMORY, Region
from cio_mcp.workspaces import Unreadable, WorkspacesFile

# Customer.io Track and App API references, "Servers".
TRACK_URLS: Mapping[Region, str] = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}
APP_URLS: Mapping[Region, str] = {"us": "https://api.customer.io", "eu": "https://api-eu.customer.io"}

SIGNING_KEYS = ("webhook_signing_key", "webhook_signing_key_previous")
ABSENT_IF_EMPTY = frozenset({"webhook_signing_key_previous"})
"""Where the file that holds it is empty or gone, there is none: a key that is not good any more is taken away there.
So it is at the start too, that a server which ran on without it can be started again."""
CREDENTIALS = (
    "site_id",
    "track_api_key",
    "app_api_key",
    "service_account_token",
    "workspace_id",
    *SIGNING_KEYS,
)
_DAY = 86_400.0


class SettingsError(Exception):
    """A setting cannot be used; the text names it and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator set, read and checked."""

    site_id: Secret | None
    track_api_key: Secret | None
    app_api_key: Secret | None
    service_account_token: Secret | None
    workspace_id: int | None
    webhook_signing_key: Secret | None
    webhook_signing_key_previous: Secret | None
    region: Region
    track_url: str | None
    app_url: str | None
    sandbox: bool
    areas: frozenset[str] | None
    read_only: bool
    grant: frozenset[Grant] | None
    grants: GrantsFile | None
    agent: str
    profile: str | None
    workspaces: WorkspacesFile | None
    test_recipients: Recipients | None
    confirm: Mode
    confirm_above: int
    repeat_window: float
    ledger: str | None
    ledger_days: float
    ledger_megabytes: float
    store: Secret | None
    ledger_key: Secret | None
    limiter: Secret | None
    replicas: int
    limiter_strict: bool
    webhook_url: str | None
    webhook_max_age: float
    webhook_max_ahead: float
    events_days: float
    events_megabytes: float
    auth: frozenset[str] | None
    allowed_hosts: tuple[str, ...] | None
    allowed_origins: tuple[str, ...] | None
    insecure_loopback: bool
    sessions: bool
    public_url: str | None
    oauth_issuer: str | None
    oauth_jwks_url: str | None
    oauth_workspace_claim: str | None
    console: tuple[str, int] | None
    console_key: Secret | None
    token: Secret | None
    time_budget: float
    result_tokens: int
    limit_app: Rate
    limit_email: Rate
    limit_transactional: Rate
    limit_broadcast: Rate
    limit_track: Rate
    log_level: str
    log_format: str
    metrics: tuple[str, int] | None
    credential_files: Mapping[str, str] = field(default_factory=dict)
    """By the names of credentials, the files that they were read from, which may hold others by now."""
    login: Login | None = None
    """Where they lie if `cio-mcp login` stored them."""

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
    def ledger_in_memory(self) -> bool:
        """Whether calls are recorded in memory alone: asked for, or because nothing real is written."""
        return self.ledger == MEMORY or (self.ledger is None and self.sandbox and self.store is None)

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
    _refuse_forgetting(values["events_days"], values["webhook_max_age"])
    paths = {option.name: _set(environ.get(_file_of(option))) for option in OPTIONS if option.name in CREDENTIALS}
    return Settings(**values, credential_files={name: path for name, path in paths.items() if path})


def files_reread(settings: Settings) -> Settings:
    """Return the settings with the credentials that their files hold now; raises SettingsError.

    Those that stand in the environment itself cannot change while a process runs.
    """
    held: dict[str, Any] = {}
    for option in OPTIONS:
        if path := settings.credential_files.get(option.name):
            held[option.name] = _parse(option, option.env, _read(option, path) or "")
            # A file that is just being written is empty for a moment.
            if held[option.name] is None and option.name not in ABSENT_IF_EMPTY:
                raise SettingsError(f"{_file_of(option)} names a file that is empty")
    return replace(settings, **held)


def with_credentials_of(settings: Settings, login: Login) -> Settings:
    """Return the settings with the credentials that `cio-mcp login` stored, and no others; raises SettingsError."""
    texts: dict[str, str] = {}
    held: dict[str, Any] = dict.fromkeys(NAMES)
    for option in OPTIONS:
        if place := login.references.get(option.name):
            try:
                texts[option.name] = key_at(place)
            except Spoilt as error:
                raise SettingsError(f"the stored {option.env}: {error}") from None
            except Unreadable as error:
                raise SettingsError(f"the stored {option.env}: {error}; run `cio-mcp login` again") from None
            held[option.name] = _parse(option, f"the stored {option.env}", texts[option.name])
    if not login.fits(texts):
        raise SettingsError(
            "the stored keys do not belong together: they are just being replaced, or a login was broken off; if it "
            "stays so, run `cio-mcp login` again"
        )
    return replace(settings, **held, login=login)


def settings_at(settings: Settings, texts: Mapping[str, str], place: str) -> Settings:
    """Return the settings with some of them read from elsewhere, by their names; `place` says where in errors."""
    read = {
        option.name: _parse(option, f"{place}.{option.name}", texts.get(option.name) or option.default)
        for option in OPTIONS
        if option.name in texts or option.name in CREDENTIALS
    }
    return replace(settings, **read)


def source_of(option: Option, flags: Mapping[str, str]) -> str:
    """Return the flag or the variable that an option's value comes from, as an operator would name it."""
    return option.flag if option.flag and option.name in flags else option.env


def keys_named(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that hold keys, or name files that do: any of them goes before all that are stored."""
    return variables_set(environ, NAMES)


def variables_set(environ: Mapping[str, str], names: Collection[str]) -> list[str]:
    """Return the variables of settings, named as in `Settings`, that are set or name a file that holds the value."""
    wanted = (option for option in OPTIONS if option.name in names)
    return [name for option in wanted for name in (option.env, _file_of(option)) if _set(environ.get(name))]


def strangers(environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables that look like settings and are none, each with the nearest that is one."""
    known = [name for option in OPTIONS for name in (option.env, _file_of(option))]
    odd = (name for name in environ if name.startswith(("CIO_MCP_", "CUSTOMERIO_")) and name not in known)
    near = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.7) for name in sorted(odd)}
    return {name: close[0] for name, close in near.items() if close}


def _refuse_forgetting(days: float, max_age: float) -> None:
    """Refuse to forget events while they could be replayed: only what is known of them turns a replay away."""
    if days * _DAY < max_age:
        raise SettingsError(
            f"CIO_MCP_EVENTS_DAYS must be {max_age / _DAY:g} or more: CIO_MCP_WEBHOOK_MAX_AGE accepts events of that "
            "age, and a replay of one that is forgotten would count as new"
        )


def _refuse_strangers(environ: Mapping[str, str]) -> None:
    """Refuse a misspelt setting of ours: it may have been meant to restrict."""
    known = {name for option in OPTIONS for name in (option.env, _file_of(option))}
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
    path = _set(environ.get(_file_of(option)))
    if value and path:
        raise SettingsError(f"{option.env} and {_file_of(option)} are both set: unset one of them")
    return _read(option, path) if path else value


def _file_of(option: Option) -> str:
    """Return the variable that names a file with an option's value."""
    return f"{option.env}_FILE"


def _set(value: str | None) -> str | None:
    """Treat an unexpanded placeholder of a host, such as `${user_config.key}`, as not set."""
    value = (value or "").strip()
    return None if not value or value.startswith("${") else value


def _read(option: Option, path: str) -> str | None:
    """Read a value from a file, tolerating a byte order mark and a line end of any kind."""
    try:
        return _set(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError) and option.name in ABSENT_IF_EMPTY:
            return None
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise SettingsError(f"{_file_of(option)} names a file that cannot be read: {reason}") from None
