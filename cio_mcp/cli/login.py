"""`cio-mcp login`: keys asked for, checked with Customer.io itself, and stored where servers find them."""

import argparse
import getpass
import os
import sys
import time
from collections.abc import Callable, Mapping

import anyio

from cio_mcp.cli.checked import log_to_stderr
from cio_mcp.cli.doctor import MARKS
from cio_mcp.cli.ledger_file import FAILED, Impossible, fail, say
from cio_mcp.cli.wiring import wired
from cio_mcp.diagnosis import Diagnosis, Finding, State
from cio_mcp.login.keeping import Unkept, forget, keep_in_files, keep_in_keyring, keyring_name
from cio_mcp.login.kept import NAMES, Login, Spoilt, key_at, mark, marker_path, seal_of, stored_login
from cio_mcp.remedies import Source
from cio_mcp.settings import OPTIONS, TRACK_URLS, keys_named, load, names_region
from cio_mcp.workspaces import Reference, Unreadable

VARIABLES: Mapping[str, str] = {option.name: option.env for option in OPTIONS if option.name in NAMES}
REGION = "CUSTOMERIO_REGION"
_ASKED = {"site_id": "Track API: site id", "track_api_key": "Track API: key", "app_api_key": "App API: key"}
_MOST_LINES, _MOST_CHARACTERS = 100, 100_000
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add where the keys come from and where they go."""
    command.add_argument(
        "--file", action="store_true", help="store them in files that only you can read, not in the keyring"
    )
    command.add_argument(
        "--region", choices=sorted(TRACK_URLS), help="where the account lives (default: it is found out)"
    )
    command.add_argument(
        "--from-env", action="store_true", help="take the keys from the variables below, and do not ask"
    )
    command.add_argument(
        "--unchecked", action="store_true", help="store them without asking Customer.io whether they work"
    )
    command.add_argument(
        "--show", action="store_true", help="tell what is stored, and where; never the keys themselves"
    )
    command.epilog = (
        "At a terminal it asks, and shows nothing of what you type; what you leave empty stays as it\n"
        f"is stored. Else it reads lines NAME=value from standard input, of {REGION} and these names:\n  "
        + "\n  ".join(VARIABLES.values())
    )


def run(arguments: argparse.Namespace) -> int:
    """Store keys, or show what is stored; the exit code is 1 if nothing is, or nothing could be."""
    log_to_stderr("error")
    try:
        login = stored_login()
        return _show(login) if arguments.show else _log_in(arguments, login)
    except (Impossible, Spoilt, Unkept) as error:
        return fail(str(error))


def _show(login: Login | None) -> int:
    if login is None:
        say("Nothing is stored; `cio-mcp login` stores your keys.")
        return FAILED
    say(f"Stored, region {login.region}:")
    for name, reference in login.references.items():
        say(f"  {VARIABLES[name]}  {reference}")
    return 0


def _log_in(arguments: argparse.Namespace, login: Login | None) -> int:
    given = _from_environment() if arguments.from_env else _asked() if _is_asked() else _from_lines()
    told = given.pop(REGION, None)
    region = arguments.region or told
    if not given:
        raise Impossible("no key was given, so nothing was stored")
    texts = _kept(login, given) | given
    kept_in, keep = _keeper(in_file=arguments.file)
    found = (_unchecked if arguments.unchecked else _checked)(texts, _regions(region, login))
    if found is None:
        out = "Enter leaves a key out" if _is_asked() else "a line that is not given leaves a key out"
        raise Impossible(f"nothing was stored; mend that and run `cio-mcp login` again, where {out}")
    region, workspace = found
    references = keep(texts)
    _mark(Login(region=region, references=references, seal=seal_of(texts), workspace=workspace), login)
    say(f"Stored in {kept_in}, region {region}: {', '.join(VARIABLES[name] for name in references)}")
    say("Servers find them from now on; `cio-mcp install HOST` lets a host start one.")
    if login:
        say("Running servers take up rotated keys; restart them for another workspace or region, or for further keys.")
    if named := keys_named(os.environ):
        say(f"Note: servers started from this environment do not use them, because it holds {' and '.join(named)}.")
    return 0


def _is_asked() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _from_environment() -> dict[str, str]:
    """Return the keys by their names, and the region under its variable if it is set."""
    settings = load(os.environ)
    found = {name: getattr(settings, name) for name in NAMES}
    told = {REGION: settings.region} if names_region(os.environ) else {}
    keys = {name: str(held) if isinstance(held, int) else held.reveal() for name, held in found.items() if held}
    return told | keys


def _asked() -> dict[str, str]:
    say("Keys are made in Customer.io under Settings > Account Settings > API Credentials. Leave out with Enter.")
    try:
        answers = {name: getpass.getpass(f"{text}: ").strip() for name, text in _ASKED.items()}
    except EOFError:  # Ctrl-D: whoever typed it wants none of it
        sys.stderr.write("\n")
        return {}
    return {name: answer for name, answer in answers.items() if answer}


def _from_lines() -> dict[str, str]:
    """Return the keys by their names, and the region under its variable."""
    names = {variable: name for name, variable in VARIABLES.items()} | {REGION: REGION}
    found: dict[str, str] = {}
    for number, line in enumerate(_lines(), start=1):
        name, sign, value = line.strip().removeprefix("export ").partition("=")
        if not name or name.startswith("#"):
            continue
        if not sign or name.strip() not in names:
            # Without the line itself, which may be a key.
            raise Impossible(f"line {number} of standard input is not NAME=value with one of {', '.join(names)}")
        found[names[name.strip()]] = value.strip().strip("\"'")
    if (region := found.get(REGION)) and region not in TRACK_URLS:
        raise Impossible(f"{REGION} must be one of {', '.join(sorted(TRACK_URLS))}")
    return {name: value for name, value in found.items() if value}


def _lines() -> list[str]:
    """Return the lines of standard input, of which none may be left out unseen; raises Impossible."""
    try:
        text = sys.stdin.read(_MOST_CHARACTERS + 1) if sys.stdin is not None else ""
    except UnicodeDecodeError:
        raise Impossible(f"standard input is no {sys.stdin.encoding} text") from None
    lines = text.removeprefix(_BOM).splitlines()
    if len(text) > _MOST_CHARACTERS or len(lines) > _MOST_LINES:
        raise Impossible(
            f"standard input has more than {_MOST_LINES} lines or {_MOST_CHARACTERS} characters: give the keys alone"
        )
    return lines


def _kept(login: Login | None, given: Mapping[str, str]) -> dict[str, str]:
    """Return what is stored beside what is given now; not even read if nothing of it stays."""
    if login is None or given.keys() >= login.references.keys():
        return {}
    try:
        texts = {name: key_at(reference) for name, reference in login.references.items()}
    except Unreadable as error:
        raise Impossible(f"what is stored cannot be read ({error}); `cio-mcp logout` forgets it") from None
    if not login.fits(texts):
        raise Impossible("a login was broken off, and what is stored does not belong together: give all keys anew")
    return texts


def _keeper(*, in_file: bool) -> tuple[str, Callable[[Mapping[str, str]], dict[str, Reference]]]:
    name = None if in_file else keyring_name()
    if name is not None:
        return f"the keyring ({name})", keep_in_keyring
    if not in_file:
        say("There is no keyring here that can be used, so the keys go into files that only you can read.")
    return f"files beside {marker_path()}", keep_in_files


def _environment(texts: Mapping[str, str], region: str) -> dict[str, str]:
    """Return what a server with these keys would read, on the hosts that this environment names."""
    hosts = {name: os.environ[name] for name in ("CUSTOMERIO_TRACK_URL", "CUSTOMERIO_APP_URL") if name in os.environ}
    keys = {VARIABLES[name]: text for name, text in texts.items()}
    return {**hosts, **keys, "CUSTOMERIO_REGION": region, "CIO_MCP_LEDGER": "memory"}


def _regions(asked_for: str | None, login: Login | None) -> list[str]:
    """Return the regions in which the account may live, the likely one first."""
    if asked_for:
        return [asked_for]
    return sorted(TRACK_URLS, key=lambda region: (login is None or region != login.region, region != "us"))


def _unchecked(texts: Mapping[str, str], regions: list[str]) -> tuple[str, str] | None:
    """Return the likely region once the keys have the form of keys, and no workspace; raises SettingsError."""
    return load(_environment(texts, regions[0])).region, ""


def _checked(texts: Mapping[str, str], regions: list[str]) -> tuple[str, str] | None:
    """Return the region in which the keys work, and their workspace if that can be told.

    Returns None after saying what is wrong. Raises SettingsError.
    """
    found: dict[str, list[Finding]] = {}
    for region in regions:
        diagnosis = anyio.run(_diagnosed, _environment(texts, region))
        found[region] = diagnosis.findings
        if not any(finding.state is State.BAD for finding in diagnosis.findings):
            _tell(diagnosis.findings)
            return region, next(iter(diagnosis.workspaces.values()), "")
    _tell(max(found.values(), key=_working))  # the first of those in which as many work
    return None


def _working(findings: list[Finding]) -> int:
    return sum(finding.state is State.GOOD for finding in findings)


async def _diagnosed(environ: Mapping[str, str]) -> Diagnosis:
    async with wired(load(environ)) as wiring:
        settings, gateway = wiring.settings, wiring.gateway
        diagnosis = Diagnosis(settings=settings, gateway=gateway, now=time.time, source=Source.login())
        await diagnosis.run()
        return diagnosis


def _tell(findings: list[Finding]) -> None:
    for finding in findings:
        sys.stderr.write(f"{MARKS[finding.state]} {finding.subject}: {finding.text}\n")
        if finding.remedy and finding.state is State.BAD:
            sys.stderr.write(f"       {finding.remedy}\n")


def _mark(login: Login, before: Login | None) -> None:
    try:
        mark(login)
    except OSError as error:
        raise Impossible(f"{marker_path()} cannot be written: {error.strerror}") from None
    if before:
        forget([reference for reference in before.references.values() if reference not in login.references.values()])
