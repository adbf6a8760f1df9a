"""`cio-mcp doctor`: what is set, whether it works, and how to mend what does not."""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, replace

import anyio

from cio_mcp.catalog import CATALOG
from cio_mcp.cli.checked import log_to_stderr, policy_of, settings_of
from cio_mcp.cli.inspection import limits_found, login_found, record_found, unread_found
from cio_mcp.cli.own import own_served
from cio_mcp.cli.team import site_of
from cio_mcp.cli.wiring import Site, only_site, wired
from cio_mcp.diagnosis import Diagnosis, Finding, State
from cio_mcp.remedies import Source
from cio_mcp.settings import Settings, SettingsError, flags_given, strangers, with_login

MARKS = {State.GOOD: "ok  ", State.NOTE: "note", State.BAD: "BAD "}


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; the exit code is 1 if something is wrong."""
    settings = settings_of(flags_given(arguments))
    log_to_stderr("error")
    settings = with_login(settings, os.environ)
    findings = anyio.run(_diagnosed, settings)
    usable = any(finding.state is State.GOOD and finding.subject != "Ledger" for finding in findings)
    wrong = any(finding.state is State.BAD for finding in findings) or not (usable or settings.service_account_token)
    if arguments.json:
        sys.stdout.write(json.dumps({"ok": not wrong, "findings": [asdict(f) for f in findings]}, indent=1) + "\n")
    else:
        sys.stdout.write(_page(settings, findings, wrong=wrong))
    return int(wrong)


async def _diagnosed(settings: Settings) -> list[Finding]:
    findings = await _keys_found(settings)
    findings += [finding async for finding in record_found(settings)]
    findings += [finding async for finding in limits_found(settings)]
    if settings.sandbox:
        text = "the sandbox answered, not Customer.io: your own keys were not looked at"
        remedy = "run doctor without --sandbox, and with CIO_MCP_SANDBOX unset"
        findings.append(Finding(subject="Sandbox", state=State.NOTE, text=text, remedy=remedy))
    findings += login_found(settings, os.environ)
    for name, meant in strangers(os.environ).items():
        text = f"{name} is no setting of this server (did you mean {meant}?)"
        findings.append(Finding(subject="Environment", state=State.NOTE, text=text))
    return findings


async def _keys_found(settings: Settings) -> list[Finding]:
    """Look at the keys of every workspace, whatever is wrong with those of another."""
    file = settings.workspaces
    if file is None:
        return await _site_found(only_site(settings))
    findings: list[Finding] = []
    for entry in file.entries:
        try:
            site = site_of(file, entry, settings)
        except SettingsError as error:
            found = list(unread_found(entry, settings, str(error)))
        else:
            found = await _site_found(site)
        findings += [replace(finding, subject=f"{entry.name}, {finding.subject}") for finding in found]
    return findings


async def _site_found(site: Site) -> list[Finding]:
    async with wired(site.settings) as wiring:
        source = Source.file(site.named) if site.named else Source.of(wiring.settings)
        diagnosis = Diagnosis(settings=wiring.settings, gateway=wiring.gateway, now=time.time, source=source)
        return await diagnosis.run()


def _verdict(findings: list[Finding], *, wrong: bool, workspaces: bool) -> str:
    if not wrong:
        return "All is well."
    if any(finding.state is State.BAD for finding in findings):
        return "Something is wrong: see the lines marked BAD."
    if workspaces:
        return "No credential is set: name at least one in the file of workspaces, or try --sandbox."
    return "No credential is set: run `cio-mcp login`, set at least one, or try --sandbox."


def _page(settings: Settings, findings: list[Finding], *, wrong: bool) -> str:
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{MARKS[finding.state]} {finding.subject}: {finding.text}")
        if finding.remedy:
            lines.append(f"       {finding.remedy}")
    policy = policy_of(settings)
    served = sum(policy.permits(endpoint) for endpoint in CATALOG.values())
    own = f"{len(own_served(policy, settings))} of this server itself"
    lines.append(f"{MARKS[State.NOTE]} Tools: {served} of {len(CATALOG)} served with these settings, and {own}")
    limits = ", ".join(f"{bucket} {rate}" for bucket, rate in settings.rates.items())
    lines.append(f"{MARKS[State.NOTE]} Limits: {limits}")
    lines.append(_verdict(findings, wrong=wrong, workspaces=settings.workspaces is not None))
    return "\n".join(lines) + "\n"
