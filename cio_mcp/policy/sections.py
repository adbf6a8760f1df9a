"""What a grants file says of all agents, or of one: its keys, and how each is read."""

from dataclasses import dataclass, fields
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cio_mcp.catalog import CATALOG, Endpoint
from cio_mcp.policy.addresses import host_name, listed_address
from cio_mcp.policy.grants import FIELDS, UNBOUNDED, Budget, Causes, Quiet
from cio_mcp.policy.items import possible_items
from cio_mcp.policy.profiles import PROFILES
from cio_mcp.policy.tools import item_needs, needs
from cio_mcp.policy.words import ANY, PERMISSIONS, PERSONAL, Grant
from cio_mcp.toml_table import Table, nearest, one_of

KEYS = (
    "profile", "allow", "deny", "fields", "causes", "recipients", "urls", "budget", "quiet", "personal",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of a grants file, checked."""

    profile: str | None = None
    allow: frozenset[Grant] = frozenset()
    deny: frozenset[Grant] = frozenset()
    fields: frozenset[str] = frozenset()
    causes: Causes | None = None
    own: bool = True
    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    budget: Budget = UNBOUNDED
    quiet: tuple[Quiet, ...] = ()
    shown: frozenset[str] = frozenset()


def read_section(table: Table, *others: str) -> Section:
    """Read a section, in which `others` are keys too; raises ValueError with the place of what is not understood."""
    table.only((*KEYS, *others))
    recipients = _inner(table, "recipients", ("own", "addresses", "domains"))
    urls = _inner(table, "urls", ("hosts",))
    personal = _inner(table, "personal", ("attributes",))
    own = recipients.typed("own", bool)
    return Section(
        profile=_choice(table, "profile", tuple(PROFILES)),
        allow=frozenset(table.texts("allow", grant_word)),
        deny=frozenset(table.texts("deny", grant_word)),
        fields=frozenset(table.texts("fields", one_of(FIELDS, "field that is a grant of its own"))),
        causes=_causes(table),
        own=own if own is not None else True,
        addresses=frozenset(recipients.texts("addresses", listed_address)),
        domains=frozenset(recipients.texts("domains", host_name)),
        hosts=frozenset(urls.texts("hosts", host_name)),
        budget=_budget(_inner(table, "budget", tuple(each.name for each in fields(Budget)))),
        quiet=_quiet(_inner(table, "quiet", ("from", "to", "timezone"))),
        shown=frozenset(personal.texts("attributes", str)),
    )


def _inner(table: Table, key: str, known: tuple[str, ...]) -> Table:
    inner = table.table(key)
    inner.only(known)
    return inner


def _choice(table: Table, key: str, known: tuple[str, ...]) -> str | None:
    value = table.typed(key, str)
    return None if value is None else table.read(key, value, one_of(known, key))


def _causes(table: Table) -> Causes | None:
    chosen = _choice(table, "causes", tuple(Causes))
    return Causes(chosen) if chosen else None


def _budget(table: Table) -> Budget:
    numbers = {name: table.typed(name, int) for name in table.names()}
    for name, number in numbers.items():
        if number is not None and number < 0:
            raise table.wrong(name, "must be 0 or more recipients")
    return Budget(**numbers)


def _quiet(table: Table) -> tuple[Quiet, ...]:
    if not table.names():
        return ()
    start, end = (_clock(table, key) for key in ("from", "to"))
    if start == end:
        raise table.wrong("to", "must not be the same as `from`: to stop all sends, deny them")
    zone = table.typed("timezone", str)
    if zone is None:
        raise table.wrong("timezone", 'is needed, such as "Europe/Berlin"')
    return (Quiet(start=start, end=end, timezone=table.read("timezone", zone, time_zone)),)


def _clock(table: Table, key: str) -> time:
    return table.read(key, table.value(key), clock)


def clock(value: Any) -> time:
    """Read a time of day, `22:00:00` or `"22:00"`."""
    try:
        read = value if isinstance(value, time) else time.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError('must be a time of day, such as "22:00"') from None
    if read.tzinfo is not None:
        raise ValueError("must have no offset: `timezone` says where it is read")
    return read


def time_zone(name: str) -> ZoneInfo:
    """Read an IANA time zone that this machine knows."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError('is no time zone that this machine knows, such as "Europe/Berlin"') from None


def grant_word(text: str) -> Grant:
    """Read `area:permission` or `area:tool`; raises ValueError with the nearest one that means something."""
    area, colon, word = text.partition(":")
    if not colon:
        raise ValueError("must be area:permission or area:tool, such as customers:read")
    areas = [each.name for each in CATALOG.areas]
    if area not in (*areas, ANY):
        raise ValueError(f"names no area{nearest(area, areas)}")
    known = _known_words(area)
    if word not in known:
        raise ValueError(f"names nothing that {'a tool' if area == ANY else area} needs{nearest(word, known)}")
    return Grant(area, word)


def _known_words(area: str) -> list[str]:
    """Return the permissions that the tools of an area can need, whatever causes messages, and their names."""
    tools = [endpoint for endpoint in CATALOG.values() if area in (endpoint.area, ANY)]
    needed = {PERSONAL} | {word for tool in tools for word in _possible_needs(tool)}
    return [*(word for word in (*PERMISSIONS, PERSONAL) if word in needed), ANY, *(tool.name for tool in tools)]


def _possible_needs(endpoint: Endpoint) -> set[str]:
    of_items = {word for item in possible_items(endpoint) for word in item_needs(item, Causes.COUNT)}
    return of_items | set(needs(endpoint, Causes.COUNT))
