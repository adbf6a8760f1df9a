"""`cio-mcp doctor`: what is set, whether it works, and how to mend what does not."""

import argparse
import json
import sys
import time
from dataclasses import asdict

import anyio

from cio_mcp.catalog import CATALOG
from cio_mcp.cli.wiring import Wiring, log_to_stderr, settings_of, wired
from cio_mcp.diagnosis import Diagnosis, Finding, State
from cio_mcp.policy import Policy
from cio_mcp.settings import Settings, flags_given

MARKS = {State.GOOD: "ok  ", State.NOTE: "note", State.BAD: "BAD "}


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; the exit code is 1 if something is wrong."""
    settings = settings_of(flags_given(arguments))
    log_to_stderr("error")
    findings = anyio.run(_diagnosed, settings)
    usable = any(finding.state is State.GOOD for finding in findings)
    wrong = any(finding.state is State.BAD for finding in findings) or not (usable or settings.service_account_token)
    if arguments.json:
        sys.stdout.write(json.dumps({"ok": not wrong, "findings": [asdict(f) for f in findings]}, indent=1) + "\n")
    else:
        sys.stdout.write(_page(settings, findings, wrong=wrong))
    return int(wrong)


async def _diagnosed(settings: Settings) -> list[Finding]:
    async with wired(settings) as wiring:
        return await _diagnosis(wiring).run()


def _diagnosis(wiring: Wiring) -> Diagnosis:
    return Diagnosis(settings=wiring.settings, gateway=wiring.gateway, now=time.time)


def _verdict(findings: list[Finding], *, wrong: bool) -> str:
    if not wrong:
        return "All is well."
    if any(finding.state is State.BAD for finding in findings):
        return "Something is wrong: see the lines marked BAD."
    return "No credential is set: set at least one, or try --sandbox."


def _page(settings: Settings, findings: list[Finding], *, wrong: bool) -> str:
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{MARKS[finding.state]} {finding.subject}: {finding.text}")
        if finding.remedy:
            lines.append(f"       {finding.remedy}")
    policy = Policy(areas=settings.areas, read_only=settings.read_only, grants=settings.grant)
    served = sum(policy.permits(endpoint) for endpoint in CATALOG.values())
    lines.append(f"{MARKS[State.NOTE]} Tools: {served} of {len(CATALOG)} served with these settings")
    limits = ", ".join(f"{bucket} {rate}" for bucket, rate in settings.rates.items())
    lines.append(f"{MARKS[State.NOTE]} Limits: {limits}")
    lines.append(_verdict(findings, wrong=wrong))
    return "\n".join(lines) + "\n"
