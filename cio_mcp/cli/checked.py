"""What every command does first: it reads the settings, sees that they fit together, and sends its log to stderr."""

import difflib
import logging
import os
import sys
from collections.abc import Mapping

from cio_mcp.agents import Agent
from cio_mcp.catalog import CATALOG
from cio_mcp.gate import Mode
from cio_mcp.policy import ANY, Policy
from cio_mcp.policy.options import policy_for
from cio_mcp.settings import OPTIONS, Settings, SettingsError, load, source_of
from cio_mcp.telemetry.log import NOTICES, formatter


def log_to_stderr(level: str, form: str = "text") -> logging.Logger:
    """Send our messages to standard error, and of libraries only what is wrong; return our logger."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter("json" if form == "json" else "text"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # the HTTP client would log whole URLs, with people's addresses, at info
    ours = logging.getLogger("cio_mcp")
    ours.setLevel(level.upper())
    logging.getLogger(NOTICES).setLevel(logging.INFO)  # at every level: they tell where the server is
    return ours


def say(line: str) -> None:
    """Tell whoever started the process something, whatever the level of the log is."""
    logging.getLogger(NOTICES).info(line)


def settings_of(flags: Mapping[str, str]) -> Settings:
    """Read the settings of this process, and check that the areas named exist."""
    settings = load(os.environ, flags)
    named = {"areas": settings.areas or frozenset(), "grant": {grant.area for grant in settings.grant or ()} - {ANY}}
    known = sorted(area.name for area in CATALOG.areas)
    for option in OPTIONS:
        for area in sorted(named.get(option.name, set()) - set(known)):
            close = difflib.get_close_matches(area, known, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise SettingsError(
                f"{source_of(option, flags)} names an area that does not exist{hint}; the areas are {', '.join(known)}"
            )
    _check_that_something_is_served(settings)
    if settings.confirm is Mode.OPERATOR and settings.ledger_in_memory:
        raise SettingsError(
            "--confirm operator: the operator approves in the ledger, and this one is in memory, where no command "
            "reaches it; name a file with --ledger"
        )
    return settings


def _check_that_something_is_served(settings: Settings) -> None:
    """Refuse settings that leave no tool, and grants that permit none: somebody meant something else."""
    for grant in sorted(settings.grant or ()):
        if not any(grant.covers(endpoint) for endpoint in CATALOG.values()):
            has = sorted({endpoint.permission for endpoint in CATALOG.values() if endpoint.area == grant.area})
            raise SettingsError(
                f"--grant {grant}: no tool needs that; in {grant.area} the permissions are {', '.join(has)}"
            )
    policies = [policy_of(settings), *(policies_of_agents(settings) if settings.auth else ())]
    if not any(policy.permits(endpoint) for policy in policies for endpoint in CATALOG.values()):
        raise SettingsError(
            "--areas, --read-only, --grant and the grants file together leave no tool to serve: widen one of them"
        )


def policies_of_agents(settings: Settings) -> list[Policy]:
    """Return what agents may do that prove who they are: each that the grants file names, or anybody without one."""
    names = settings.grants.agents if settings.grants else ("anybody",)
    return [policy_of_agent(settings, Agent(name=name)) for name in names]


def policy_of(settings: Settings) -> Policy:
    """Return what the settings permit; raises SettingsError if they do not fit each other."""
    return policy_of_agent(settings, Agent(name=settings.agent, is_proven=False))


def policy_of_agent(settings: Settings, agent: Agent) -> Policy:
    """Return what an agent may do; raises SettingsError if the settings do not fit each other.

    One that proved who it is, and that the grants file does not name, may do nothing.
    """
    try:
        return policy_for(
            areas=settings.areas,
            read_only=settings.read_only,
            grants=settings.grant,
            file=settings.grants,
            agent=settings.agent,
            profile=settings.profile,
            test_recipients=settings.test_recipients,
            token=agent.grants,
            proven=agent.listed_as if agent.is_proven else None,
        )
    except ValueError as error:
        raise SettingsError(str(error)) from None
