"""A file that names several workspaces, where the credentials of each lie, and which agents may reach which.

```toml
[workspaces.production]
region = "eu"
site_id = "env:PRODUCTION_SITE_ID"
track_api_key = "file:/run/secrets/production_track_key"
app_api_key = "keyring:cio-mcp/production"

[agents.receipts]
workspaces = ["production"]
```
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cio_mcp.toml_file import read_toml
from cio_mcp.toml_table import Table, nearest
from cio_mcp.workspaces.references import Reference

CREDENTIALS = (
    "site_id", "track_api_key", "app_api_key", "service_account_token",
    "webhook_signing_key", "webhook_signing_key_previous",
)  # fmt: skip
"""Given by reference; each is the setting of the same name."""
PLAIN = (
    "region", "workspace_id", "track_url", "app_url", "webhook_url",
    "limit_app", "limit_email", "limit_transactional", "limit_broadcast", "limit_track",
)  # fmt: skip
"""Written down as they are; each is the setting of the same name."""
_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One workspace of the file: where its credentials lie, and the settings that are its own."""

    name: str
    credentials: Mapping[str, Reference]
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspacesFile:
    """All workspaces, in the order of the file, and the names of those that each agent may reach."""

    origin: str
    entries: tuple[Entry, ...]
    bound: Mapping[str, frozenset[str]]


def read_workspaces_file(path: str) -> WorkspacesFile:
    """Read the file; raises ValueError that names the place and the remedy."""
    whole = Table(read_toml(path), file=path)
    whole.only(("workspaces", "agents"))
    listed = whole.table("workspaces")
    entries = tuple(_entry(listed, name) for name in listed.names())
    if not entries:
        raise whole.wrong("workspaces", "must name at least one, [workspaces.NAME]")
    return WorkspacesFile(origin=path, entries=entries, bound=_bound(whole.table("agents"), entries))


def _entry(listed: Table, name: str) -> Entry:
    if not _NAME.fullmatch(name):
        raise listed.wrong(name, "must be a short name of small letters, digits, - and _")
    table = listed.table(name)
    table.only((*CREDENTIALS, *PLAIN))
    credentials = {
        key: table.read(key, text, Reference.parse)
        for key in CREDENTIALS
        if (text := table.typed(key, str)) is not None
    }
    settings = {key: str(table.value(key)) for key in PLAIN if table.value(key) is not None}
    return Entry(name=name, credentials=credentials, settings=settings)


def _bound(agents: Table, entries: tuple[Entry, ...]) -> Mapping[str, frozenset[str]]:
    known = [entry.name for entry in entries]

    def workspace(name: str) -> str:
        if name not in known:
            raise ValueError(f"is no workspace of this file{nearest(name, known)}")
        return name

    bound: dict[str, frozenset[str]] = {}
    for name in agents.names():
        table = agents.table(name)
        table.only(("workspaces",))
        names = table.texts("workspaces", workspace)
        if not names:
            raise agents.wrong(name, "must name at least one workspace")
        bound[agents.read(name, name, _agent)] = frozenset(names)
    return bound


def _agent(text: str) -> str:
    """Read the name of an agent; with the client through which it acts, an issuer's may be long."""
    if not text.isprintable():
        raise ValueError("must be one line")
    return text
