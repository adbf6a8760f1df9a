"""The operator's page in a real browser: what a person sees, reads and presses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, ViewportSize

from tests.console.browser import NARROW, WIDE, Tab, chromium, tab
from tests.console.house import OPERATOR, House, house

__all__ = ["chromium"]

Scheme = Literal["light", "dark"]
HOSTILE = "<img src=x onerror=\"alert('canary')\"><script>alert('canary')</script>"
HIDDEN = "pay\u202egnp.exe\u200b"
LONG = "a-name-without-a-single-space-" * 6


@contextmanager
def looking(browser: Browser, *, scheme: Scheme = "light", size: ViewportSize = WIDE) -> Iterator[BrowserContext]:
    """Open a window of its own: no cookies, a colour scheme, a size."""
    context = browser.new_context(color_scheme=scheme, viewport=size)
    yield context
    context.close()


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Serve a house in which everything happens: calls of all kinds, hostile and long names, questions that wait."""
    folder = tmp_path_factory.mktemp("busy")
    with house(folder, *OPERATOR, CIO_MCP_TIME_BUDGET="600", CIO_MCP_LIMIT_APP="20/4") as served:
        for name in (HOSTILE, HIDDEN, LONG):
            made = served.call("create_segment", {"name": name[:180], "description": name})
            served.calling("delete_segment", {"segment_id": made["segment"]["id"]}, client=name)
        served.calling("trigger_broadcast", {"broadcast_id": 10, "data": {"note": HOSTILE}})
        served.calling("delete_person", {"identifier": "ada-1"})
        for number in range(70):
            served.call("track_event", {"identifier": "ada-1", "name": f"event-{number}"}, client=LONG)
        served.call("suppress_person", {"identifier": "ada-1", "dryRun": True})
        served.call("find_people_by_email", {"email": "ada@example.com"})
        assert served.sign_in().is_success
        served.pending(5)
        yield served


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_in_both_themes_and_on_a_phone(
    chromium: Browser, busy: House, tmp_path: Path, scheme: Scheme, size: ViewportSize
) -> None:
    with looking(chromium, scheme=scheme, size=size) as context:
        seen = tab(context, busy)
        seen.wait("#sign-in")
        assert seen.dim() == []
        seen.picture(tmp_path, "sign-in")
        seen.sign_in()
        seen.wait(".ask")
        seen.until("document.querySelectorAll('.ask').length === 5")
        seen.until("document.querySelector('#tile-chain strong').textContent === 'Holds'")
        seen.page.click("#calls-list summary >> nth=0")
        busy.calling("list_segments")
        seen.wait(".budget")
        assert (seen.overflow, seen.dim(), seen.complaints) == (0, [], [])
        assert seen.page.title() == "(5) cio-mcp"
        seen.picture(tmp_path, "busy")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "phone"])
def test_several_workspaces_and_an_agent_with_long_names_fit(
    chromium: Browser, tmp_path: Path, size: ViewportSize
) -> None:
    names = ("a-long-workspace-nam-e", "staging")
    file = tmp_path / "workspaces.toml"
    file.write_text("".join(f'[workspaces.{name}]\napp_api_key = "env:NOBODYS"\n' for name in names), encoding="utf-8")
    file.chmod(0o600)
    flags = ("--workspaces", str(file), "--agent", LONG[:80], "--limit-app", "1/4", "--confirm", "off")
    with house(tmp_path, *flags) as served, looking(chromium, size=size) as context:
        reads = [served.calling("list_segments", {"workspace": name}) for name in names for _ in range(3)]
        seen = tab(context, served)
        seen.sign_in()
        seen.until("document.querySelectorAll('.budget').length === 2")
        seen.until("document.querySelectorAll('#now-list .row').length > 0")
        assert names[0] in seen.text("#budgets-list")
        for read in reads:
            assert "segments" in read.result()
        seen.until("document.querySelectorAll('.call').length === 6")
        inside = "[...document.querySelectorAll('#board *:not(.cut *)')]"
        beyond = f"{inside}.filter((each) => each.getBoundingClientRect().right > innerWidth)"
        assert (seen.overflow, seen.page.evaluate(f"{beyond}.length"), seen.dim()) == (0, 0, [])
        seen.picture(tmp_path, "several")


def test_what_others_wrote_stays_text_and_hides_nothing(chromium: Browser, busy: House) -> None:
    with looking(chromium) as context:
        seen = tab(context, busy)
        seen.sign_in()
        seen.until("document.querySelectorAll('.ask').length === 5")
        written = seen.text("#pending-list")
        assert "<img src=x onerror=" in written
        assert "\\u{202e}" in written
        assert "\u202e" not in seen.page.content()
        assert seen.page.locator("main img, main script, [onerror]").count() == 0
        assert seen.complaints == []


def test_many_calls_are_shown_bit_by_bit_and_can_be_filtered(chromium: Browser, busy: House) -> None:
    with looking(chromium, size=NARROW) as context:
        seen = tab(context, busy)
        seen.sign_in()
        seen.until("document.querySelectorAll('#calls-list > li').length === 25")
        seen.page.click("#calls-more")
        seen.until("document.querySelectorAll('#calls-list > li').length > 70")
        seen.page.fill("#filter", "suppress_person")
        seen.until("document.querySelectorAll('#calls-list > li').length === 1")
        assert "refused" in seen.text("#calls-list")
        seen.page.fill("#filter", "no such thing")
        assert seen.text("#calls-empty") == "No recent call contains that."
        assert seen.overflow == 0


def test_the_browser_itself_keeps_strange_scripts_out(chromium: Browser, busy: House) -> None:
    with looking(chromium) as context:
        seen = tab(context, busy)
        seen.wait("#sign-in")
        assert (
            seen.page.evaluate(
                "(() => { try { document.body.innerHTML = '<b>x</b>'; } catch (e) { return e.name } })()"
            )
            == "TypeError"
        )
        seen.page.evaluate(
            "document.head.append(Object.assign(document.createElement('style'), {textContent: 'p {}'}))"
        )
        assert "Content Security Policy" in "".join(seen.complaints)
        framed = context.new_page()
        framed.goto(f"data:text/html,<iframe src='{busy.page}'></iframe>")
        framed.wait_for_load_state("networkidle")
        assert "cio-mcp" not in (framed.frames[-1].content() if len(framed.frames) > 1 else "")


def test_a_person_with_a_keyboard_alone_reads_and_approves(chromium: Browser, tmp_path: Path) -> None:
    with house(tmp_path, *OPERATOR) as served, looking(chromium) as context:
        waiting = served.calling("delete_person", {"identifier": "ada-1"})
        seen = tab(context, served)
        seen.sign_in()
        seen.wait(".ask")
        for _ in range(20):
            seen.page.keyboard.press("Tab")
            if focused(seen) == "Approve…":
                break
        assert seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        seen.page.keyboard.press("Enter")
        assert focused(seen) == "Yes, approve delete_person"
        seen.page.keyboard.press("Enter")  # a key that is held down
        assert not waiting.done()
        assert focused(seen) == "Yes, approve delete_person"
        began = seen.page.evaluate("performance.now()")
        seen.until(f"performance.now() - {began} > 600")
        seen.page.keyboard.press("Enter")
        seen.until("document.querySelector('#said').textContent.startsWith('Approved delete_person')")
        assert waiting.result() == {"accepted": True}
        seen.gone(".ask")
        seen.wait("#pending-empty")
        assert focused(seen) == "Waiting for approval", "what is read next"
        assert seen.complaints == []


def focused(seen: Tab) -> str:
    """Return the text of what has the focus."""
    found: str = seen.page.evaluate("document.activeElement.textContent")
    return found


def test_a_person_rejects_and_is_told(chromium: Browser, tmp_path: Path) -> None:
    with house(tmp_path, *OPERATOR) as served, looking(chromium, size=NARROW) as context:
        waiting = served.calling("trigger_broadcast", {"broadcast_id": 10})
        seen = tab(context, served)
        seen.sign_in()
        seen.wait(".ask")
        assert "Would reach a number of people that is NOT KNOWN." in seen.text(".ask")
        seen.page.click("text=Reject")
        seen.until("document.querySelector('#said').textContent.startsWith('Rejected')")
        assert waiting.result()["error"]["code"] == "not_confirmed"


def test_a_wrong_key_is_said_at_the_form_and_signing_out_shows_nothing_more(chromium: Browser, tmp_path: Path) -> None:
    with house(tmp_path) as served, looking(chromium) as context:
        seen = tab(context, served)
        seen.sign_in("canary-wrong-key")
        seen.until("document.querySelector('#sign-in-error').textContent === 'This is not the key'")
        assert "canary" not in seen.page.url
        seen.sign_in()
        seen.wait("#board")
        seen.page.click("#sign-out")
        seen.wait("#sign-in")
        seen.gone("#board")
        seen.page.reload()
        seen.wait("#sign-in")


def test_a_house_in_which_nothing_happened_says_so(chromium: Browser, tmp_path: Path) -> None:
    with house(tmp_path, key=None) as served, looking(chromium, scheme="dark") as context:
        seen = tab(context, served)
        seen.wait("#board")
        for what in ("pending", "now", "budgets"):
            seen.wait(f"#{what}-empty")
        assert seen.page.locator("#sign-out").is_hidden()
        assert seen.page.locator("#unknown").is_hidden()
        assert "Allowed" in seen.text("#tile-writes")
        assert (seen.overflow, seen.dim(), seen.complaints) == (0, [], [])
        seen.picture(tmp_path, "empty")


def test_whoever_may_only_look_is_told_how_to_decide(chromium: Browser, tmp_path: Path) -> None:
    with house(tmp_path, *OPERATOR, key=None, CIO_MCP_TIME_BUDGET="5") as served, looking(chromium) as context:
        served.calling("delete_person", {"identifier": "ada-1"})
        seen = tab(context, served)
        seen.wait(".ask")
        assert "cio-mcp approve " in seen.text(".ask .deciding")
        assert seen.page.locator(".ask button").count() == 0
        assert "CIO_MCP_CONSOLE_KEY" in seen.text("#pending-hint")
        assert seen.dim() == []
        seen.picture(tmp_path, "read-only")


def test_a_stop_a_broken_record_and_a_lost_outcome_are_not_overlooked(
    chromium: Browser, tmp_path: Path, sandbox_variables: dict[str, str], sandbox: httpx2.Client
) -> None:
    fault = {"kind": "reset", "match": "POST /v1/send/email", "times": None, "when": "after"}
    assert sandbox.post("/faults", json=fault).is_success
    email = {"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "transactional_message_id": 1}
    with house(tmp_path, **sandbox_variables) as served, looking(chromium) as context:
        served.call("send_email", email)
        assert served.command("stop", "too many mails").code == 0
        seen = tab(context, served)
        seen.sign_in()
        seen.until("document.querySelector('#tile-writes strong').textContent === 'Stopped'")
        assert "too many mails" in seen.text("#tile-writes")
        assert "send_email" in seen.text("#unknown")
        assert "nobody has looked yet" in seen.text("#unknown")
        assert seen.dim() == []
        seen.picture(tmp_path, "stopped")


def test_a_record_that_cannot_be_read_is_said_wherever_it_would_have_told_something(
    chromium: Browser, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    ledger = tmp_path / "state" / "ledger.sqlite3"
    ledger.write_bytes(b"no ledger at all")
    ledger.chmod(0o600)
    with house(tmp_path) as served, looking(chromium) as context:
        served.call("list_segments")
        seen = tab(context, served)
        seen.sign_in()
        seen.wait("#board")
        assert "The record cannot be read." in seen.text("#alert")
        for what in ("writes", "pending", "unknown", "chain"):
            assert "Not known" in seen.text(f"#tile-{what}")
        assert "App API" in seen.text("#budgets-list"), "what is known is shown"
        assert (seen.dim(), seen.complaints) == ([], [])
        seen.picture(tmp_path, "unread")


def test_a_server_that_is_gone_is_said_and_nothing_can_be_pressed_until_it_is_back(
    chromium: Browser, tmp_path: Path
) -> None:
    with looking(chromium) as context:
        with house(tmp_path, *OPERATOR) as served:
            served.calling("delete_person", {"identifier": "ada-1"})
            seen = tab(context, served)
            seen.sign_in()
            seen.wait(".ask")
            served.process.process.kill()
            seen.wait("#alert")
            assert "does not answer" in seen.text("#alert")
            assert "What is shown is from" in seen.text("#alert")
            assert seen.page.locator(".deciding button:enabled").count() == 0
            assert seen.text("#heard") == "No answer"
            assert seen.dim() == []
            seen.picture(tmp_path, "gone")
        port = served.origin.rpartition(":")[2]
        with house(tmp_path, *OPERATOR, "--console", port):
            seen.wait("#sign-in")
            seen.gone("#alert")
