"""Pure: which answers are drawn, by which document, and what a host must know of it: one table, as data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cio_mcp.catalog.endpoint import Access, Endpoint, Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One document, and the tools whose answers it draws."""

    name: str
    about: str
    of: Callable[[Endpoint], bool] = lambda _endpoint: False
    """Whether it draws the answers of an operation of Customer.io."""
    native: frozenset[str] = frozenset()
    """The tools of this server itself whose answers it draws."""
    also: tuple[str, ...] = ()
    """More parts of its script, which come before its own."""
    may_call: bool = True
    """Whether the document may call the tool again, with the host's leave, as its user presses a button."""

    @property
    def uri(self) -> str:
        """Where a host reads the document."""
        return f"ui://cio-mcp/{self.name}.html"


def _has_series(endpoint: Endpoint) -> bool:
    return endpoint.access is Access.READ and endpoint.path.endswith("/metrics")


def _is_confirmed(endpoint: Endpoint) -> bool:
    return endpoint.gate in (Gate.ASKED, Gate.ITEMS)


APPS: tuple[App, ...] = (
    App(name="metrics", about="Metrics over time as a chart, series by series", of=_has_series, also=("periods",)),
    App(
        name="timeline",
        about="What became of a message, step by step",
        native=frozenset({"get_delivery_timeline", "wait_for_delivery"}),
    ),
    App(
        name="plan",
        about="What a call would do, to read before it is confirmed; it cannot confirm",
        of=_is_confirmed,
        may_call=False,
    ),
)


def app_of(endpoint: Endpoint) -> App | None:
    """Return what draws the answers of an operation, if anything does."""
    return next((app for app in APPS if app.of(endpoint)), None)


def app_named(tool: str) -> App | None:
    """Return what draws the answers of a tool of this server itself, if anything does."""
    return next((app for app in APPS if tool in app.native), None)


def app_at(uri: str) -> App | None:
    """Return the app whose document lies there."""
    return next((app for app in APPS if app.uri == uri), None)


def told_of(app: App | None) -> dict[str, Any] | None:
    """Return `_meta` of a tool whose answers an app draws (SEP-1865, "Resource Discovery")."""
    if app is None:
        return None
    # A host must then refuse the document every call of the tool, whatever has become of the document.
    return {"ui": {"resourceUri": app.uri} | ({} if app.may_call else {"visibility": ["model"]})}


def reading() -> dict[str, Any]:
    """Return `_meta` of every document: it needs no host on the network, and no permission of the browser."""
    nowhere: dict[str, list[str]] = {
        "connectDomains": [],
        "resourceDomains": [],
        "frameDomains": [],
        "baseUriDomains": [],
    }
    return {"ui": {"csp": nowhere, "prefersBorder": True}}
