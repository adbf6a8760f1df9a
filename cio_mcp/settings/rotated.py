"""Pure: were credentials merely rotated, or are they of another workspace.

What a server knows its workspace by in records, confirmations and budgets stays as it was at the start. So credentials
that are read anew may only be others of the same workspace.
"""

from cio_mcp.login.kept import Login
from cio_mcp.settings.loading import ABSENT_IF_EMPTY, CREDENTIALS, Settings


def difference(before: Settings, after: Settings) -> str:
    """Return what shows that credentials are of another workspace than those before; "" if nothing does.

    An App key alone tells nothing: another one is taken for the same, rotated.
    """
    if _names(before) != _names(after):
        return "other kinds of keys"
    if _site(before) != _site(after):
        return "another site id"
    if before.workspace_id != after.workspace_id:
        return "another workspace id"
    return _moved(before.login, after.login) if before.login and after.login else ""


def _moved(before: Login, after: Login) -> str:
    if before.region != after.region:
        return "another region"
    both = {before.workspace, after.workspace}
    return "another workspace" if len(both) > 1 and "" not in both else ""


def _names(held: Settings) -> set[str]:
    """Return which kinds of keys there are; a former one of the same kind comes and goes."""
    return {name for name in CREDENTIALS if name not in ABSENT_IF_EMPTY and getattr(held, name) is not None}


def _site(held: Settings) -> str | None:
    return held.site_id.reveal() if held.site_id else None
