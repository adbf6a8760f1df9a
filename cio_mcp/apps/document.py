"""A document put together from its parts: one file that loads nothing, under a policy that allows just those parts."""

import base64
import hashlib
from importlib.resources import files

from cio_mcp.apps.table import App

_SHARED = ("drawing", "host")


def document(app: App) -> str:
    """Return the HTML of an app."""
    style = _part("frame.css") + _part(f"{app.name}.css")
    script = "".join(_part(f"{name}.js") for name in (*_SHARED, *app.also, app.name))
    filled = {"policy": _policy(style, script), "title": app.about, "style": style, "script": script}
    page = _part("frame.html")
    for name, text in filled.items():
        page = page.replace(f"{{{{{name}}}}}", text)
    return page


def _policy(style: str, script: str) -> str:
    """Return what holds inside whatever the host's own policy allows (Content Security Policy Level 3)."""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _part(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")
