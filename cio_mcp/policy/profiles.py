"""Named starting points for what an agent may do, from the least to all, as data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from cio_mcp.policy.addresses import EVERYTHING, Recipients
from cio_mcp.policy.grants import FIELDS, Budget, Grants
from cio_mcp.policy.words import ANY, PERSONAL, Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named starting point and what it is for, in a line."""

    name: str
    purpose: str
    grants: Grants


def _granting(name: str, *words: str, after: Profile | None = None, budget: Budget | None = None) -> Grants:
    """Return the grants of a profile: those of the one before it, and more."""
    before = after.grants if after else Grants(origin="")
    more = {Grant(*word.split(":")) for word in words}
    return replace(before, origin=f"profile {name}", allow=before.allow | more, budget=budget or before.budget)


_SAFE = Profile(
    name="safe",
    purpose="Reads, with personal data masked.",
    grants=_granting("safe", f"{ANY}:read"),
)
_SUPPORT = Profile(
    name="support",
    purpose="Also sees personal data.",
    grants=_granting("support", f"{ANY}:{PERSONAL}", after=_SAFE),
)
_EDITOR = Profile(
    name="editor",
    purpose="Also writes what can set off no message: segments, collections; webhooks to listed hosts. Not people, "
    "since campaigns react to them.",
    grants=_granting("editor", f"{ANY}:write", after=_SUPPORT),
)
_SENDER = Profile(
    name="sender",
    purpose="Also sends transactional messages, to each person's own address.",
    grants=_granting(
        "sender", "messaging:send_email", "messaging:send_push", "messaging:send_sms", "messaging:send_in_app",
        after=_EDITOR, budget=Budget(per_hour=100, per_day=500),
    ),
)  # fmt: skip
_BROADCASTER = Profile(
    name="broadcaster",
    purpose="Also sends to audiences and changes people, which counts as sending; set a budget that fits them.",
    grants=_granting("broadcaster", f"{ANY}:send", after=_SENDER),
)
_ADMIN = Profile(
    name="admin",
    purpose="Everything, deleting too, to anybody, without a budget.",
    grants=Grants(
        origin="profile admin",
        allow=frozenset({Grant(ANY, ANY)}),
        fields=frozenset(FIELDS),
        recipients=Recipients(domains=frozenset({EVERYTHING})),
        hosts=frozenset({EVERYTHING}),
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (_SAFE, _SUPPORT, _EDITOR, _SENDER, _BROADCASTER, _ADMIN)}
)
HEADER = ("Profile", "What it is for", "Allows", "Messages go to", "Budget")


def rows() -> Iterator[tuple[str, ...]]:
    """Yield the profiles as rows of a table under `HEADER`, in plain text."""
    for profile in PROFILES.values():
        grants = profile.grants
        sends = any(grant.permission in (ANY, "send") or grant.area != ANY for grant in grants.allow)
        yield (
            profile.name,
            profile.purpose,
            ", ".join(map(str, sorted(grants.allow))),
            str(grants.recipients) if sends else "nobody",
            str(grants.budget) if sends else "none needed",
        )
