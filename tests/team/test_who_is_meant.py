"""Whom a grants file and a workspaces file mean, where agents prove themselves by tokens, ours or an issuer's."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cio_mcp.agents.token_store import Permit
from tests.agents.issuers import RESOURCE, PlainIssuer, SigningKey, claims_of
from tests.team.house import ALL, Team, calling, team

pytestmark = pytest.mark.anyio

KEY = SigningKey("first")
GRANTS = """
profile = "admin"
[agents.ada]
[agents."ada via reports"]
deny = ["segments:read"]
[agents.top-secret-project]
[agents.local]
"""
BINDINGS = """
[workspaces.alpha]
[workspaces.beta]
[agents.receipts]
workspaces = ["beta"]
[agents.ada]
workspaces = ["beta"]
[agents."ada via claude"]
workspaces = ["alpha"]
[agents.local]
workspaces = ["alpha", "beta"]
"""
READING = "segments:read customers:read people:write"


@pytest.fixture
def issuer() -> Iterator[PlainIssuer]:
    issuer = PlainIssuer()
    with issuer.serving():
        issuer.publish(KEY.jwk())
        yield issuer


@asynccontextmanager
async def asking(
    folder: Path, issuer: PlainIssuer, *flags: str, grants: str = GRANTS, permits: tuple[Permit, ...] = (), **more: str
) -> AsyncIterator[Team]:
    """Start a server with a grants file that takes tokens of its own and of an issuer."""
    file = folder / "grants.toml"
    file.write_text(grants, encoding="utf-8")
    file.chmod(0o600)
    trusted = ("--auth", "tokens,oauth", "--oauth-issuer", issuer.url, "--public-url", RESOURCE)
    async with team(folder, permits, "--grants", str(file), *trusted, *flags, **more) as house:
        yield house


def token_of(issuer: PlainIssuer, scope: str = READING, **claims: Any) -> str:
    return KEY.sign(claims_of(issuer.url, scope=scope, **claims))


async def answer(house: Team, token: str, tool: str = "list_segments", **arguments: Any) -> dict[str, Any]:
    """Return the result of a call, or its error."""
    found = await house.call(token, tool, arguments)
    error: dict[str, Any] = found.get("error", found)
    return error


def scopes_in(response: httpx2.Response) -> str:
    return response.headers["www-authenticate"].partition('scope="')[2].partition('"')[0]


async def test_who_proves_to_be_called_local_may_do_no_more_than_any_stranger(
    tmp_path: Path, issuer: PlainIssuer
) -> None:
    event = {"identifier": "ada-1", "name": "never"}
    permits = (Permit(agent="local", grants=ALL),)  # as one of an older server may be
    async with asking(tmp_path, issuer, permits=permits) as house:
        for token in (token_of(issuer, sub="mallory"), token_of(issuer, sub="local"), "local"):
            assert (await answer(house, token))["code"] == "not_permitted"
            assert (await answer(house, token, "track_event", **event))["code"] == "not_permitted"
    assert [record for record in house.records if record["kind"] == "intent"] == []


async def test_whom_nobody_asks_is_local_still(tmp_path: Path) -> None:
    file = tmp_path / "grants.toml"
    file.write_text('profile = "safe"\n[agents.ada]\n', encoding="utf-8")
    file.chmod(0o600)
    house = Team(url="", ledger=tmp_path, tokens={}, http=None)  # type: ignore[arg-type] # only its command is used
    words = ("call", "list_segments", "--sandbox", "--grants", str(file), "--ledger", "memory")
    here, stranger = await house.command(*words), await house.command(*words, "--agent", "adda")
    assert (here.code, "segments" in here.out) == (0, True)
    assert (stranger.code, "(did you mean ada?)" in stranger.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('profile = "safe"\n', "names no agent, and one that it does not name may do nothing"),
        ('profile = "safe"\n[agents.local]\n', "add a table [agents.NAME] for each"),
        ('[agents.ada]\nprofile = "safe"\n', "--profile stands beside the profile that"),
    ],
)
async def test_a_file_that_serves_none_of_its_agents_is_told_at_the_start(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "grants.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    house = Team(url="", ledger=tmp_path, tokens={}, http=None)  # type: ignore[arg-type] # only its command is used
    flags = ("--profile", "support") if "ada" in text else ()
    words = ("serve", "--sandbox", "--http", "0", "--auth", "tokens", "--grants", str(file), *flags)
    ended = await house.command(*words, CIO_MCP_LEDGER=str(tmp_path / "ledger.sqlite3"))
    assert ended.code == 2
    assert said in ended.err


async def test_a_stranger_is_not_told_whom_the_file_names_nor_where_it_lies(
    tmp_path: Path, issuer: PlainIssuer
) -> None:
    async with asking(tmp_path, issuer, permits=(Permit(agent="stranger", grants=ALL),)) as house:
        refused = await answer(house, "stranger")
        denied = await answer(house, token_of(issuer, sub="ada", client_id="reports"))
    assert "segments:read is not allowed in the grants file, which does not name this agent." in refused["message"]
    told = str(refused) + str(denied)
    assert not [word for word in ("top-secret-project", "grants.toml", "--agent", str(tmp_path)) if word in told]


async def test_an_issuers_agent_is_meant_by_its_subject_and_first_by_the_client_beside_it(
    tmp_path: Path, issuer: PlainIssuer
) -> None:
    async with asking(tmp_path, issuer) as house:
        through = {"sub": "ada", "client_id": "claude"}
        for claims in ({"sub": "ada"}, through, {"sub": "ada", "azp": "claude"}):
            assert "segments" in await answer(house, token_of(issuer, **claims))
        narrowed = await answer(house, token_of(issuer, sub="ada", client_id="reports"))
        forged = ("ada via claude", "ada via reports", "ada\n", "ADA", "ada (x)", "bob")
        others = [await answer(house, token_of(issuer, sub=sub, client_id="claude")) for sub in forged]
        others.append(await answer(house, token_of(issuer, sub="claude", client_id="ada")))
    assert narrowed["rule"] == "deny segments:read"
    assert {each["code"] for each in others} == {"not_permitted"}
    assert f"ada via claude ({issuer.url})" in {record["principal"] for record in house.records}


async def test_a_token_narrows_what_its_agent_is_bound_to_and_never_widens_it(
    tmp_path: Path, issuer: PlainIssuer
) -> None:
    permits = (
        Permit(agent="receipts", grants=ALL, workspaces=frozenset({"alpha"})),
        Permit(agent="unbound", grants=ALL, workspaces=frozenset({"alpha"})),
    )
    everybody = "[agents.receipts]\nprofile='safe'\n[agents.unbound]\nprofile='safe'\n[agents.ada]\nprofile='safe'\n"
    flags = ("--oauth-workspace-claim", "ws")
    async with asking(tmp_path, issuer, *flags, grants=everybody, permits=permits, workspaces=BINDINGS) as house:

        async def reached(token: str) -> str:
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            tools = (await house.post(token, message)).json()["result"]["tools"]
            offered = [tool["inputSchema"]["properties"].get("workspace", {}).get("enum") for tool in tools]
            return ",".join(offered[0]) if offered and offered[0] else "one" if tools else "none"

        ada, claude = {"sub": "ada"}, {"sub": "ada", "client_id": "claude"}
        found = {
            "a token for another than the file says": await reached("receipts"),
            "a token of an agent that the file does not name": await reached("unbound"),
            "a claim of another": await reached(token_of(issuer, **ada, ws="alpha")),
            "a claim of all": await reached(token_of(issuer, **ada, ws="alpha beta")),
            "no claim": await reached(token_of(issuer, **ada)),
            "through a client that is bound by itself": await reached(token_of(issuer, **claude, ws="beta")),
            "the same, for its own": await reached(token_of(issuer, **claude, ws="alpha beta")),
            "local": await reached(token_of(issuer, sub="local")),
        }
    assert list(found.values()) == ["none", "one", "none", "one", "none", "none", "one", "none"], found


async def test_an_operator_needs_no_workspace_for_the_tools_of_an_operator(tmp_path: Path) -> None:
    permits = [Permit(agent="one", grants=ALL, workspaces=frozenset({"alpha"}))]
    permits += [Permit(agent="opsy", grants=ALL, is_operator=True), Permit(agent="plain", grants=ALL)]
    async with team(tmp_path, permits, workspaces=BINDINGS) as house:
        made = (await house.post("one", calling("create_segment", {"name": "Mine"}))).json()
        operation = made["result"]["_meta"]["cio-mcp/call"]["operation"]
        seen = await house.call("opsy", "get_operation", {"operation": operation, "workspace": "alpha"})
        read = await house.call("opsy", "list_segments", {"workspace": "alpha"})
        nothing = (await house.post("plain", calling("get_rate_budget", {}))).json()
    assert (seen["principal"], seen["tool"]) == ("one", "create_segment")
    assert "the workspaces file, which binds this agent to none" in read["error"]["message"]
    assert "you may reach no workspace" in nothing["error"]["message"]


async def test_every_tool_that_an_agent_lacks_a_scope_for_says_which(tmp_path: Path, issuer: PlainIssuer) -> None:
    own = {
        "list_segments": "segments:read",
        "get_delivery_timeline": "customers:read",
        "list_delivery_events": "customers:read",
        "wait_for_delivery": "customers:read",
        "why_no_message": "customers:read",
        "preflight_broadcast": "broadcasts:read",
    }
    async with asking(tmp_path, issuer) as house:
        token = token_of(issuer, "messaging:send", sub="ada")
        refused = {tool: await house.post(token, calling(tool, {})) for tool in own}
        free = await house.post(token, calling("get_rate_budget", {}))
    assert {tool: (each.status_code, scopes_in(each)) for tool, each in refused.items()} == {
        tool: (403, scope) for tool, scope in own.items()
    }
    assert free.status_code == 200


async def test_who_has_no_token_learns_what_agents_may_read_whoever_the_process_was_started_for(
    tmp_path: Path, issuer: PlainIssuer
) -> None:
    reading = '[agents.ada]\nallow = ["segments:read", "messaging:send"]\n[agents.bob]\nallow = ["customers:read"]\n'
    async with asking(tmp_path, issuer, grants=reading) as house:
        asked = await house.post(None, calling("list_segments", {}))
        host = house.url.removesuffix("/mcp")
        published = (await house.http.get(f"{host}/.well-known/oauth-protected-resource/mcp")).json()
    assert (asked.status_code, scopes_in(asked)) == (401, "customers:read segments:read")
    assert published["scopes_supported"] == ["customers:read", "segments:read"]
