"""Documents shown by the reference host in a real browser: what a person sees, reads and presses."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, ViewportSize

from cio_mcp.catalog.entities import MOST_DESTRUCTIVE
from tests.apps import answers
from tests.apps.answers import HOSTILE, LONG, TURNED, answer
from tests.apps.viewing import NARROW, WIDE, Host, Scheme, View, host
from tests.console.browser import chromium

__all__ = ["chromium", "host"]

CAMPAIGN = {"tool": "get_campaign_metrics", "arguments": {"campaign_id": 1}}
BROADCAST = {"tool": "get_broadcast_metrics", "arguments": {"broadcast_id": 10}}
DELIVERY = {"tool": "get_delivery_timeline", "arguments": {"delivery_id": "d-1"}}
WAIT = {"tool": "wait_for_delivery", "arguments": {"delivery_id": "d-1", "until": "opened"}}
TRIGGER = {"tool": "trigger_broadcast", "arguments": {"broadcast_id": 10}}
NOT_REACHED = {"reached": False, "waited_seconds": 30.2, "next_step": "It will never be opened: timeline says why."}
APPROVAL = {
    "code": "approval_needed",
    "message": "trigger_broadcast waits for the operator's approval as operation 01M8. Nothing was sent.",
    "next_step": "The operator runs `cio-mcp approve 01M8`, or reject.",
}
SCENES: dict[str, dict[str, Any]] = {
    "metrics": {**BROADCAST, "result": answer(answers.metrics())},
    "metrics-empty": {**BROADCAST, "result": answer({"metric": {"series": {"sent": [0] * 7}}})},
    "timeline": {**DELIVERY, "result": answer(answers.timeline())},
    "timeline-bad": {**WAIT, "result": answer(answers.timeline(bad=True) | NOT_REACHED)},
    "plan": {**TRIGGER, "result": answers.asked()},
    "plan-only": {**TRIGGER, "result": answer({"plan": answers.plan(audience=None)})},
    "plan-segments": {**TRIGGER, "result": answer({"plan": answers.plan(audience_is="what its segments hold")})},
    "plan-done": {**TRIGGER, "result": answer({"id": 12})},
    "plan-waits": {**TRIGGER, "result": answer({"error": APPROVAL}, is_error=True)},
    "failed": {**BROADCAST, "result": answer({"error": APPROVAL | {"code": "not_found"}}, is_error=True)},
}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "phone"])
@pytest.mark.parametrize("name", SCENES)
def test_it_is_readable_in_both_themes_and_on_a_phone(
    host: Host, tmp_path: Path, name: str, size: ViewportSize
) -> None:
    with host.viewing(scheme="dark", size=size) as view:  # the host knows better than the system
        view.show({**SCENES[name], "context": {"theme": "light"}})
        for theme in ("light", "dark"):
            view.theme(theme)
            assert is_dark(view) is (theme == "dark")
            assert (view.overflow, view.dim(), view.complaints) == (0, [], [])
            view.picture(tmp_path, f"{name}-{theme}")


def is_dark(view: View) -> bool:
    """Say whether the document has a dark ground."""
    found: bool = view.frame.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).every((each) => each < 80)"
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_host_without_a_theme_leaves_it_to_the_system_and_may_change_its_mind(host: Host, scheme: Scheme) -> None:
    with host.viewing(scheme=scheme) as view:
        view.show(SCENES["timeline"])
        assert is_dark(view) is (scheme == "dark")
        view.theme("light" if scheme == "dark" else "dark")
        assert is_dark(view) is (scheme == "light")


def test_a_hosts_colours_are_taken_all_or_none(host: Host) -> None:
    ground, rest = "rgb(250, 240, 220)", {"--color-text-primary": "rgb(40, 30, 10)", "--color-border-primary": "gray"}
    for variables, wanted in (({}, "rgb(255, 255, 255)"), (rest, ground)):
        with host.viewing() as view:
            given = {"--color-background-primary": ground, "--font-sans": "serif", **variables}
            view.show({**SCENES["plan"], "context": {"styles": {"variables": given}}})
            assert view.frame.evaluate("getComputedStyle(document.body).backgroundColor") == wanted
            assert view.frame.evaluate("getComputedStyle(document.body).fontFamily") == "serif"


def test_a_change_of_look_leaves_the_focus_and_one_of_language_is_written_anew(host: Host) -> None:
    with host.viewing() as view:
        view.show(SCENES["metrics"])
        view.find(".legend button").first.focus()
        view.theme("dark")
        assert (view.frame.evaluate("document.activeElement.textContent")).startswith("Sent")
        assert "31,804" in view.text
        view.page.evaluate("window.host.change({ locale: 'de-DE' })")
        view.until("document.getElementById('main').textContent.includes('31.804')")


def test_the_host_is_told_what_it_shows_and_how_high_it_is(host: Host) -> None:
    with host.viewing() as view:
        told = view.show(SCENES["metrics"])
        assert told["app"]["version"]["name"] == "cio-mcp"
        assert told["app"]["capabilities"] == {"availableDisplayModes": ["inline"]}
        before = view.told["sizes"][-1]
        view.find("summary").click()
        view.find("table tbody tr").first.wait_for()
        view.page.wait_for_function(f"window.host.told.sizes.at(-1) > {before}")
        assert view.told["sizes"][-1] == view.frame.evaluate("Math.ceil(document.body.getBoundingClientRect().height)")
        assert view.told["errors"] == []
        assert view.page.evaluate("window.host.end()") == {}


def test_what_is_awaited_or_was_cancelled_is_said(host: Host) -> None:
    with host.viewing() as view:
        view.show({**BROADCAST, "silent": True})
        assert view.text == "Waiting for the answer…"
        view.page.evaluate("window.host.cancel()")
        view.until("document.getElementById('main').textContent === 'The call was cancelled.'")


def test_metrics_of_a_real_answer_are_drawn_and_their_series_can_be_switched(host: Host) -> None:
    with host.viewing() as view:
        view.show(CAMPAIGN)
        assert view.find("h1").inner_text() == "Campaign 1"
        view.has(".line", 5)
        assert view.find(".legend [aria-pressed=true]").count() == 5
        opened = view.find(".legend button", has_text="Opened").first
        opened.click()
        assert opened.get_attribute("aria-pressed") == "false"
        view.has(".line", 4)
        view.find(".legend button", has_text="Bounced").click()
        view.has(".line", 5)
        view.find("summary").click()
        view.has("tbody tr", 30)
        assert view.complaints == []


def test_a_plan_leaves_out_nobody_whom_a_batch_may_remove(host: Host) -> None:
    lines = [f'item {place}: suppress person id "person-{place}"' for place in range(MOST_DESTRUCTIVE)]
    left_out = "batch: 49 more of 50, which are not shown and which a confirmation binds as well"
    with host.viewing() as view:
        view.show({**TRIGGER, "result": answer({"plan": answers.plan(removes=lines, not_shown=[left_out])})})
        view.has("h1", 1)
        assert [line for line in (*lines, left_out) if line not in view.text] == []


def test_what_named_segments_hold_is_not_drawn_as_the_audience(host: Host) -> None:
    with host.viewing() as view:
        view.show({**TRIGGER, "result": answer({"plan": answers.plan(audience_is="what its segments hold")})})
        view.has("h1", 1)
        assert "Would reach" not in view.text
        assert "Whom it would reach is not known" in view.text


def test_another_period_is_asked_for_by_the_document_and_answered_by_the_server(host: Host) -> None:
    with host.viewing() as view:
        view.show({"tool": "get_campaign_metrics", "arguments": {"campaign_id": 1, "type": "email"}})
        view.find(".legend button", has_text="Sent").first.click()
        view.find(".periods button", has_text="Weeks").click()
        view.until("document.querySelector('.periods [aria-pressed=true]').textContent === 'Weeks'")
        assert view.told["calls"] == [
            {"name": "get_campaign_metrics", "arguments": {"campaign_id": 1, "type": "email", "res": "weeks"}}
        ]
        assert "email only, 5 weeks to" in view.text
        assert view.find(".legend [aria-pressed=true]").count() == 4, "what was switched off stays off"
        assert view.frame.evaluate("document.activeElement.textContent") == "Weeks"


def test_an_answer_that_does_not_come_leaves_the_chart_and_is_said(host: Host) -> None:
    with host.viewing() as view:
        broken = {"broadcast_id": 10, "type": "no such type"}
        view.show({**BROADCAST, "arguments": broken, "result": answer(answers.metrics())})
        view.find(".periods button", has_text="Months").click()
        view.until("document.querySelector('#said').textContent.startsWith('Not read by months: ')")
        view.has(".line", 5)


def test_where_documents_may_not_call_nothing_is_offered(host: Host) -> None:
    for scene in (SCENES["metrics"], SCENES["timeline"]):
        with host.viewing() as view:
            view.show({**scene, "capabilities": {}})
            assert view.find(".periods, .again").count() == 0


def test_a_person_with_a_keyboard_alone_reads_every_value(host: Host) -> None:
    with host.viewing() as view:
        view.show(SCENES["metrics"])
        view.find(".legend button").first.focus()
        view.page.keyboard.press("Space")
        assert view.find(".legend button").first.get_attribute("aria-pressed") == "false"
        for _ in range(12):
            view.page.keyboard.press("Tab")
            if view.frame.evaluate("document.activeElement.getAttribute('role') === 'slider'"):
                break
        chart = view.find("[role=slider]")
        assert view.frame.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        view.page.keyboard.press("ArrowRight")
        assert (chart.get_attribute("aria-valuetext") or "").startswith("28 Nov: Delivered 1,0")
        view.page.keyboard.press("ArrowLeft")
        assert (chart.get_attribute("aria-valuetext") or "").startswith("27 Nov: ")
        assert "27 Nov" in view.find(".readout").inner_text()
        view.page.keyboard.press("Home")
        assert chart.get_attribute("aria-valuenow") == "1"
        view.page.keyboard.press("Escape")
        assert view.find(".readout").is_hidden()


def test_a_pointer_reads_the_values_below_it(host: Host) -> None:
    with host.viewing(size=NARROW) as view:
        view.show(SCENES["metrics"])
        box = view.find(".chart").bounding_box()
        assert box
        for part in (0.2, 0.95):
            view.page.mouse.move(box["x"] + box["width"] * part, box["y"] + 80)
            view.find(".readout").wait_for()
            assert view.find(".readout li").count() == 5
            assert view.overflow == 0


def test_without_the_time_of_the_call_no_period_is_dated(host: Host) -> None:
    result = answer(answers.metrics(8))
    del result["_meta"]
    with host.viewing() as view:
        view.show({**BROADCAST, "result": result})
        assert "2026" not in view.text
        view.find("summary").click()
        assert view.find("tbody th").first.inner_text() == "7 days before"


def test_a_cut_answer_is_said_to_be_a_part(host: Host) -> None:
    cut = {"metric": {"series": {"sent": [5] * 9, "opened": [1] * 4}}, "_cut": {"note": "…"}}
    with host.viewing() as view:
        view.show({**BROADCAST, "result": answer(cut)})
        assert "The answer was cut" in view.text
        assert "counted back" not in view.text


def test_a_real_message_is_drawn_step_by_step_and_looked_at_again(host: Host) -> None:
    with host.viewing() as view:
        mail = {"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}}
        sent = view.page.evaluate("(mail) => window.host.call({ name: 'send_email', arguments: mail })", mail)
        delivery = sent["structuredContent"]["delivery_id"]
        view.show({"tool": "get_delivery_timeline", "arguments": {"delivery_id": delivery}})
        assert view.find(".steps li").count() >= 1
        assert delivery in view.text
        view.find(".again").click()
        view.until("document.querySelector('#said').textContent !== ''")
        assert view.told["calls"][0]["arguments"] == {"delivery_id": delivery}
        assert view.frame.evaluate("document.activeElement.className") == "again"
        assert view.complaints == []


@pytest.mark.parametrize(
    ("day", "written"),
    [("2026-07-27", "27 Jul, 10:00:02"), ("2026-11-27", "27 Nov, 09:00:02")],
    ids=["summer", "winter"],
)
def test_the_zone_of_the_times_is_named_as_it_is_called_at_that_time_of_the_year(
    host: Host, day: str, written: str
) -> None:
    steps = {"timeline": [{"metric": "sent", "at": f"{day} 09:00:02 UTC"}]}
    with host.viewing() as view:
        result = answer(answers.timeline() | steps)
        view.show({**DELIVERY, "result": result, "context": {"timeZone": "Europe/London"}})
        assert written in view.text
        assert f"times in {'BST' if '10:' in written else 'GMT'}\n" in f"{view.text}\n"


def test_a_real_plan_is_shown_whole_and_the_card_holds_no_way_to_confirm(host: Host) -> None:
    with host.viewing() as view:
        view.show({"tool": "delete_segment", "arguments": {"segment_id": 1}})
        for said in ("Nothing has been sent", "29", "DELETE http://127.0.0.1/v1/segments/1", "All customers"):
            assert said in view.text
        assert view.text.index("Can it be undone?") < view.text.index("All customers")
        assert "This card cannot confirm." in view.text
        assert view.find("button, a, input, form").count() == 0
        token = view.frame.evaluate("call.result.structuredContent.error.confirm_token")
        assert token
        assert token not in view.frame.content()


def test_a_host_refuses_the_card_every_call_even_with_the_token(host: Host) -> None:
    with host.viewing() as view:
        view.show({"tool": "delete_segment", "arguments": {"segment_id": 1}})
        again = """ask("tools/call", { name: "delete_segment", arguments: {
            segment_id: 1, confirm_token: call.result.structuredContent.error.confirm_token } })"""
        with pytest.raises(Error, match="not for documents"):
            view.frame.evaluate(again)


HOSTILE_SCENES: dict[str, dict[str, Any]] = {
    "metrics": {
        **BROADCAST,
        "arguments": {"broadcast_id": HOSTILE, "type": HOSTILE, "tz": HOSTILE, "end": HOSTILE, "period": HOSTILE},
        "result": answer({"metric": {"series": {HOSTILE: [1, 2], TURNED: [3, 1], LONG: [2, 2], "__proto__x": [1]}}}),
    },
    "timeline": {
        **DELIVERY,
        "result": answer(
            answers.timeline()
            | {"delivery_id": HOSTILE, "object_type": TURNED, "subject": HOSTILE + LONG, "recipient": TURNED}
            | {"timeline": [{"metric": HOSTILE, "at": HOSTILE, "url": HOSTILE}, {"metric": TURNED, "at": TURNED}]}
        ),
    },
    "plan": {
        **TRIGGER,
        "result": answers.asked(
            **dict.fromkeys(("tool", "permission", "does", "workspace", "key", "undo"), HOSTILE),
            asked_because=[HOSTILE, TURNED],
            found_now={HOSTILE: {TURNED: HOSTILE}, LONG: [HOSTILE]},
            request={"method": HOSTILE, "host": TURNED, "path": LONG, "headers": {HOSTILE: TURNED}, "body": [HOSTILE]},
            written_by_others=[{"what": HOSTILE, "text": TURNED}, {"what": TURNED, "text": HOSTILE}],
        ),
    },
    "answered": {**TRIGGER, "result": answer({HOSTILE: HOSTILE, "name": TURNED, "rest": {"deep": [HOSTILE]}})},
    "failed": {
        **BROADCAST,
        "result": answer({"error": {"code": HOSTILE, "message": HOSTILE, "next_step": TURNED}}, is_error=True),
    },
}  # fmt: skip


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "phone"])
@pytest.mark.parametrize("name", HOSTILE_SCENES)
def test_what_others_wrote_stays_text_and_hides_nothing(host: Host, name: str, size: ViewportSize) -> None:
    with host.viewing(size=size) as view:
        view.page.evaluate("window.canary = null")
        view.page.evaluate("window.onmessage = ({ data }) => { window.canary ||= data === 'canary' }, 0")
        view.show({**HOSTILE_SCENES[name], "context": {"locale": HOSTILE, "timeZone": HOSTILE}})
        # A host's own page would have to be asked last: everything that could run has run by then.
        assert (
            view.frame.evaluate(
                "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(window.canary))))"
            )
            is None
        )
        assert view.page.evaluate("window.canary") in (None, False)
        assert "<img src=x" in view.text.lower() or name == "metrics"
        assert view.find("main img, main script, main a, [onerror]").count() == 0
        assert "\u202e" not in view.frame.content()
        assert (view.overflow, view.complaints) == (0, [])


NO_SERIES: list[Any] = [None, 7, [], {"series": None}, {"series": []}, {"series": {}}]
SERIES: list[dict[str, Any]] = [
    {"sent": None, "opened": 3, "clicked": "x"},
    {"sent": []},
    {"sent": [7]},
    {"sent": [None, None]},
    {"sent": [1, None, 3, "4", {}], "opened": [-5, 2]},
    {"sent": [1e308, 1e308], "opened": [0.5]},
    {f"series {number}": [number] for number in range(200)},
    {"sent": list(range(20_000))},
]
STEPS: list[Any] = [
    *([], [None, 7, "x"], [{}], [{"metric": None, "at": 1e300}]),
    [{"metric": "opened", "at": "2026-11-27"}] * 3_000,
]
PLANS: list[dict[str, Any]] = [
    *({}, {"request": {}}, {"audience": "many", "of": None, "found_now": None}),
    answers.plan(written_by_others="x", request=7, asked_because=None, undo=None, audience=0),
    answers.plan(audience=9, of=9, found_now={"deep": {"a": {"b": {"c": {"d": 1}}}}}),
]
NOTHING: list[Any] = [{}, None, {"error": None}, {"error": 7}]
ODD: dict[str, list[Any]] = {
    "get_broadcast_metrics": [
        *({"metric": metric} for metric in NO_SERIES),
        *({"metric": {"series": series}} for series in SERIES),
    ],
    "get_delivery_timeline": [{"timeline": steps} for steps in STEPS],
    "trigger_broadcast": [{"plan": plan} for plan in PLANS],
}


@pytest.mark.parametrize("tool", ODD)
def test_whatever_an_answer_looks_like_something_is_said(host: Host, tool: str) -> None:
    with host.viewing(size=NARROW) as view:
        view.show({"tool": tool, "arguments": {"broadcast_id": 10}, "result": answer({})})
        for data in (*NOTHING, *ODD[tool]):
            view.again(answer(data))
            told = str(data)[:200]
            assert view.text.strip(), told
            assert [wrong for wrong in ("undefined", "NaN", "[object", "∞") if wrong in view.text] == [], told
            assert (view.overflow, view.complaints) == (0, []), told


def test_the_browser_itself_keeps_strange_scripts_and_the_network_out(host: Host) -> None:
    with host.viewing() as view:
        view.show(SCENES["plan"])
        assert view.complaints == []
        assert (
            view.frame.evaluate("(() => { try { document.body.innerHTML = 'x'; } catch (e) { return e.name } })()")
            == "TypeError"
        )
        assert view.frame.evaluate("fetch('/host.html').then(() => 'came', () => 'blocked')") == "blocked"
        view.frame.evaluate(
            "document.head.append(Object.assign(document.createElement('style'), { textContent: 'p {}' }))"
        )
        assert "Content Security Policy" in "".join(view.complaints)


def test_messages_of_anybody_but_the_host_and_unknown_ones_change_nothing(host: Host) -> None:
    with host.viewing() as view:
        view.show(SCENES["plan"])
        before = view.text
        notice = "{ jsonrpc: '2.0', method: 'ui/notifications/tool-result', params: { structuredContent: { id: 1 } } }"
        view.frame.evaluate(f"window.postMessage({notice}, '*')")
        for odd in (
            "null",
            "7",
            "'x'",
            "{ jsonrpc: '2.0', method: 'constructor', params: 1 }",
            "{ jsonrpc: '2.0', id: 99 }",
        ):
            view.page.evaluate(f"frames[0].postMessage({odd} ?? {{}}, '*')")
        view.theme("dark")  # comes after all of them
        assert view.text == before
        assert view.complaints == []
