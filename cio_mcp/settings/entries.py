"""The settings of one workspace of several: those of the server, with its own in their place."""

from collections.abc import Iterator, Mapping

from cio_mcp.settings.loading import ABSENT_IF_EMPTY, SIGNING_KEYS, Settings, SettingsError, settings_at
from cio_mcp.workspaces import Entry, NothingThere, Reference, Unreadable


def settings_for(entry: Entry, common: Settings, environ: Mapping[str, str], *, origin: str) -> Settings:
    """Return the settings of a workspace, its credentials read from where they lie; raises SettingsError.

    With the sandbox nobody needs credentials, and only the keys are read by which events prove themselves. The
    server's address for events is that of all workspaces, each of which has its own path beneath.
    """
    place = f"{origin}, workspaces.{entry.name}"
    texts = dict(entry.settings)
    if common.webhook_url:
        texts.setdefault("webhook_url", f"{common.webhook_url.rstrip('/')}/{entry.name}")
    for name, reference in _needed(entry, common):
        try:
            texts[name] = _read(name, reference, environ)
        except Unreadable as error:
            raise SettingsError(f"{place}.{name}: {error}") from None
    return settings_at(common, texts, place)


def unreadable(entry: Entry, common: Settings, environ: Mapping[str, str]) -> dict[str, Unreadable]:
    """Return the credentials of a workspace that cannot be read, each with the reason."""
    found: dict[str, Unreadable] = {}
    for name, reference in _needed(entry, common):
        try:
            _read(name, reference, environ)
        except Unreadable as error:
            found[name] = error
    return found


def _read(name: str, reference: Reference, environ: Mapping[str, str]) -> str:
    """Return a credential, "" for one that may be absent and is; raises Unreadable."""
    try:
        return reference.read(environ)
    except NothingThere:
        if name in ABSENT_IF_EMPTY:
            return ""
        raise


def _needed(entry: Entry, common: Settings) -> Iterator[tuple[str, Reference]]:
    return ((name, each) for name, each in entry.credentials.items() if not common.sandbox or name in SIGNING_KEYS)
