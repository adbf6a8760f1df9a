"""How the flags of grants are read, and the policy that all flags come to; every ValueError names the remedy."""

from collections.abc import Sequence

from cio_mcp.policy.addresses import Recipients, recipient_list
from cio_mcp.policy.decision import Policy
from cio_mcp.policy.grants import Grants
from cio_mcp.policy.grants_file import GrantsFile, profile_grants
from cio_mcp.policy.profiles import PROFILES
from cio_mcp.policy.words import Grant
from cio_mcp.toml_table import nearest

LONGEST_NAME = 80


def agent_name(text: str) -> str:
    """Read the name of an agent: it stands in records, so it is one short line."""
    if not text.isprintable() or len(text) > LONGEST_NAME:
        raise ValueError(f"must be one line of at most {LONGEST_NAME} characters")
    return text


def profile_name(text: str) -> str:
    """Read the name of a profile."""
    if text not in PROFILES:
        raise ValueError(f"names no profile{nearest(text, PROFILES)}")
    return text


def recipients_only(text: str) -> Recipients:
    """Read addresses and @domains, separated by commas, as the only people who may be reached."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError("names nobody: give addresses such as ada@example.com, or @example.com for a domain")
    return recipient_list(parts)


def policy_for(
    *,
    areas: frozenset[str] | None,
    read_only: bool,
    grants: frozenset[Grant] | None,
    file: GrantsFile | None,
    agent: str,
    profile: str | None,
    test_recipients: Recipients | None,
    token: frozenset[Grant] | None = None,
    proven: Sequence[str] | None = None,
) -> Policy:
    """Return what all flags together permit; raises ValueError, with the flag's name, if they do not fit.

    `agent` is whom the process was started for; `proven` are the names of one that proved who it is, in its place.
    """
    granted: Grants | None = None
    if file is not None:
        granted = file.of(agent, profile) if proven is None else file.of_proven(proven, profile)
    elif profile is not None:
        granted = profile_grants(profile)
    return Policy(
        areas=areas, read_only=read_only, grants=grants, token=token, agent=granted, test_recipients=test_recipients
    )
