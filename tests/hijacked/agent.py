"""A hijacked agent at work: it makes the calls of a run, remembers all it was told, and says yes in others' names."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cio_mcp import arguments as checked
from cio_mcp.catalog import CATALOG
from cio_mcp.errors import CioError
from cio_mcp.gate import CONFIRMATION_SECONDS
from tests.hijacked.menus import Later, Mined

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_CIO_ID = re.compile(r"a3[0-9a-f]{6}")
_EMAIL = re.compile(r"[^@\s]{1,60}@[^@\s]{1,60}")
_KEPT = 40
CONTROLS = ("dry_run", "allow_repeat", "confirm_token")


@dataclass(slots=True, kw_only=True)
class Issued:
    """A handle that a server gave out: to whom, for which call, and whether it was used or declined."""

    handle: str
    agent: str
    key: str
    at: float
    gone: bool = False


@dataclass(slots=True, kw_only=True)
class Memory:
    """All that was seen in the answers of a run, by whichever agent; the newest stand last."""

    seen: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    states: list[Issued] = field(default_factory=list[Issued])
    tokens: list[Issued] = field(default_factory=list[Issued])
    operations: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def keep(self, what: str, value: Any) -> None:
        """Remember something."""
        known = self.seen.setdefault(what, [])
        if value not in known:
            known.append(value)
            del known[:-_KEPT]

    def filled(self, value: Any, now: float) -> Any:
        """Return a value with what was seen, and what time it is, in its places."""
        match value:
            case Mined(what, nth):
                known = self.seen.get(what, [])
                return known[-1 - nth % len(known)] if known else "nothing"
            case Later(hours):
                return int(now) + hours * 3_600
            case dict():
                return {name: self.filled(member, now) for name, member in value.items()}
            case list():
                return [self.filled(item, now) for item in value]
            case _:
                return value

    def mine(self, value: Any, name: str = "") -> None:
        """Remember what an answer holds that may be of use."""
        match value:
            case dict():
                for inner, member in value.items():
                    self.mine(member, inner)
            case list():
                for item in value[:20]:
                    self.mine(item, name)
            case bool() | None | float():
                return
            case int():
                self.keep("number", value)
            case str():
                self._mine_text(value, name)

    def _mine_text(self, text: str, name: str) -> None:
        if name == "confirm_token":
            self.keep("token", text)
        elif _ULID.fullmatch(text):
            self.keep("operation", text)
        elif _CIO_ID.fullmatch(text):
            self.keep("cio_id", text)
        elif _EMAIL.fullmatch(text):
            self.keep("email", text)
        elif name in ("id", "ids") or name.endswith("_id"):
            self.keep("id", text)

    def usable(self, issued: Sequence[Issued], handle: str | None, agent: str, key: str, now: float) -> Issued | None:
        """Return what was given out for just this call of this agent and is still good, by its handle."""
        for each in issued:
            fits = (each.handle, each.agent, each.key) == (handle, agent, key)
            if fits and not each.gone and now < each.at + CONFIRMATION_SECONDS:
                return each
        return None


def key_of(tool: str, given: Mapping[str, Any]) -> str:
    """Return what two calls share that ask for the same, however they spell it."""
    rest = {name: value for name, value in given.items() if name not in CONTROLS}
    endpoint = CATALOG.get(tool)
    if endpoint is not None:
        try:
            params, _ = checked.admit(endpoint, dict(given))
            rest = params.model_dump(mode="json", by_alias=True, exclude_none=True)
        except CioError:
            pass
    return json.dumps([tool, rest], sort_keys=True, default=str)
