"""`cio-mcp doctor`: what is set, whether it works, and how to mend what does not."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict

import anyio

from cio_mcp.catalog import CATALOG
from cio_mcp.cli.ledger_file import when
from cio_mcp.cli.wiring import log_to_stderr, policy_of, settings_of, wired
from cio_mcp.diagnosis import Diagnosis, Finding, State
from cio_mcp.ledger import Unrecorded
from cio_mcp.ledger.place import ledger_path, stop_path
from cio_mcp.ledger.sqlite import SqliteLedger
from cio_mcp.ledger.stop import look
from cio_mcp.settings import MEMORY, Settings, flags_given, strangers

MARKS = {State.GOOD: "ok  ", State.NOTE: "note", State.BAD: "BAD "}


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; the exit code is 1 if something is wrong."""
    settings = settings_of(flags_given(arguments))
    log_to_stderr("error")
    findings = anyio.run(_diagnosed, settings)
    usable = any(finding.state is State.GOOD and finding.subject != "Ledger" for finding in findings)
    wrong = any(finding.state is State.BAD for finding in findings) or not (usable or settings.service_account_token)
    if arguments.json:
        sys.stdout.write(json.dumps({"ok": not wrong, "findings": [asdict(f) for f in findings]}, indent=1) + "\n")
    else:
        sys.stdout.write(_page(settings, findings, wrong=wrong))
    return int(wrong)


async def _diagnosed(settings: Settings) -> list[Finding]:
    async with wired(settings) as wiring:
        findings = await Diagnosis(settings=wiring.settings, gateway=wiring.gateway, now=time.time).run()
    findings += _record(settings)
    if settings.sandbox:
        text = "the sandbox answered, not Customer.io: your own keys were not looked at"
        remedy = "run doctor without --sandbox, and with CIO_MCP_SANDBOX unset"
        findings.append(Finding(subject="Sandbox", state=State.NOTE, text=text, remedy=remedy))
    for name, meant in strangers(os.environ).items():
        text = f"{name} is no setting of this server (did you mean {meant}?)"
        findings.append(Finding(subject="Environment", state=State.NOTE, text=text))
    return findings


def _record(settings: Settings) -> Iterator[Finding]:
    """Look at the ledger without changing it, and whether writes are stopped."""
    path = ledger_path(None if settings.ledger == MEMORY else settings.ledger)
    if stop := look(stop_path(path)):
        text = f"all writes are stopped since {when(stop.since)}"
        yield Finding(subject="Stop", state=State.BAD, text=text, remedy="let writes leave again: cio-mcp resume")
    if settings.ledger == MEMORY or (settings.ledger is None and settings.sandbox):
        text = "calls are recorded in memory, and forgotten with the process"
        yield Finding(subject="Ledger", state=State.NOTE, text=text)
        return
    if not os.path.lexists(path):
        yield Finding(subject="Ledger", state=State.NOTE, text=f"none yet; a server makes it at {path}")
        return
    try:
        ledger = SqliteLedger.open(path, now=time.time, make=False, tend=False)
        text = f"{path} has {ledger.head().seq:,} records; `cio-mcp audit verify` checks them"
        ledger.close()
    except Unrecorded as error:
        remedy = "until it is mended nothing is written to Customer.io"
        yield Finding(subject="Ledger", state=State.BAD, text=str(error), remedy=remedy)
    else:
        yield Finding(subject="Ledger", state=State.GOOD, text=text)


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
    policy = policy_of(settings)
    served = sum(policy.permits(endpoint) for endpoint in CATALOG.values())
    lines.append(f"{MARKS[State.NOTE]} Tools: {served} of {len(CATALOG)} served with these settings")
    limits = ", ".join(f"{bucket} {rate}" for bucket, rate in settings.rates.items())
    lines.append(f"{MARKS[State.NOTE]} Limits: {limits}")
    lines.append(_verdict(findings, wrong=wrong))
    return "\n".join(lines) + "\n"
