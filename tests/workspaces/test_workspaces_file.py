"""A file of several workspaces: what it may say, and what is refused, with place and remedy."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from cio_mcp.settings import SettingsError, load, settings_for, unreadable
from cio_mcp.workspaces import Reference, Unreadable, read_workspaces_file

TWO = """
[workspaces.production]
region = "eu"
workspace_id = 12345
site_id = "env:PRODUCTION_SITE"
track_api_key = "file:{folder}/track"
app_api_key = "keyring:cio-mcp/production"
limit_app = "5/1"

[workspaces.staging]
app_api_key = "env:STAGING_APP"

[agents.receipts]
workspaces = ["production"]
"""
ENVIRON = {"PRODUCTION_SITE": "canary-site-id", "STAGING_APP": "canary-staging-key"}


def written(folder: Path, text: str = TWO) -> str:
    path = folder / "workspaces.toml"
    path.write_text(text.format(folder=folder), encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def test_a_file_tells_workspaces_in_its_order_and_who_may_reach_which(tmp_path: Path) -> None:
    file = read_workspaces_file(written(tmp_path))
    assert [entry.name for entry in file.entries] == ["production", "staging"]
    assert file.bound == {"receipts": {"production"}}


def test_the_settings_of_a_workspace_are_its_own_with_the_credentials_from_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = ModuleType("keyring")
    keyring.get_password = lambda service, user: f"canary-{service}-{user}"  # type: ignore[attr-defined]
    errors = ModuleType("keyring.errors")
    errors.KeyringError = OSError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    (tmp_path / "track").write_text("canary-track-key\n", encoding="utf-8")
    file = read_workspaces_file(written(tmp_path))
    common = load({"CUSTOMERIO_APP_API_KEY": "canary-of-the-environment"})
    production, staging = (settings_for(entry, common, ENVIRON, origin=file.origin) for entry in file.entries)
    held = (production.site_id, production.track_api_key, production.app_api_key)
    assert [secret.reveal() for secret in held if secret] == [
        "canary-site-id", "canary-track-key", "canary-cio-mcp-production"
    ]  # fmt: skip
    assert (production.region, production.workspace_id, production.limit_app.limit) == ("eu", 12345, 5)
    # What a workspace does not name it does not have, whatever the environment holds.
    assert staging.app_api_key is not None
    assert staging.app_api_key.reveal() == "canary-staging-key"
    assert (staging.site_id, staging.region, staging.workspace_id) == (None, "us", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "workspaces must name at least one"),
        ("[workspaces.Production]", "workspaces.Production must be a short name"),
        ('[workspaces.a]\napp_key = "env:X"', "workspaces.a.app_key is no key here (did you mean app_api_key?)"),
        ('[workspaces.a]\napp_api_key = "canary-written-down"', "must say where the credential lies: env:NAME"),
        ('[workspaces.a]\napp_api_key = "file:relative"', "must be file: and an absolute path"),
        ('[workspaces.a]\napp_api_key = "keyring:service"', "must be keyring:SERVICE/USER"),
        ("[workspaces.a]\napp_api_key = 5", "must be text in quotation marks"),
        ("[workspaces.a]\n[agents.x]\nworkspaces = []", "agents.x must name at least one workspace"),
        ('[workspaces.a]\n[agents.x]\nworkspaces = ["b"]', "'b' is no workspace of this file"),
        ("[workspace.a]", "workspace is no key here (did you mean workspaces?)"),
        ("not toml", "which is no TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_never_a_value(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match="names ") as raised:
        read_workspaces_file(written(tmp_path, text.replace("{", "{{").replace("}", "}}")))
    assert said in str(raised.value)
    assert "canary" not in str(raised.value)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = Path(written(tmp_path))
    path.chmod(0o666)
    with pytest.raises(ValueError, match="others may write; run: chmod go-w"):
        read_workspaces_file(str(path))


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:NOT_SET", "env:NOT_SET holds nothing"),
        ("file:/nonexistent/key", "file:/nonexistent/key cannot be read: No such file"),
    ],
)
def test_a_credential_that_is_not_there_names_where_it_should_be(reference: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        Reference.parse(reference).read({})


def test_what_a_file_holds_must_look_like_a_credential(tmp_path: Path) -> None:
    path = written(tmp_path, '[workspaces.a]\napp_api_key = "env:KEY"\nregion = "mars"')
    (entry,) = read_workspaces_file(path).entries
    with pytest.raises(SettingsError, match=r"workspaces.a.region must be us or eu"):
        settings_for(entry, load({}), {"KEY": "canary-key"}, origin=path)
    with pytest.raises(SettingsError, match=r"workspaces.a.app_api_key holds a space") as raised:
        settings_for(entry, load({}), {"KEY": "canary with spaces"}, origin=path)
    assert "canary" not in str(raised.value)


def test_the_sandbox_needs_no_credentials(tmp_path: Path) -> None:
    (entry,) = read_workspaces_file(written(tmp_path, '[workspaces.a]\napp_api_key = "env:NOT_SET"')).entries
    assert settings_for(entry, load({"CIO_MCP_SANDBOX": "true"}), {}, origin="file").app_api_key is None


def test_a_former_signing_key_may_be_gone_from_where_it_lay_and_the_key_in_use_may_not(tmp_path: Path) -> None:
    former = tmp_path / "former"
    keys = 'webhook_signing_key = "env:KEY"\nwebhook_signing_key_previous = "file:{folder}/former"'
    path = written(tmp_path, f"[workspaces.a]\n{keys}")
    (entry,) = read_workspaces_file(path).entries
    for text in (None, "\n"):
        if text is not None:
            former.write_text(text, encoding="utf-8")
        assert settings_for(entry, load({}), {"KEY": "canary"}, origin=path).webhook_signing_key_previous is None
        assert not unreadable(entry, load({}), {"KEY": "canary"})
    former.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"workspaces.a.webhook_signing_key_previous: file:.* cannot be read"):
        settings_for(entry, load({}), {"KEY": "canary"}, origin=path)
    former.unlink()
    with pytest.raises(SettingsError, match=r"workspaces.a.webhook_signing_key: env:KEY holds nothing"):
        settings_for(entry, load({}), {}, origin=path)
