"""The settings of one workspace of several: those of the server, with its own in their place."""

from collections.abc import Mapping

from cio_mcp.settings.loading import SIGNING_KEYS, Settings, SettingsError, settings_at
from cio_mcp.workspaces import Entry, Unreadable


def settings_for(entry: Entry, common: Settings, environ: Mapping[str, str], *, origin: str) -> Settings:
    """Return the settings of a workspace, its credentials read from where they lie; raises SettingsError.

    With the sandbox nobody needs credentials, and only the keys are read by which events prove themselves.
    """
    place = f"{origin}, workspaces.{entry.name}"
    texts = dict(entry.settings)
    for name, reference in entry.credentials.items():
        if common.sandbox and name not in SIGNING_KEYS:
            continue
        try:
            texts[name] = reference.read(environ)
        except Unreadable as error:
            raise SettingsError(f"{place}.{name}: {error}") from None
    return settings_at(common, texts, place)
