"""What an operator can set, from where, and what they are told when it cannot be used."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cio_mcp.catalog import Bucket
from cio_mcp.gate import Mode
from cio_mcp.limiter import Rate
from cio_mcp.policy import Grant
from cio_mcp.policy.addresses import recipient_list
from cio_mcp.policy.grants_file import read_grants_file
from cio_mcp.secret import Secret
from cio_mcp.settings import (
    OPTIONS,
    Option,
    Settings,
    SettingsError,
    add_flags,
    flags_given,
    load,
)
from cio_mcp.workspaces import read_workspaces_file
from tests.conftest import STATE

FLAGGED = [option for option in OPTIONS if option.flag]
SECRETS = [option for option in OPTIONS if option.env.endswith(("_KEY", "_TOKEN", "SITE_ID"))]
CANARY = "canary"


def plain(settings: Settings) -> dict[str, object]:
    """Return the settings by name, secrets revealed."""
    values = {option.name: getattr(settings, option.name) for option in OPTIONS}
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in values.items()}


DEFAULTS = plain(load({}))
GRANTS = Path(STATE.name, "grants.toml")
GRANTS.write_text('[agents.support-bot]\nallow = ["people:write"]\n', encoding="utf-8")
WORKSPACES = Path(STATE.name, "workspaces.toml")
WORKSPACES.write_text('[workspaces.production]\napp_api_key = "env:PRODUCTION_APP_KEY"\n', encoding="utf-8")
WORKSPACES.chmod(0o600)
GRANTS.chmod(0o600)  # it must be writable by nobody else, whatever the umask is
# Variable, what is written, what is read.
READ = [
    ("CUSTOMERIO_SITE_ID", "canary-site", "canary-site"),
    ("CUSTOMERIO_TRACK_API_KEY", "canary-key", "canary-key"),
    ("CUSTOMERIO_APP_API_KEY", "canary-key", "canary-key"),
    ("CUSTOMERIO_SERVICE_ACCOUNT_TOKEN", "sa_live_canary", "sa_live_canary"),
    ("CUSTOMERIO_WORKSPACE_ID", "77", 77),
    ("CUSTOMERIO_WEBHOOK_SIGNING_KEY", "canary-signing", "canary-signing"),
    ("CUSTOMERIO_WEBHOOK_SIGNING_KEY_PREVIOUS", "canary-signing", "canary-signing"),
    ("CUSTOMERIO_REGION", "EU", "eu"),
    ("CUSTOMERIO_TRACK_URL", "https://track-eu.customer.io/", "https://track-eu.customer.io"),
    ("CUSTOMERIO_APP_URL", "http://127.0.0.1:8025", "http://127.0.0.1:8025"),
    ("CIO_MCP_SANDBOX", "yes", True),
    ("CIO_MCP_AREAS", " people, customers,", frozenset({"people", "customers"})),
    ("CIO_MCP_READ_ONLY", "On", True),
    ("CIO_MCP_GRANT", "people:read, *:send", frozenset({Grant("people", "read"), Grant("*", "send")})),
    ("CIO_MCP_GRANTS", str(GRANTS), read_grants_file(str(GRANTS))),
    ("CIO_MCP_AGENT", "support-bot", "support-bot"),
    ("CIO_MCP_PROFILE", "sender", "sender"),
    ("CIO_MCP_TOKEN", "canary-token", "canary-token"),
    ("CIO_MCP_CONSOLE", "8030", ("127.0.0.1", 8030)),
    ("CIO_MCP_CONSOLE", "[::1]:0", ("::1", 0)),
    ("CIO_MCP_CONSOLE_KEY", "canary-" * 5, "canary-" * 5),
    ("CIO_MCP_WORKSPACES", str(WORKSPACES), read_workspaces_file(str(WORKSPACES))),
    (
        "CIO_MCP_TEST_RECIPIENTS",
        "ada@example.com, @example.org",
        recipient_list(["ada@example.com", "@example.org"]),
    ),
    ("CIO_MCP_CONFIRM", "Token", Mode.TOKEN),
    ("CIO_MCP_CONFIRM_ABOVE", "25", 25),
    ("CIO_MCP_REPEAT_WINDOW", "0", 0.0),
    ("CIO_MCP_LEDGER", "/var/lib/cio-mcp/ledger.sqlite3", "/var/lib/cio-mcp/ledger.sqlite3"),
    ("CIO_MCP_LEDGER_DAYS", "30", 30.0),
    ("CIO_MCP_LEDGER_MEGABYTES", "12.5", 12.5),
    ("CIO_MCP_STORE", "postgresql://canary:pass@db.example.com/cio", "postgresql://canary:pass@db.example.com/cio"),
    ("CIO_MCP_LEDGER_KEY", "canary" * 6, "canary" * 6),
    ("CIO_MCP_LIMITER", "rediss://:canary@cache.example.com:6380/1", "rediss://:canary@cache.example.com:6380/1"),
    ("CIO_MCP_REPLICAS", "3", 3),
    ("CIO_MCP_LIMITER_STRICT", "yes", True),
    (
        "CIO_MCP_WEBHOOK_URL",
        "https://hooks.example.com/webhooks/customerio",
        "https://hooks.example.com/webhooks/customerio",
    ),
    ("CIO_MCP_WEBHOOK_MAX_AGE", "3600", 3600.0),
    ("CIO_MCP_WEBHOOK_MAX_AHEAD", "0", 0.0),
    ("CIO_MCP_EVENTS_DAYS", "30", 30.0),
    ("CIO_MCP_EVENTS_MEGABYTES", "12.5", 12.5),
    ("CIO_MCP_AUTH", "oauth, tokens", frozenset({"oauth", "tokens"})),
    ("CIO_MCP_ALLOWED_HOSTS", "mcp.example.com, localhost:8000", ("mcp.example.com", "localhost:8000")),
    ("CIO_MCP_ALLOWED_ORIGINS", "https://app.example.com", ("https://app.example.com",)),
    ("CIO_MCP_INSECURE_LOOPBACK", "yes", True),
    ("CIO_MCP_SESSIONS", "yes", True),
    ("CIO_MCP_PUBLIC_URL", "https://mcp.example.com/mcp", "https://mcp.example.com/mcp"),
    ("CIO_MCP_OAUTH_ISSUER", "https://id.example.com/", "https://id.example.com/"),
    ("CIO_MCP_OAUTH_JWKS_URL", "https://id.example.com/keys", "https://id.example.com/keys"),
    ("CIO_MCP_OAUTH_WORKSPACE_CLAIM", "workspaces", "workspaces"),
    ("CIO_MCP_TIME_BUDGET", "7.5", 7.5),
    ("CIO_MCP_RESULT_TOKENS", "1000", 1000),
    ("CIO_MCP_LIMIT_APP", "20/2", Rate(20, 2.0)),
    ("CIO_MCP_LIMIT_EMAIL", "5/1s", Rate(5, 1.0)),
    ("CIO_MCP_LIMIT_TRANSACTIONAL", "3/1", Rate(3, 1.0)),
    ("CIO_MCP_LIMIT_BROADCAST", "1/60", Rate(1, 60.0)),
    ("CIO_MCP_LIMIT_TRACK", "100/1", Rate(100, 1.0)),
    ("CIO_MCP_LOG_LEVEL", "DEBUG", "debug"),
    ("CIO_MCP_LOG_FORMAT", "JSON", "json"),
    ("CIO_MCP_METRICS", "[::1]:9464", ("::1", 9464)),
]
# Variable, what cannot be used, a part of the remedy.
REFUSED = [
    ("CUSTOMERIO_SITE_ID", "canary site", "copy the key again"),
    ("CUSTOMERIO_TRACK_API_KEY", "canary\tkey", "copy the key again"),
    ("CUSTOMERIO_APP_API_KEY", "canary\N{EN DASH}key", "copy the key again"),
    ("CUSTOMERIO_APP_API_KEY", "canary\x00key", "copy the key again"),
    ("CUSTOMERIO_APP_API_KEY", "canary\r\nkey", "copy the key again"),
    ("CUSTOMERIO_APP_API_KEY", "sa_live_canary", "set CUSTOMERIO_SERVICE_ACCOUNT_TOKEN instead"),
    ("CUSTOMERIO_SERVICE_ACCOUNT_TOKEN", "canary", "an App API key goes to CUSTOMERIO_APP_API_KEY"),
    ("CUSTOMERIO_WORKSPACE_ID", "canary", "number"),
    ("CUSTOMERIO_WORKSPACE_ID", "\N{SUPERSCRIPT TWO}", "number"),
    ("CUSTOMERIO_WORKSPACE_ID", "-1", "number"),
    ("CUSTOMERIO_WORKSPACE_ID", "9" * 5000, "number"),
    ("CUSTOMERIO_WEBHOOK_SIGNING_KEY", "canary key", "copy the key again"),
    ("CUSTOMERIO_WEBHOOK_SIGNING_KEY_PREVIOUS", "canary key", "copy the key again"),
    ("CUSTOMERIO_REGION", "canary", "us or eu"),
    ("CUSTOMERIO_TRACK_URL", "https://canary.example.com", "customer.io"),
    ("CIO_MCP_SANDBOX", "canary", "true or false"),
    ("CIO_MCP_AREAS", ",", "separate several with commas"),
    ("CIO_MCP_READ_ONLY", "canary", "true or false"),
    ("CIO_MCP_GRANT", "canary", "area:permission"),
    ("CIO_MCP_GRANT", "people:canary", "read, write, send, destructive"),
    ("CIO_MCP_GRANT", ":read", "area:permission"),
    ("CIO_MCP_GRANT", ",", "separate several with commas"),
    ("CIO_MCP_GRANTS", "/canary/grants.toml", "names a file that cannot be read: No such file"),
    ("CIO_MCP_GRANTS", "~canary/grants.toml", "names a file that cannot be read"),
    ("CIO_MCP_GRANTS", "canary\x00.toml", "names a file that cannot be read"),
    ("CIO_MCP_GRANTS", "canary:read", "area:permission belongs to --grant"),
    ("CIO_MCP_AGENT", "canary\u202ex", "one line of at most 80 characters"),
    ("CIO_MCP_AGENT", "canary" * 20, "one line of at most 80 characters"),
    ("CIO_MCP_PROFILE", "canary", "names no profile"),
    ("CIO_MCP_TOKEN", "canary token", "holds a space"),
    ("CIO_MCP_CONSOLE", "canary", "a port from 0 to 65535, or host:port"),
    ("CIO_MCP_CONSOLE", "127.0.0.1:70000", "a port from 0 to 65535, or host:port"),
    ("CIO_MCP_CONSOLE_KEY", "canary", "32 characters or more"),
    ("CIO_MCP_CONSOLE_KEY", "canary " * 5, "holds a space"),
    ("CIO_MCP_WORKSPACES", "/canary/workspaces.toml", "names a file that cannot be read: No such file"),
    ("CIO_MCP_TEST_RECIPIENTS", ",", "names nobody"),
    ("CIO_MCP_TEST_RECIPIENTS", "canary", "@example.com"),
    ("CIO_MCP_CONFIRM", "canary", "auto, ask, token, operator, off"),
    ("CIO_MCP_CONFIRM", "none", "auto, ask, token, operator, off"),
    ("CIO_MCP_CONFIRM_ABOVE", "canary", "between 1 and 1,000,000"),
    ("CIO_MCP_CONFIRM_ABOVE", "0", "between 1 and 1,000,000"),
    ("CIO_MCP_CONFIRM_ABOVE", "nan", "between 1 and 1,000,000"),
    ("CIO_MCP_REPEAT_WINDOW", "canary", "between 0 and 86,400"),
    ("CIO_MCP_REPEAT_WINDOW", "-1", "between 0 and 86,400"),
    ("CIO_MCP_REPEAT_WINDOW", "inf", "between 0 and 86,400"),
    ("CIO_MCP_LEDGER", "canary.sqlite3", "an absolute path, or memory"),
    ("CIO_MCP_LEDGER", "~canary/ledger.sqlite3", "an absolute path, or memory"),
    ("CIO_MCP_LEDGER", "/canary\x00/ledger.sqlite3", "an absolute path, or memory"),
    ("CIO_MCP_LEDGER_DAYS", "canary", "between 1 and 3,660"),
    ("CIO_MCP_LEDGER_DAYS", "0.5", "between 1 and 3,660"),
    ("CIO_MCP_LEDGER_MEGABYTES", "canary", "between 1 and 100,000"),
    ("CIO_MCP_LEDGER_MEGABYTES", "0", "between 1 and 100,000"),
    ("CIO_MCP_STORE", "mysql://canary@db.example.com/cio", "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
    ("CIO_MCP_STORE", "postgresql://canary@db.example.com", "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
    ("CIO_MCP_LEDGER_KEY", "canary", "32 characters or more"),
    ("CIO_MCP_LIMITER", "memcached://canary.example.com", "redis://, rediss://, unix://, postgresql://"),
    ("CIO_MCP_LIMITER", "canary", "redis://"),
    ("CIO_MCP_REPLICAS", "0", "between 1 and 1,000"),
    ("CIO_MCP_REPLICAS", "canary", "between 1 and 1,000"),
    ("CIO_MCP_LIMITER_STRICT", "canary", "true or false"),
    ("CIO_MCP_WEBHOOK_URL", "http://canary.example.com/webhooks/customerio", "https address"),
    ("CIO_MCP_WEBHOOK_URL", "https://canary:pass@example.com/", "without user and password"),
    ("CIO_MCP_WEBHOOK_MAX_AGE", "1", "between 60 and 2,592,000"),
    ("CIO_MCP_WEBHOOK_MAX_AHEAD", "-1", "between 0 and 3,600"),
    ("CIO_MCP_EVENTS_DAYS", "canary", "between 8 and 3,660"),
    ("CIO_MCP_EVENTS_DAYS", "7", "between 8 and 3,660: Customer.io repeats an event for seven days"),
    ("CIO_MCP_EVENTS_MEGABYTES", "canary", "between 1 and 100,000"),
    ("CIO_MCP_AUTH", "passwords", "one or more of tokens, oauth"),
    ("CIO_MCP_ALLOWED_HOSTS", "https://canary.example.com/", "names as in a URL"),
    ("CIO_MCP_ALLOWED_HOSTS", "*.canary.example.com", "names as in a URL"),
    ("CIO_MCP_ALLOWED_ORIGINS", "canary.example.com", "origins such as"),
    ("CIO_MCP_ALLOWED_ORIGINS", "*", "origins such as"),
    ("CIO_MCP_INSECURE_LOOPBACK", "canary", "true or false"),
    ("CIO_MCP_SESSIONS", "canary", "true or false"),
    ("CIO_MCP_PUBLIC_URL", "http://canary.example.com/mcp", "https"),
    ("CIO_MCP_OAUTH_ISSUER", "canary", "https"),
    ("CIO_MCP_OAUTH_JWKS_URL", "http://canary.example.com/keys", "https"),
    ("CIO_MCP_OAUTH_WORKSPACE_CLAIM", "canary" * 20, "one line of at most 80 characters"),
    ("CIO_MCP_TIME_BUDGET", "canary", "between 1 and 600"),
    ("CIO_MCP_TIME_BUDGET", "0.5", "between 1 and 600"),
    ("CIO_MCP_TIME_BUDGET", "nan", "between 1 and 600"),
    ("CIO_MCP_TIME_BUDGET", "inf", "between 1 and 600"),
    ("CIO_MCP_RESULT_TOKENS", "999", "between 1,000 and 1,000,000"),
    ("CIO_MCP_RESULT_TOKENS", "canary", "between 1,000 and 1,000,000"),
    ("CIO_MCP_LIMIT_APP", "canary", "requests/seconds"),
    ("CIO_MCP_LIMIT_EMAIL", "0/1", "requests/seconds"),
    ("CIO_MCP_LIMIT_TRANSACTIONAL", "1/0", "requests/seconds"),
    ("CIO_MCP_LIMIT_BROADCAST", "-1/1", "requests/seconds"),
    ("CIO_MCP_LIMIT_TRACK", "1/inf", "requests/seconds"),
    ("CIO_MCP_LOG_LEVEL", "canary", "debug, info, warning, error"),
    ("CIO_MCP_LOG_FORMAT", "canary", "text, json"),
    ("CIO_MCP_METRICS", "canary", "[HOST:]PORT"),
    ("CIO_MCP_METRICS", "canary.example:9464", "[HOST:]PORT"),
    ("CIO_MCP_METRICS", "127.0.0.1:65536", "[HOST:]PORT"),
    ("CIO_MCP_METRICS", "\N{SUPERSCRIPT TWO}", "[HOST:]PORT"),
]


def test_every_option_is_read_here() -> None:
    names = {option.env for option in OPTIONS}
    assert {env for env, *_ in READ} == names
    assert {env for env, *_ in REFUSED} | {"CUSTOMERIO_APP_URL"} == names
    assert {option.name for option in OPTIONS} == set(Settings.__dataclass_fields__) - {
        "credential_files",
        "login",
    }


@pytest.mark.parametrize(("env", "written", "read"), READ)
def test_a_variable_sets_its_option_and_no_other(env: str, written: str, read: object) -> None:
    name = next(option.name for option in OPTIONS if option.env == env)
    assert plain(load({env: written})) == DEFAULTS | {name: read}


AROUND = {
    "bare": "{}",
    "LF": "{}\n",
    "CRLF": "{}\r\n",
    "blank lines": "\n {}\n\n",
    "BOM": "\ufeff{}",
    "BOM and CRLF": "\ufeff{}\r\n",
}


@pytest.mark.parametrize(("env", "written", "read"), READ)
@pytest.mark.parametrize("around", AROUND)
def test_a_file_sets_it_too_whatever_an_editor_left_around_it(
    tmp_path: Path, env: str, written: str, read: object, around: str
) -> None:
    file = tmp_path / "value"
    file.write_bytes(AROUND[around].format(written).encode())
    name = next(option.name for option in OPTIONS if option.env == env)
    assert plain(load({env + "_FILE": str(file)}))[name] == read


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.env)
def test_a_variable_and_its_file_at_once_are_refused(tmp_path: Path, option: Option) -> None:
    file = tmp_path / "value"
    file.write_text("canary", encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load({option.env: "canary", option.env + "_FILE": str(file)})
    assert str(refused.value) == f"{option.env} and {option.env}_FILE are both set: unset one of them"


@pytest.mark.parametrize(("env", "written", "remedy"), REFUSED)
def test_what_cannot_be_used_is_named_with_its_remedy_and_never_shown(
    tmp_path: Path, env: str, written: str, remedy: str
) -> None:
    file = tmp_path / "value"
    file.write_bytes(written.encode())
    for source in ({env: written}, {env + "_FILE": str(file)}):
        with pytest.raises(SettingsError) as refused:
            load(source)
        text = str(refused.value)
        assert text.startswith(f"{env} ")
        assert remedy in text
        assert CANARY not in text
        assert f"{written!r}" not in text
        assert "\n" not in text


def test_the_file_of_a_former_signing_key_may_be_empty_or_gone_and_must_be_readable_if_it_is_there(
    tmp_path: Path,
) -> None:
    former = tmp_path / "former"
    given = {"CUSTOMERIO_WEBHOOK_SIGNING_KEY_PREVIOUS_FILE": str(former)}
    assert load(given).webhook_signing_key_previous is None
    former.write_text("\n", encoding="utf-8")
    assert load(given).webhook_signing_key_previous is None
    former.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="SIGNING_KEY_PREVIOUS_FILE names a file that cannot be read"):
        load(given)
    with pytest.raises(SettingsError, match="SIGNING_KEY_FILE names a file that cannot be read"):
        load({"CUSTOMERIO_WEBHOOK_SIGNING_KEY_FILE": str(tmp_path / "none")})


def test_events_are_not_forgotten_while_a_replay_of_them_would_be_accepted() -> None:
    ages = {"CIO_MCP_WEBHOOK_MAX_AGE": "864000"}
    assert load({**ages, "CIO_MCP_EVENTS_DAYS": "10"}).events_days == 10
    with pytest.raises(SettingsError, match="CIO_MCP_EVENTS_DAYS must be 10 or more: CIO_MCP_WEBHOOK_MAX_AGE"):
        load({**ages, "CIO_MCP_EVENTS_DAYS": "9"})


UNREADABLE = {
    "missing": None,
    "a folder": b"",
    "binary": b"\xff\xfe\x00canary",
    "latin-1": "canary-\xe9".encode("latin-1"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_by_its_variable_and_its_content_never_shown(
    tmp_path: Path, kind: str
) -> None:
    file, content = tmp_path / "canary-path", UNREADABLE[kind]
    if kind == "a folder":
        file.mkdir()
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        load({"CUSTOMERIO_APP_API_KEY_FILE": str(file)})
    text = str(refused.value)
    assert text.startswith("CUSTOMERIO_APP_API_KEY_FILE names a file that cannot be read: ")
    assert CANARY not in text


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the permissions of a file bind neither")
def test_a_file_of_somebody_else_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("canary", encoding="utf-8")
    file.chmod(0)
    with pytest.raises(SettingsError, match="CUSTOMERIO_APP_API_KEY_FILE names a file that cannot be read: Permission"):
        load({"CUSTOMERIO_APP_API_KEY_FILE": str(file)})


def test_a_key_written_where_a_path_belongs_is_not_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        load({"CUSTOMERIO_APP_API_KEY_FILE": "canary-app-key"})
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("nothing", ["", "  ", "\n", "${user_config.value}", " ${CUSTOMERIO_APP_API_KEY}", "${"])
@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.env)
def test_an_empty_value_or_an_unexpanded_placeholder_counts_as_not_set(
    tmp_path: Path, option: Option, nothing: str
) -> None:
    assert plain(load({option.env: nothing, option.env + "_FILE": nothing})) == DEFAULTS
    file = tmp_path / "value"
    file.write_text(nothing, encoding="utf-8")
    assert plain(load({option.env: nothing, option.env + "_FILE": str(file)})) == DEFAULTS


@pytest.mark.parametrize("option", FLAGGED, ids=lambda option: option.env)
def test_a_flag_goes_before_its_variable(option: Option) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    written = {env: (text, read) for env, text, read in READ}[option.env]
    words = [str(option.flag)] if option.is_switch else [str(option.flag), written[0]]
    flags = flags_given(parser.parse_args(words))
    assert set(flags) == {option.name}
    opposite = "false" if option.is_switch else option.default or "people:write"
    assert plain(load({option.env: opposite}, flags))[option.name] == written[1]


@pytest.mark.parametrize("option", FLAGGED, ids=lambda option: option.env)
def test_a_flag_that_cannot_be_used_is_named_as_it_was_typed(option: Option) -> None:
    refused = {env: text for env, text, _ in REFUSED}[option.env]
    with pytest.raises(SettingsError) as raised:
        load({option.env: ""}, {option.name: refused})
    assert str(raised.value).startswith(f"{option.flag} ")
    assert CANARY not in str(raised.value)


def test_a_ledger_is_in_memory_or_in_a_file_of_the_users_and_where_nothing_is_said_is_decided_later() -> None:
    assert load({}).ledger is None
    assert load({"CIO_MCP_LEDGER": "memory"}).ledger == "memory"
    assert load({"CIO_MCP_LEDGER": "~/ledger.sqlite3"}).ledger == str(Path.home() / "ledger.sqlite3")


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize("name", ["areas", "grant", "read_only"])
def test_a_narrowing_flag_with_an_empty_value_is_refused_and_not_taken_for_everything(name: str, empty: str) -> None:
    with pytest.raises(SettingsError, match="needs a value"):
        load({}, {name: empty})


def test_no_flags_are_the_same_as_none_given() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    assert flags_given(parser.parse_args([])) == {}


@pytest.mark.parametrize("option", SECRETS, ids=lambda option: option.env)
def test_a_credential_has_no_flag(option: Option) -> None:
    assert option.flag is None


def test_the_limits_are_the_published_ones_until_they_are_set() -> None:
    # docs.customer.io, App API "Rate limits"; the Track API's is called fair use.
    assert load({}).rates == {
        Bucket.APP: Rate(10, 1.0),
        Bucket.EMAIL: Rate(100, 1.0),
        Bucket.TRANSACTIONAL: Rate(10, 1.0),
        Bucket.BROADCAST: Rate(1, 10.0),
        Bucket.TRACK: Rate(1000, 1.0),
    }


# With a sign that no sentence of ours has: a value that is one of its words would stand in it by right.
@given(
    st.dictionaries(
        st.sampled_from([option.env for option in OPTIONS]),
        st.text(min_size=8, max_size=40).map(lambda text: f"{text}§"),
    )
)
def test_whatever_stands_in_the_environment_is_read_or_refused_in_one_line(environ: Mapping[str, str]) -> None:
    try:
        load(environ)
    except SettingsError as refused:
        text = str(refused)
        assert text.startswith(tuple(environ))
        assert not [value for value in environ.values() if value.strip() in text]
