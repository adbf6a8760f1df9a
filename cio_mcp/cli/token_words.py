"""What is typed to make a token, read and checked; every SettingsError names the field and the remedy."""

import argparse
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from cio_mcp.agents.token_store import Permit
from cio_mcp.agents.tokens import PREFIX
from cio_mcp.catalog import CATALOG
from cio_mcp.policy import ANY, Grant
from cio_mcp.policy.grants_file import DEFAULT_AGENT
from cio_mcp.policy.options import LONGEST_NAME, agent_name
from cio_mcp.settings import SettingsError

_SECONDS: Mapping[str, float] = {"h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_LONGEST_DAYS = 3_650


def permit_of(arguments: argparse.Namespace) -> Permit:
    """Return whom the token to be made proves, and what for."""
    return Permit(
        agent=_agent(arguments.name),
        grants=_grants(arguments.grant, is_operator=arguments.operator),
        workspaces=_workspaces(arguments.workspace),
        is_operator=arguments.operator,
    )


def seconds_of(text: str | None) -> float | None:
    """Return the lifetime of a token, in seconds; None for one that does not end."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,5})([hdw])", text, re.ASCII)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 0 < seconds <= _LONGEST_DAYS * _SECONDS["d"]:
        raise SettingsError(
            f"--expires must be a number and h, d or w, such as 90d, and at most {_LONGEST_DAYS}d; "
            "leave it out for a token that does not end"
        )
    return seconds


def _agent(text: str) -> str:
    try:
        name = agent_name(text)
    except ValueError as error:
        raise SettingsError(f"NAME {error}") from None
    if not name or name != name.strip():
        raise SettingsError("NAME must not be empty, nor begin or end with a space")
    if name.startswith(PREFIX):
        raise SettingsError(f"NAME must not begin with {PREFIX}, as tokens and their ids do: name the agent")
    if name == DEFAULT_AGENT:
        raise SettingsError(
            f"NAME must not be {DEFAULT_AGENT}, which means whoever is asked for no proof: name the agent otherwise"
        )
    if name.endswith(")"):  # as `Agent.principal` writes those of an issuer
        raise SettingsError("NAME must not end with a bracket: so do the names of agents that an issuer vouches for")
    return name


def _grants(given: Sequence[str] | None, *, is_operator: bool) -> frozenset[Grant]:
    if given is None:
        if is_operator:
            return frozenset()
        raise SettingsError(
            "token create needs --grant AREA:ACCESS, such as --grant customers:read,segments:read; "
            "--grant '*:*' grants whatever the server's own settings allow"
        )
    try:
        found = frozenset(Grant.parse(word) for word in _words(given))
    except ValueError as error:
        raise SettingsError(f"--grant {error}") from None
    for grant in sorted(found):
        _check_that_it_covers_a_tool(grant)
    return found


def _check_that_it_covers_a_tool(grant: Grant) -> None:
    """Refuse what permits nothing: somebody meant something else."""
    known = sorted(area.name for area in CATALOG.areas)
    if grant.area not in (*known, ANY):
        close = get_close_matches(grant.area, known, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise SettingsError(f"--grant names an area that does not exist{hint}; the areas are {', '.join(known)}")
    if not any(grant.covers(endpoint) for endpoint in CATALOG.values()):
        has = sorted({endpoint.permission for endpoint in CATALOG.values() if endpoint.area == grant.area})
        raise SettingsError(
            f"--grant {grant}: no tool needs that; in {grant.area} the permissions are {', '.join(has)}"
        )


def _workspaces(given: Sequence[str] | None) -> frozenset[str] | None:
    if given is None:
        return None
    try:
        names = _words(given)
    except ValueError as error:
        raise SettingsError(f"--workspace {error}") from None
    if not all(name.isprintable() and len(name) <= LONGEST_NAME for name in names):
        raise SettingsError(f"--workspace takes names, each on one line and of at most {LONGEST_NAME} characters")
    return frozenset(names)


def _words(given: Sequence[str]) -> list[str]:
    words = [word.strip() for text in given for word in text.split(",") if word.strip()]
    if not words or not all(text.strip() for text in given):
        raise ValueError("names nothing: separate several with commas, or leave it out")
    return words
