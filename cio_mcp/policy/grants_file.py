"""The grants file, in TOML: read, checked to the last word, and put together for one agent.

```toml
profile = "safe"                # what holds for every agent
deny = ["people:destructive"]

[agents.support-bot]            # more for the one started with --agent support-bot
profile = "sender"
allow = ["people:write", "people:send"]
fields = ["reply_to"]
causes = "count"
[agents.support-bot.recipients]
own = true
domains = ["example.com"]
[agents.support-bot.budget]
per_hour = 50
```

What widens adds up; what narrows holds for both: denied words, the smaller budget, all quiet hours, `count`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from cio_mcp.policy.addresses import Recipients
from cio_mcp.policy.grants import Causes, Grants
from cio_mcp.policy.profiles import PROFILES
from cio_mcp.policy.sections import Section, read_section
from cio_mcp.toml_file import read_toml
from cio_mcp.toml_table import Table

DEFAULT_AGENT = "local"
"""Whom a process serves that was started without --agent; nobody proves to be it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantsFile:
    """A grants file as it was read: what holds for every agent, and what for each."""

    path: str
    everyone: Section
    agents: Mapping[str, Section]

    def of(self, agent: str, profile: str | None = None) -> Grants:
        """Return the grants of whom a process is started for, beginning at `profile` if the file names none.

        Raises ValueError. One that the file does not name is refused: a slip of the pen must not get what holds for
        every agent.
        """
        if agent not in self.agents and agent != DEFAULT_AGENT:
            raise ValueError(f"--agent names one that {self.path} does not{_nearest(agent, list(self.agents))}")
        return self._of(agent, profile, origin=self.path)

    def of_proven(self, names: Sequence[str], profile: str | None = None) -> Grants:
        """Return the grants of an agent that proved who it is, under the first of its names that the file has.

        One that the file does not name may do nothing. An agent is told where its grants come from; where the file
        lies, and whom else it names, is not for it to know. Raises ValueError if `profile` does not fit.
        """
        for name in names:
            if name in self.agents:
                return self._of(name, profile, origin="the grants file")
        return Grants(origin="the grants file, which does not name this agent")

    def _of(self, agent: str, profile: str | None, *, origin: str) -> Grants:
        own = self.agents.get(agent, Section())
        named = own.profile or self.everyone.profile
        if named and profile:
            raise ValueError(f"--profile stands beside the profile that {self.path} names: leave one of them out")
        start = profile_grants(named or profile)
        return _put_together(start, self.everyone, own, origin=f"{origin}, agent {agent}")


def profile_grants(name: str | None) -> Grants:
    """Return the grants of a profile, or none at all."""
    return PROFILES[name].grants if name else Grants(origin="nothing")


def _put_together(start: Grants, everyone: Section, own: Section, *, origin: str) -> Grants:
    said = {section.causes for section in (everyone, own)} - {None}
    budget = everyone.budget.within(own.budget)
    return replace(
        start,
        origin=origin,
        allow=start.allow | everyone.allow | own.allow,
        deny=start.deny | everyone.deny | own.deny,
        fields=start.fields | everyone.fields | own.fields,
        causes=start.causes if not said else Causes.COUNT if Causes.COUNT in said else Causes.FREE,
        recipients=Recipients(
            own=start.recipients.own and everyone.own and own.own,
            addresses=start.recipients.addresses | everyone.addresses | own.addresses,
            domains=start.recipients.domains | everyone.domains | own.domains,
        ),
        hosts=start.hosts | everyone.hosts | own.hosts,
        budget=start.budget.replaced_by(budget),
        quiet=(*start.quiet, *everyone.quiet, *own.quiet),
        shown=start.shown | everyone.shown | own.shown,
    )


def read_grants_file(name: str) -> GrantsFile:
    """Read a grants file; raises ValueError that says what is wrong with it and how to mend it."""
    top = Table(read_toml(name, hint="area:permission belongs to --grant"), file=name)
    agents = top.table("agents")
    everyone = read_section(top, "agents")
    found = {each: read_section(agents.table(each)) for each in agents.names()}
    return GrantsFile(path=name, everyone=everyone, agents=found)


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1)
    if near:
        return f" (did you mean {near[0]}?)"
    return f"; it names {', '.join(sorted(known))}" if known else "; it names no agents"
