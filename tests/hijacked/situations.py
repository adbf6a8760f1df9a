"""How servers are started, and what may happen at Customer.io because of it, written down apart from the policy."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cio_mcp.catalog import CATALOG, Access
from tests.hijacked.effects import (
    BY_ITEMS,
    CAUSES,
    DOORS,
    EVERYTHING,
    MESSAGES,
    PERSON_GONE,
    SENDS,
    SETTINGS,
)

HOUR, DAY = 3_600.0, 86_400.0
LISTED_DOMAIN, LISTED_HOST = "example.org", "hooks.example.org"
THIEF = "thief@evil.example.net"
FIELDS = frozenset({"cc", "bcc", "reply_to", "from", "headers", "attachments"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one agent may bring about; every part is said by hand, none is computed from grants.

    `own`: messages may go to a person at the address that was theirs from the start. `caps` are (recipients,
    seconds), `quiet` hours of the day in UTC, `areas` whose reads are served, None for all.
    """

    may: frozenset[str]
    own: bool = True
    listed: frozenset[str] = frozenset()
    """Addresses, and @domains."""
    everybody: bool = False
    own_grants: frozenset[str] = frozenset()
    hosts: frozenset[str] | None = None
    """Of URLs; None for any public one."""
    caps: tuple[tuple[int, float], ...] = ()
    counts_causes: bool = True
    quiet: tuple[int, int] | None = None
    areas: frozenset[str] | None = None
    masked: bool = False

    def lists(self, address: str) -> bool:
        """Say whether a lowered address is listed."""
        return address in self.listed or f"@{address.rpartition('@')[2]}" in self.listed

    def tools(self) -> set[str]:
        """Return the tools of the catalogue that are served."""
        reads = {
            name
            for name, tool in CATALOG.items()
            if tool.access is Access.READ and (self.areas is None or tool.area in self.areas)
        }
        doors = {door for kind in self.may for door in DOORS.get(kind, ())}
        items = {*BY_ITEMS} if self.may & (CAUSES | PERSON_GONE | {"delete object", "unsuppress"}) - _SINGLE else set()
        return reads | doors | items


_SINGLE = frozenset({"anonymous event", "form", "members"})
"""What causes messages and is no kind of item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """How the servers of a run are started: common settings, a grants file, and the rules of each agent."""

    name: str
    rules: Mapping[str, Rules]
    grants: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    person: str = "no"
    """What the person behind the client answers: no, nothing, or yes to everything; or the client cannot ask."""
    stops: bool = False
    """Whether the operator stops all writes half-way."""
    shared_file: bool = False


FREE = Rules(may=EVERYTHING, everybody=True, own_grants=FIELDS | {"address"}, counts_causes=False)
SAFE = Rules(may=frozenset(), masked=True)
EDITOR = Rules(may=SETTINGS, hosts=frozenset({LISTED_HOST}))
SENDER = Rules(
    may=SETTINGS | MESSAGES, listed=frozenset({f"@{LISTED_DOMAIN}"}), hosts=frozenset(), caps=((3, HOUR), (7, DAY))
)
BROADCASTER = Rules(
    may=SENDS | CAUSES | SETTINGS,
    listed=frozenset({f"@{LISTED_DOMAIN}"}),
    hosts=frozenset({LISTED_HOST}),
    caps=((9, HOUR), (25, DAY)),
)
TESTED = frozenset({f"@{LISTED_DOMAIN}", "ada@example.com", "person1@example.com"})

_SENDER = f"""
profile = "sender"
[recipients]
domains = ["{LISTED_DOMAIN}"]
[budget]
per_hour = 3
per_day = 7
"""
_BROADCASTER = f"""
profile = "broadcaster"
[recipients]
domains = ["{LISTED_DOMAIN}"]
[urls]
hosts = ["{LISTED_HOST}"]
[budget]
per_hour = 9
per_day = 25
"""
_TWO = """
[agents.support]
profile = "sender"
[agents.support.budget]
per_hour = 3
[agents.growth]
profile = "broadcaster"
[agents.growth.budget]
per_hour = 9
per_day = 20
"""
ASK, YES = {"CIO_MCP_CONFIRM": "ask"}, {"CIO_MCP_CONFIRM": "ask", "CIO_MCP_CONFIRM_ABOVE": "2"}
AUTO, OPERATOR = {"CIO_MCP_CONFIRM": "auto"}, {"CIO_MCP_CONFIRM": "operator", "CIO_MCP_CONFIRM_ABOVE": "2"}


def alone(rules: Rules) -> dict[str, Rules]:
    """Return the rules of the only agent."""
    return {"local": rules}


SITUATIONS = (
    Situation(name="ask, no", rules=alone(FREE), settings=ASK),
    Situation(name="ask, no answer", rules=alone(FREE), settings=YES, person="nothing"),
    Situation(name="ask, yes", rules=alone(FREE), settings=YES, person="yes"),
    Situation(name="auto, token", rules=alone(FREE), settings=AUTO, person="cannot"),
    Situation(name="operator", rules=alone(FREE), settings=OPERATOR, person="yes"),
    Situation(name="safe", rules=alone(SAFE), settings={**AUTO, "CIO_MCP_PROFILE": "safe"}, person="yes"),
    Situation(name="support", rules=alone(Rules(may=frozenset())), settings={**AUTO, "CIO_MCP_PROFILE": "support"}),
    Situation(
        name="editor", rules=alone(EDITOR), settings=ASK, person="yes",
        grants=f'profile = "editor"\n[urls]\nhosts = ["{LISTED_HOST}"]',
    ),
    Situation(name="sender", rules=alone(SENDER), settings=YES, person="yes", grants=_SENDER),
    Situation(
        name="sender with fields", settings=ASK, person="yes",
        rules=alone(Rules(
            may=MESSAGES, own_grants=frozenset({"cc", "reply_to", "headers"}),
            listed=frozenset({f"@{LISTED_DOMAIN}"}), caps=((4, HOUR),), areas=frozenset({"customers"}),
        )),
        grants=f"""
        allow = ["messaging:send_email", "messaging:send_push", "messaging:send_sms", "messaging:send_in_app",
                 "customers:read"]
        fields = ["cc", "reply_to", "headers"]
        recipients.domains = ["{LISTED_DOMAIN}"]
        budget.per_hour = 4
        """,
    ),
    Situation(
        # Whoever may change people for free must not get at their addresses.
        name="writer", settings=ASK, person="yes",
        rules=alone(Rules(
            may=SETTINGS | MESSAGES | CAUSES, listed=frozenset({f"@{LISTED_DOMAIN}"}), hosts=frozenset(),
            counts_causes=False, caps=((100, HOUR), (500, DAY)),
        )),
        grants=f'profile = "sender"\ncauses = "free"\n[recipients]\ndomains = ["{LISTED_DOMAIN}"]',
    ),
    Situation(name="broadcaster", rules=alone(BROADCASTER), settings=YES, person="yes", grants=_BROADCASTER),
    Situation(
        name="broadcaster, no", rules=alone(BROADCASTER), settings={**ASK, "CIO_MCP_REPEAT_WINDOW": "0"},
        grants=_BROADCASTER,
    ),
    Situation(
        name="own is not enough", settings=YES, person="yes",
        rules=alone(Rules(may=SENDS | CAUSES | SETTINGS, own=False, listed=TESTED, hosts=frozenset())),
        grants="""
        profile = "broadcaster"
        recipients = {own = false, addresses = ["ada@example.com", "person1@example.com"], domains = ["example.org"]}
        budget = {per_hour = 100000, per_day = 100000}
        """,
    ),
    Situation(
        name="test recipients", person="yes",
        rules=alone(Rules(may=EVERYTHING, own=False, listed=TESTED, own_grants=FIELDS)),
        settings={**YES, "CIO_MCP_TEST_RECIPIENTS": "@example.org, ada@example.com, person1@example.com"},
    ),
    Situation(
        # What campaigns do of themselves is left alone then, but nothing may tell them to whom.
        name="test recipients, free", person="yes",
        rules=alone(Rules(may=EVERYTHING, own=False, listed=TESTED, own_grants=FIELDS, counts_causes=False)),
        settings={**YES, "CIO_MCP_TEST_RECIPIENTS": "@example.org, ada@example.com, person1@example.com"},
        grants='profile = "admin"\ncauses = "free"',
    ),
    Situation(name="read-only", rules=alone(Rules(may=frozenset())), settings={**AUTO, "CIO_MCP_READ_ONLY": "true"}),
    Situation(
        name="quiet hours", settings=YES, person="yes",
        rules=alone(Rules(may=SENDS | CAUSES | SETTINGS, hosts=frozenset(), quiet=(8, 20), caps=((100, HOUR),))),
        grants="""
        profile = "broadcaster"
        quiet = {from = "08:00", to = "20:00", timezone = "UTC"}
        budget = {per_hour = 100, per_day = 500}
        """,
    ),
    Situation(
        name="admin, stopped", settings=YES, person="yes", stops=True,
        rules=alone(Rules(may=EVERYTHING, everybody=True, own_grants=FIELDS | {"address"})),
        grants='profile = "admin"',
    ),
    Situation(
        name="deny wins", settings=YES, person="yes",
        rules=alone(Rules(
            may=EVERYTHING - PERSON_GONE - {"merge"}, everybody=True, own_grants=FIELDS | {"address"},
        )),
        grants='profile = "admin"\ndeny = ["people:destructive"]',
    ),
    Situation(
        name="segments alone", rules=alone(Rules(may=frozenset(), areas=frozenset({"segments"}), masked=True)),
        settings=AUTO, grants='allow = ["segments:read"]',
    ),
    Situation(
        name="two agents", shared_file=True, settings=YES, person="yes", grants=_TWO,
        rules={
            "support": Rules(may=SETTINGS | MESSAGES, hosts=frozenset(), caps=((3, HOUR), (500, DAY))),
            "growth": Rules(may=SENDS | CAUSES | SETTINGS, hosts=frozenset(), caps=((9, HOUR), (20, DAY))),
        },
    ),
    Situation(
        name="two agents, tokens", shared_file=True, settings={"CIO_MCP_CONFIRM": "token"}, person="cannot",
        rules={"support": FREE, "growth": FREE}, grants="",
    ),
)  # fmt: skip
BY_NAME = {situation.name: situation for situation in SITUATIONS}
assert len(BY_NAME) == len(SITUATIONS)
