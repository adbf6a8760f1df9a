"""Pure: why a call is denied, in words that name the rule, and whom to ask for what."""

from collections.abc import Sequence
from dataclasses import dataclass

from cio_mcp.errors import NotPermitted

TOLD = 3
"""Denials of one call told at once: enough to mend it in one go, few enough to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """One rule that a call breaks.

    `because` is a clause, `remedy` what the operator would change ("… added to --areas"), `instead` a sentence on
    what the caller can do itself; there is always one of the two. None holds a value of the call: it may be personal.
    """

    rule: str
    because: str
    remedy: str = ""
    instead: str = ""


def not_served(tool: str, denials: Sequence[Denial]) -> NotPermitted:
    """Return the refusal of a tool as such."""
    return _refusal(f"This server does not serve {tool}", denials)


def not_passed(tool: str, denials: Sequence[Denial]) -> NotPermitted:
    """Return the refusal of one call of a tool that is served."""
    return _refusal(f"This server does not let this call of {tool} pass", denials)


def _refusal(what: str, denials: Sequence[Denial]) -> NotPermitted:
    told = list({denial.because: denial for denial in denials}.values())[:TOLD]
    instead = [denial.instead for denial in told if denial.instead]
    remedies = [denial.remedy for denial in told if denial.remedy]
    steps = list(dict.fromkeys(instead))
    if remedies:
        ask = f"sk the operator of this server whether it may be started with {' and '.join(dict.fromkeys(remedies))}."
        steps.append(f"Or a{ask}" if steps else f"A{ask}")
    return NotPermitted(
        f"{what}: {', and '.join(denial.because for denial in told)}. Nothing was sent.",
        next_step=" ".join(steps),
        details={"rule": ", ".join(dict.fromkeys(denial.rule for denial in told))},
    )
