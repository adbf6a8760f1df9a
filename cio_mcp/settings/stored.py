"""The settings with the keys that `cio-mcp login` stored, where the environment has none."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from cio_mcp.login.kept import NAMES, Spoilt, stored_login
from cio_mcp.settings.loading import Settings, SettingsError, credentials_at
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
    try:
        login = stored_login()
    except Spoilt as error:
        raise SettingsError(f"the stored keys: {error}") from None
    if login is None:
        return settings
    log.debug("credentials come from `cio-mcp login`: %s", ", ".join(map(str, login.references.values())))
    # A host that could not fill in a variable hands it over as it stands.
    told = any(value and not value.startswith("${") for value in map(environ.get, _REGION))
    try:
        place = settings.region if told else region(login.region)
    except ValueError as error:
        raise SettingsError(f"the stored region {error}; run `cio-mcp login` again") from None
    return replace(
        settings,
        **credentials_at(login.references),
        region=place,
        credential_places=login.references,
    )
