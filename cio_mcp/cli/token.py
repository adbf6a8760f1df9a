"""`cio-mcp token`: make, list and revoke the tokens by which agents are known over HTTP."""

import argparse
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import anyio

from cio_mcp.agents.token_store import KeptToken, Permit, Proof, TokensUnavailable
from cio_mcp.agents.tokens import id_named, mint, public_name
from cio_mcp.cli.ledger_file import Impossible, add_store, fail, say, user, visible, when
from cio_mcp.cli.token_place import TokenPlace, token_place
from cio_mcp.cli.token_words import permit_of, seconds_of
from cio_mcp.ledger.terms import Unrecorded
from cio_mcp.settings import SettingsError

_NEVER = "never"
_ONLY_CREATE = ("grant", "workspace", "expires", "operator")
Work = Callable[[TokenPlace, argparse.Namespace], Awaitable[int]]


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what can be done with tokens."""
    command.add_argument(
        "what",
        metavar="create|list|revoke",
        choices=("create", "list", "revoke"),
        help="create NAME: print a new token of an agent, this once; list: all tokens, without their text; "
        "revoke NAME|ID: end all of an agent's, or one, in every server",
    )
    command.add_argument("name", metavar="NAME", nargs="?", help="the agent, as in the grants file and in the record")
    command.add_argument(
        "--grant",
        metavar="AREA:ACCESS,...",
        action="append",
        help="create: what its holder may do, within what the server allows; *:* for all of that",
    )
    command.add_argument(
        "--workspace",
        metavar="NAME,...",
        action="append",
        help="create: only these of the workspaces that the workspaces file binds it to (default: all of those); an "
        "agent that the file does not name reaches these",
    )
    command.add_argument("--expires", metavar="90d", help="create: its end, in h, d or w from now (default: never)")
    command.add_argument(
        "--operator",
        action="store_true",
        help="create: an operator's, which signs in on the page of --console, and sees what all agents did",
    )
    command.add_argument("--json", action="store_true", help="list: print JSON lines")
    add_store(command)


def run(arguments: argparse.Namespace) -> int:
    """Create, list or revoke; 1 if that could not be done."""
    _check_usage(arguments)
    work: Work = {"create": _create, "list": _list, "revoke": _revoke}[arguments.what]
    try:
        return anyio.run(_at_place, work, arguments)
    except (Impossible, TokensUnavailable, Unrecorded) as error:
        return fail(str(error))


async def _at_place(work: Work, arguments: argparse.Namespace) -> int:
    async with token_place(arguments) as place:
        return await work(place, arguments)


def _check_usage(arguments: argparse.Namespace) -> None:
    if (arguments.name is None) is not (arguments.what == "list"):
        raise SettingsError("token create takes one NAME, token revoke one NAME or ID, token list neither")
    for flag in _ONLY_CREATE if arguments.what != "create" else ():
        if getattr(arguments, flag):
            raise SettingsError(f"--{flag} belongs to token create; what a token may do is never changed: make another")
    if arguments.json and arguments.what != "list":
        raise SettingsError("--json belongs to token list")


async def _create(place: TokenPlace, arguments: argparse.Namespace) -> int:
    permit, lifetime = permit_of(arguments), seconds_of(arguments.expires)
    text, proof = mint()
    # Recorded first: no token may exist that stands in no record; a record of one that came to nothing harms nobody.
    await place.record("token created", _recorded(proof, permit, lifetime))
    kept = await place.store.add(proof, permit, by=user(), lifetime=lifetime)
    try:
        say(text.reveal())
        sys.stdout.flush()
    except OSError:
        _drop_output()
        await place.store.revoke(proof.id)
        await place.record("token revoked", _recorded(proof, permit))
        raise Impossible("the token could not be written to standard output, so it was revoked") from None
    sys.stderr.write(visible(_explanation(kept)))
    return 0


async def _list(place: TokenPlace, arguments: argparse.Namespace) -> int:
    tokens, now = await place.store.tokens()
    if not tokens:
        sys.stderr.write("There are no tokens yet: cio-mcp token create NAME --grant AREA:ACCESS\n")
    for kept in tokens:
        row = _row(kept, now)
        say(json.dumps(row) if arguments.json else visible(_line(row)))
    return 0


async def _revoke(place: TokenPlace, arguments: argparse.Namespace) -> int:
    """End tokens before anything else that could fail, and record it then."""
    meant = _meant(arguments.name, (await place.store.tokens())[0])
    ended = [kept for kept in meant if await place.store.revoke(kept.proof.id)]
    for kept in ended:
        say(f"Revoked: {_named(kept)}. It proves nobody any more, in any server.")
    if not ended:
        say(f"Nothing was left to revoke: {', '.join(map(_named, meant))}.")
    try:
        for kept in ended:
            await place.record("token revoked", _recorded(kept.proof, kept.permit))
    except (Impossible, Unrecorded) as problem:
        fail(str(problem))
        sys.stderr.write("cio-mcp: the revocation holds all the same, but stands in no record\n")
    return 0


def _meant(text: str, tokens: Sequence[KeptToken]) -> list[KeptToken]:
    """Return the tokens that a name or an id means; a token itself, as it was found somewhere, means its id."""
    token_id = id_named(text)
    found = [kept for kept in tokens if text == kept.permit.agent or token_id == kept.proof.id]
    if not found:  # not by its text, which may be a secret
        raise Impossible("there is no token of this NAME or ID; `cio-mcp token list` shows those that there are")
    return found


def _recorded(proof: Proof, permit: Permit, lifetime: float | None = None) -> dict[str, Any]:
    told = {"token": public_name(proof.id), "agent": permit.agent, "by": user(), **_permitted(permit)}
    return told if lifetime is None else told | {"lifetime": lifetime}


def _permitted(permit: Permit) -> dict[str, Any]:
    told: dict[str, Any] = {"grants": sorted(map(str, permit.grants))}
    if permit.workspaces is not None:
        told["workspaces"] = sorted(permit.workspaces)
    return told | ({"operator": True} if permit.is_operator else {})


def _row(kept: KeptToken, now: float) -> dict[str, Any]:
    times = {"created": kept.created_at, "expires": kept.expires_at, "revoked": kept.revoked_at, "used": kept.used_at}
    return {
        "id": public_name(kept.proof.id),
        "agent": kept.permit.agent,
        "state": kept.state(now).value,
        **_permitted(kept.permit),
        "by": kept.created_by,
        **{name: when(at) for name, at in times.items() if at is not None},
    }


def _line(row: dict[str, Any]) -> str:
    said = [f"{row['id']}  {row['state']:7}  {row['agent']}", *_terms(row), f"created {row['created']} by {row['by']}"]
    said += [f"{name} {row[name]}" for name in ("expires", "revoked") if name in row]
    return "  ".join([*said, f"used {row.get('used', _NEVER)}"])


def _terms(row: dict[str, Any]) -> list[str]:
    terms = [",".join(row["grants"]) or "no grants"]
    if "workspaces" in row:
        terms.append(f"in {','.join(row['workspaces'])}")
    return terms + (["operator"] if row.get("operator") else [])


def _explanation(kept: KeptToken) -> str:
    permit = kept.permit
    return (
        f"That is {_named(kept)}, shown this once: put it where the agent's client keeps its secrets.\n"
        f"  may         {', '.join(_terms(_permitted(permit)))}, within what the server allows\n"
        f"  reaches     {_reach(permit)}\n"
        f"  expires     {_NEVER if kept.expires_at is None else when(kept.expires_at)}\n"
        f"  sent as     Authorization: Bearer TOKEN\n"
        f"  to end it   cio-mcp token revoke {public_name(kept.proof.id)}\n"
    )


def _reach(permit: Permit) -> str:
    if permit.workspaces is None:
        own = "; an operator's own tools reach all" if permit.is_operator else ""
        return f"the workspaces that the server's workspaces file binds it to, or the only one{own}"
    return f"{','.join(sorted(permit.workspaces))}, or those of them that the server's workspaces file binds it to"


def _named(kept: KeptToken) -> str:
    return f"{public_name(kept.proof.id)} of {visible(kept.permit.agent)}"


def _drop_output() -> None:
    """Forget what could not be written: it is a token, and would be tried again at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
