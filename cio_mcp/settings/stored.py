"""The settings with the keys that `cio-mcp login` stored, where the environment has none."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from cio_mcp.login.kept import NAMES, Login, Spoilt, stored_login
from cio_mcp.settings.loading import Settings, SettingsError, files_reread, with_credentials_of
from cio_mcp.settings.values import region

_REGION = ("CUSTOMERIO_REGION", "CUSTOMERIO_REGION_FILE")


def with_login(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Return the settings with the stored keys, if the environment has no key at all; raises SettingsError.

    Never a part of them: keys of two accounts would then be used side by side.
    """
    log = logging.getLogger("cio_mcp")
    if settings.sandbox or settings.workspaces:
        return settings
    if any(getattr(settings, name) for name in NAMES):
        log.debug("credentials come from the environment")
        return settings
    login = _stored()
    if login is None:
        return settings
    log.debug("credentials come from `cio-mcp login`: %s", ", ".join(map(str, login.references.values())))
    try:
        place = settings.region if names_region(environ) else region(login.region)
    except ValueError as error:
        raise SettingsError(f"the stored region {error}; run `cio-mcp login` again") from None
    return replace(with_credentials_of(settings, login), region=place)


def names_region(environ: Mapping[str, str]) -> bool:
    """Say whether the environment tells in which region the account lives."""
    # A host that could not fill in a variable hands it over as it stands.
    return any(value and not value.startswith("${") for value in map(environ.get, _REGION))


def credentials_reread(settings: Settings) -> Settings:
    """Return the settings with the credentials that lie now where they came from; raises SettingsError.

    Of a login that is what was stored last, wherever that lies; `difference` says whether it is of the same workspace.
    """
    if settings.login is None:
        return files_reread(settings)
    login = _stored()
    if login is None:
        raise SettingsError("the stored keys were removed by `cio-mcp logout`")
    return with_credentials_of(files_reread(settings), login)


def _stored() -> Login | None:
    try:
        return stored_login()
    except Spoilt as error:
        raise SettingsError(f"the stored keys: {error}") from None
