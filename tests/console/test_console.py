"""The operator's page as a program sees it: over a real socket, beside a real server."""

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.cli.commands import PROMPTLY, run, running
from tests.console.house import KEY, OPERATOR, House, house
from tests.ledger.engine import SECRET

DELETE = ("delete_person", {"identifier": "ada-1"})
NAME = "canary-segment-name"
ASSETS = ("/", "/app.js", "/app.css", "/icon.svg")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Serve one house for tests that leave nothing behind."""
    with house(tmp_path_factory.mktemp("console"), *OPERATOR, CIO_MCP_TIME_BUDGET="30") as served:
        yield served


@pytest.fixture
def opened(shown: House) -> Iterator[House]:
    """Sign in for one test."""
    assert shown.sign_in().status_code == 200
    yield shown
    shown.http.cookies.clear()


@pytest.fixture
def closed(shown: House) -> House:
    """Come as somebody who has not signed in."""
    shown.http.cookies.clear()
    return shown


@pytest.mark.parametrize("path", [*ASSETS, "/console/session"])
def test_every_answer_keeps_browsers_strict(closed: House, path: str) -> None:
    headers = closed.get(path).raise_for_status().headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_the_page_asks_nothing_of_anybody_else(closed: House) -> None:
    for path in ASSETS:
        text = closed.get(path).text.replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text.replace("// ", ""), "no address of another host"
        assert "innerHTML" not in text
        assert " style=" not in text
    assert "<script>" not in closed.get("/").text


def test_refusals_are_as_strict_and_say_nothing_of_the_page(closed: House) -> None:
    for path in ("/console/state", "/nothing", "/%2e%2e/pages.py", "/app.py"):
        answer = closed.get(path)
        assert answer.status_code in (401, 404)
        assert set(answer.json()) == {"error"}
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_with_a_key_nothing_is_told_to_whoever_has_not_signed_in(closed: House) -> None:
    assert closed.get("/console/session").json() == {"asks": True, "signed_in": False}
    assert closed.get("/console/state").status_code == 401
    assert closed.get("/console/state", Cookie=f"{cookie_of(closed)}=forged").status_code == 401
    assert closed.post("/console/approve", {"id": "any"}).status_code == 401


def cookie_of(served: House) -> str:
    """Return the name of the cookie that tells the operator."""
    answer = served.sign_in()
    served.http.cookies.clear()
    return answer.headers["set-cookie"].split("=")[0]


def test_a_session_is_a_cookie_that_no_script_and_no_other_site_gets(closed: House) -> None:
    parts = closed.sign_in().headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(parts)
    assert KEY not in parts[0]
    assert len(parts[0].split("=")[1]) >= 40
    assert closed.state["can_decide"] is True


def test_signing_out_ends_the_session_wherever_its_cookie_is_kept(opened: House) -> None:
    kept = dict(opened.http.cookies)
    answer = opened.http.request(
        "DELETE", f"{opened.origin}/console/session", headers={"Origin": opened.origin, "X-CIO-MCP-Console": "1"}
    )
    assert answer.json()["signed_in"] is False
    opened.http.cookies.update(kept)
    assert opened.get("/console/state").status_code == 401


def test_wrong_keys_are_refused_and_soon_nobody_may_try(tmp_path: Path) -> None:
    with house(tmp_path) as served:
        for wrong in ("", "x", KEY[:-1], KEY + "0", "\U0001f600"):
            assert served.sign_in(wrong).status_code == 401, wrong
        locked = served.sign_in(KEY)
        assert locked.status_code == 429, "the right one as well: who tries on learns nothing"
        assert 0 < int(locked.headers["retry-after"]) <= 60
        assert served.get("/console/state").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": None},
        {"X-CIO-MCP-Console": None},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/console/approve", "/console/reject", "/console/session"])
def test_no_other_page_can_ask_for_a_change(opened: House, path: str, headers: dict[str, str | None]) -> None:
    assert opened.post(path, {"id": "any", "key": KEY}, **headers).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example"]
)
@pytest.mark.parametrize("path", ["/", "/console/state", "/console/session"])
def test_a_name_that_was_rebound_to_this_machine_is_not_answered(opened: House, host: str, path: str) -> None:
    assert opened.get(path, Host=host).status_code == 421


@pytest.mark.parametrize("body", ["[]", "{}", '{"id": 1}', "nothing", "[" * 9000])
def test_a_body_that_says_nothing_decides_nothing(opened: House, body: str) -> None:
    headers = {"Origin": opened.origin, "X-CIO-MCP-Console": "1"}
    assert opened.http.post(f"{opened.origin}/console/approve", content=body, headers=headers).status_code == 400
    assert (
        opened.http.post(f"{opened.origin}/console/approve", content="x" * 20_000, headers=headers).status_code == 413
    )


def test_an_approval_lets_the_waiting_agent_go_on_and_the_record_says_who_gave_it(tmp_path: Path) -> None:
    with house(tmp_path, *OPERATOR) as served:
        assert served.sign_in().is_success
        waiting = served.calling(*DELETE)
        (asked,) = served.pending()
        assert (asked["tool"], asked["principal"], asked["is_whole"]) == ("delete_person", "local", True)
        assert asked["plan"]["request"]["path"].endswith("/customers/ada-1")
        assert 0 < asked["expires_in"] <= 600
        assert served.state["now"][0]["tool"] == "delete_person"
        assert served.post("/console/approve", {"id": asked["id"]}).json() == {
            "operation": asked["operation"],
            "state": "approved",
        }
        assert waiting.result() == {"accepted": True}
        again = served.post("/console/approve", {"id": asked["id"]})
        assert again.status_code == 409
        assert "does not wait any more" in again.json()["error"]["message"]
        line = served.waits_until(
            lambda state: next((c for c in state["record"]["calls"] if c.get("ending") == "ok"), None)
        )
        assert (line["tool"], line["decision"]) == ("delete_person", "confirmed: operator console")
        assert served.state["record"]["pending"] == served.state["now"] == []
    approved = [record for record in served.records() if record["kind"] == "approved"]
    assert [record["by"] for record in approved] == ["console"]


def test_an_operator_signs_in_with_a_token_of_theirs_and_the_record_names_them(tmp_path: Path) -> None:
    kept = ("--ledger", str(tmp_path / "state" / "ledger.sqlite3"))
    agent = run("token", "create", "agent", "--grant", "*:*", *kept).out.strip()
    on_call = run("token", "create", "on-call", "--operator", *kept).out.strip()
    with house(tmp_path, *OPERATOR, "--auth", "tokens", key=None) as served:
        assert served.get("/console/state").status_code == 401
        assert served.sign_in(agent).status_code == 401
        assert served.sign_in(on_call).is_success
        waiting = served.calling(*DELETE, token=agent)
        (asked,) = served.pending()
        assert (asked["principal"], asked["is_whole"]) == ("agent", True)
        assert served.post("/console/approve", {"id": asked["id"]}).is_success
        assert waiting.result() == {"accepted": True}
        run("token", "revoke", "on-call", *kept)
        assert served.get("/console/state").status_code == 401, "what was revoked must not count a second longer"
    assert [record["by"] for record in served.records() if record["kind"] == "approved"] == ["console on-call"]


def test_a_rejection_sends_nothing(tmp_path: Path) -> None:
    with house(tmp_path, *OPERATOR) as served:
        assert served.sign_in().is_success
        waiting = served.calling(*DELETE)
        (asked,) = served.pending()
        assert served.post("/console/reject", {"id": asked["id"]}).json()["state"] == "rejected"
        assert waiting.result()["error"]["code"] == "not_confirmed"
        assert "Nothing waits" in served.command("pending").out
    assert not [record for record in served.records() if record["kind"] == "intent"]


def test_a_decision_is_on_the_plan_that_was_shown_and_on_no_other(tmp_path: Path) -> None:
    with house(tmp_path, *OPERATOR) as served:
        assert served.sign_in().is_success
        first, second = served.calling(*DELETE), served.calling("delete_person", {"identifier": "bob-2"})
        asked = {each["plan"]["request"]["path"].rpartition("/")[2]: each for each in served.pending(2)}
        assert served.post("/console/approve", {"id": asked["bob-2"]["operation"]}).status_code == 409, (
            "an id of the page"
        )
        assert served.post("/console/reject", {"id": asked["ada-1"]["id"]}).is_success
        assert served.post("/console/approve", {"id": asked["bob-2"]["id"]}).is_success
        assert first.result()["error"]["code"] == "not_confirmed"
        assert second.result() == {"accepted": True}


def test_what_one_replica_asks_is_decided_on_the_page_of_another(
    tmp_path: Path, postgres_url: str, sandbox_variables: dict[str, str], sandbox: httpx2.Client
) -> None:
    store = {"CIO_MCP_STORE": postgres_url, "CIO_MCP_LEDGER_KEY": SECRET, **sandbox_variables}
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with house(tmp_path / "one", *OPERATOR, **store) as one, house(tmp_path / "two", *OPERATOR, **store) as two:
        assert two.sign_in().is_success
        waiting = one.calling(*DELETE)
        (asked,) = two.pending()
        assert two.post("/console/approve", {"id": asked["id"]}).is_success
        assert waiting.result() == {"accepted": True}
        done = two.waits_until(lambda state: next((c for c in state["record"]["calls"] if c.get("ending")), None))
        assert (done["state"], done["decision"]) == ("ok", "confirmed: operator console")
        chain = two.waits_until(lambda state: "age" in state["record"]["chain"] and state["record"]["chain"])
        assert chain["state"] == "holds"
        assert two.state["now"] == [], "what goes on in this process"
    assert sum(request["method"] == "DELETE" for request in sandbox.get("/journal").json()["requests"]) == 1


def test_without_a_key_this_machine_may_look_but_reads_no_names_and_decides_nothing(tmp_path: Path) -> None:
    with house(tmp_path, *OPERATOR, key=None, CIO_MCP_TIME_BUDGET="3") as served:
        made = served.call("create_segment", {"name": NAME, "description": "x"})
        waiting = served.calling("delete_segment", {"segment_id": made["segment"]["id"]})
        (asked,) = served.pending()
        assert asked["plan"]["does"].startswith("Delete a segment")
        assert {"request", "found_now", "written_by_others"}.isdisjoint(asked["plan"])
        assert (asked["is_whole"], served.state["can_decide"]) == (False, False)
        assert NAME not in json.dumps(served.state)
        assert NAME in served.command("pending").out, "that is where the whole of it is read"
        for what in ("approve", "reject"):
            refused = served.post(f"/console/{what}", {"id": asked["id"]})
            assert refused.status_code == 403
            assert "CIO_MCP_CONSOLE_KEY" in refused.json()["error"]["message"]
        assert served.sign_in().status_code == 401
        assert waiting.result()["error"]["code"] == "approval_needed"


def test_no_secret_and_no_personal_data_is_told_beside_plans(
    tmp_path: Path, sandbox_variables: dict[str, str], sandbox: httpx2.Client
) -> None:
    email = "canary-person@example.com"
    secrets = [KEY, *(value for name, value in sandbox_variables.items() if name.endswith(("_KEY", "SITE_ID")))]
    with house(tmp_path, **sandbox_variables) as served:
        served.call("identify_person", {"identifier": email, "attributes": {"first_name": "canary-first-name"}})
        served.call("find_people_by_email", {"email": email})
        assert served.sign_in().is_success
        assert {"identify_person", "find_people_by_email"} <= {
            call.get("tool") for call in served.state["record"]["calls"]
        }
        told = "".join(served.get(path).text for path in (*ASSETS, "/console/state", "/console/session"))
    assert quote(email, safe="") in sandbox.get("/journal").text, "it was there to be told"
    written = told + "".join([*served.process.err, *served.process.out])
    assert [each for each in (*secrets, "canary") if each in written] == []


def test_what_waits_for_a_slot_and_what_is_left_of_each_budget_is_seen_live(tmp_path: Path) -> None:
    with house(tmp_path, "--limit-app", "1/3") as served:
        assert served.sign_in().is_success
        reads = [served.calling("list_segments") for _ in range(3)]
        state = served.waits_until(lambda state: state if state["budgets"] and state["budgets"][0]["queued"] else None)
        (budget,) = state["budgets"]
        assert (budget["name"], budget["limit"], budget["window"], budget["available"]) == ("app/app", 1, 3.0, 0)
        assert {flight["tool"] for flight in state["now"]} == {"list_segments"}
        assert state["under_way"] == len(state["now"])
        for read in reads:
            assert "segments" in read.result()
        assert served.waits_until(lambda state: not state["now"] and state["record"]["calls"][0]["state"] == "ok")


def test_a_stop_is_seen_with_its_reason_and_so_is_its_end(opened: House) -> None:
    assert opened.state["record"]["stop"] is None
    assert opened.command("stop", "too many mails").code == 0
    stop = opened.waits_until(lambda state: state["record"]["stop"])
    assert stop["reason"] == "too many mails"
    assert time.time() - stop["since"] < PROMPTLY
    assert opened.call("identify_person", {"identifier": "ada-1"})["error"]["code"] == "writes_stopped"
    refused = opened.waits_until(
        lambda state: next((c for c in state["record"]["calls"] if c.get("code") == "writes_stopped"), None)
    )
    assert (refused["state"], refused["decision"]) == ("refused", "refused")
    assert opened.command("resume").code == 0
    assert opened.waits_until(lambda state: state["record"]["stop"] is None)
    assert "resume" in {call["kind"] for call in opened.state["record"]["calls"]}


def test_the_chain_is_verified_and_its_head_can_be_noted(tmp_path: Path) -> None:
    with house(tmp_path) as served:
        served.call("list_segments")
        assert served.sign_in().is_success
        chain = served.waits_until(
            lambda state: state["record"]["chain"] if "age" in state["record"]["chain"] else None
        )
        assert chain["state"] == "holds"
        assert chain["records"] >= 1
        assert served.command("audit", "verify", "--head", served.state["record"]["chain"]["head"]).code == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = replace(body, '\"ok\"', '\"failed\"') WHERE seq = 3",
        "UPDATE records SET body = 'none' WHERE seq = 3",
        "UPDATE records SET mac = 'abc' WHERE seq = 3",
    ],
)
def test_a_record_that_was_changed_is_seen_on_the_page(statement: str, tmp_path: Path) -> None:
    with house(tmp_path) as served:
        for _ in range(3):
            served.call("list_segments")
    with closing(sqlite3.connect(served.ledger, isolation_level=None)) as connection:
        assert connection.execute(statement).rowcount
    with house(tmp_path) as served:
        assert served.sign_in().is_success
        chain = served.waits_until(
            lambda state: state["record"]["chain"] if "age" in state["record"]["chain"] else None
        )
        assert (chain["state"], chain["flaw"]) == ("broken", "changed")
        assert "record 3" in chain["text"]
        assert served.call("list_segments")["segments"], "who looks at a broken record does not end its server"


def test_an_outcome_that_nobody_knows_is_listed_whoevers_it_is(
    tmp_path: Path, sandbox_variables: dict[str, str], sandbox: httpx2.Client
) -> None:
    fault = {"kind": "reset", "match": "POST /v1/send/email", "times": None, "when": "after"}
    assert sandbox.post("/faults", json=fault).is_success
    email = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "transactional_message_id": 1}
    with house(tmp_path, "--agent", "canary-agent", **sandbox_variables) as served:
        assert served.call("send_email", email)["error"]["code"] == "outcome_unknown"
    with house(tmp_path, "--agent", "another", **sandbox_variables) as served:
        assert served.sign_in().is_success
        (unknown,) = served.state["record"]["unknown"]
        assert (unknown["tool"], unknown["principal"], unknown["looked_for"]) == ("send_email", "canary-agent", "")
        assert "ada@example.com" not in json.dumps(served.state)


def test_a_ledger_that_cannot_be_read_is_told_and_nothing_else_breaks(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "ledger.sqlite3").write_bytes(b"no ledger at all")
    (tmp_path / "state" / "ledger.sqlite3").chmod(0o600)
    with house(tmp_path) as served:
        assert served.sign_in().is_success
        state = served.state
        assert state["record"] is None
        assert "ledger.sqlite3" in state["problem"]
        assert served.post("/console/approve", {"id": "any"}).status_code == 503
        assert "segments" in served.call("list_segments")


def test_what_clients_call_themselves_is_shown_with_what_it_hides(opened: House) -> None:
    hostile = "<img src=x onerror=alert(1)>\u202egnp.exe\u200b"
    opened.call("list_segments", client=hostile)
    call = opened.waits_until(
        lambda state: next((c for c in state["record"]["calls"] if "img" in c.get("caller", "")), None)
    )
    assert "\u202e" not in call["caller"]
    assert "\\u{202e}" in call["caller"]


def test_it_is_shown_beside_stdio_too_and_ends_with_it() -> None:
    with running("serve", "--sandbox", "--console", "0") as server:
        page = server.wait_for("operator's page at").split()[-1]
        server.handshake()
        server.call(1, "list_segments", modern=False)
        with httpx2.Client(timeout=PROMPTLY, trust_env=False) as http:  # its connection stays open
            state = http.get(f"{page}console/state").raise_for_status().json()
            assert state["record"]["calls"][0]["tool"] == "list_segments"
            began = time.monotonic()
            assert server.process.stdin is not None
            server.process.stdin.close()
            assert server.process.wait(PROMPTLY) == 0
            assert time.monotonic() - began < 2, "clients wait two seconds, then they signal"


def test_a_signal_ends_server_and_page_in_order(tmp_path: Path) -> None:
    with house(tmp_path) as served:
        served.get("/console/session")
        served.process.process.send_signal(signal.SIGTERM)
        assert served.process.process.wait(PROMPTLY) == 0
        with pytest.raises(httpx2.ConnectError):
            served.get("/console/session")


@pytest.mark.parametrize(
    ("flags", "key", "said"),
    [
        (("--console", "0.0.0.0:0"), None, "CIO_MCP_CONSOLE_KEY"),
        (("--console", "0.0.0.0:0"), KEY, "--allowed-hosts"),
        (("--console", "example.com:0"), KEY, "not a loopback address"),
        (("--console", "0"), KEY[:31], "32 characters or more"),
        (("--console", "99999"), KEY, "a port from 0 to 65535"),
        (("--console", "canary"), KEY, "a port from 0 to 65535"),
    ],
)
def test_it_does_not_start_where_anybody_could_come_in(flags: tuple[str, ...], key: str | None, said: str) -> None:
    ended = run("serve", "--sandbox", "--http", "0", *flags, env={"CIO_MCP_CONSOLE_KEY": key} if key else {}, given=b"")
    assert (ended.code, said in ended.err.splitlines()[-1]) == (2, True), ended
    assert KEY[:31] not in ended.err


def test_a_taken_port_is_told(shown: House) -> None:
    ended = run("serve", "--sandbox", "--console", shown.origin.rpartition(":")[2], given=b"")
    assert (ended.code, "--console: port" in ended.err.splitlines()[-1]) == (2, True), ended


def test_behind_a_proxy_it_is_reached_by_the_names_that_are_allowed_and_needs_the_key(tmp_path: Path) -> None:
    hosts = {"CIO_MCP_ALLOWED_HOSTS": "console.example.com", "CIO_MCP_INSECURE_LOOPBACK": "true"}
    with house(tmp_path, **hosts) as served:
        by = {"Host": "console.example.com"}
        assert served.get("/", **by).status_code == 200
        assert served.get("/console/state", **by).status_code == 401
        assert served.post("/console/session", {"key": KEY}, **by).status_code == 403, "the origin is another"
        answer = served.post("/console/session", {"key": KEY}, **by, Origin="https://console.example.com")
        assert answer.is_success
        assert "Secure" in answer.headers["set-cookie"].split("; ")
    with house(tmp_path, key=None, **hosts) as served:
        assert served.get("/", Host="console.example.com").status_code == 421


def test_many_looks_cost_the_agents_nothing(opened: House) -> None:
    looks = [opened.agents.submit(lambda: opened.state) for _ in range(60)]
    assert "segments" in opened.call("list_segments")
    states: list[Any] = [look.result() for look in looks]
    assert len({state["at"] for state in states}) < len(states), "several pages share one look"
