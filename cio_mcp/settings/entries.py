"""The settings of one workspace of several: those of the server, with its own in their place."""

from collections.abc import Iterator, Mapping

from cio_mcp.settings.loading import SIGNING_KEYS, Settings, SettingsError, settings_at
from cio_mcp.workspaces import Entry, Reference, Unreadable


def settings_for(entry: Entry, common: Settings, environ: Mapping[str, str], *, origin: str) -> Settings:
    """Return the settings of a workspace, its credentials read from where they lie; raises SettingsError.

    With the sandbox nobody needs credentials, and only the keys are read by which events prove themselves.
    """
    place = f"{origin}, workspaces.{entry.name}"
    texts = dict(entry.settings)
    for name, reference in _needed(entry, common):
        try:
            texts[name] = reference.read(environ)
        except Unreadable as error:
            raise SettingsError(f"{place}.{name}: {error}") from None
    return settings_at(common, texts, place)


def unreadable(entry: Entry, common: Settings, environ: Mapping[str, str]) -> dict[str, Unreadable]:
    """Return the credentials of a workspace that cannot be read, each with the reason."""
    found: dict[str, Unreadable] = {}
    for name, reference in _needed(entry, common):
        try:
            reference.read(environ)
        except Unreadable as error:
            found[name] = error
    return found


def _needed(entry: Entry, common: Settings) -> Iterator[tuple[str, Reference]]:
    return ((name, each) for name, each in entry.credentials.items() if not common.sandbox or name in SIGNING_KEYS)
