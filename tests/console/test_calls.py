"""What the page tells of a call, from the records that mention it."""

from typing import Any

from cio_mcp.console.calls import lines
from cio_mcp.console.picture import visible

WHO = {"tool": "delete_person", "principal": "local", "caller": "test 9", "access": "destructive"}


def records(*given: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"seq": number, "at": float(number), **each} for number, each in enumerate(given, 1)]


def asked(operation: str, kind: str = "asked", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "operation": operation, "tool": "delete_person", "principal": "local", **more}


def test_the_records_of_one_call_are_one_line() -> None:
    [line] = lines(
        records(
            asked("a"),
            asked("a", "approved", by="console"),
            {"kind": "intent", "operation": "a", **WHO, "approval": "operator console", "rule": "unrestricted"},
            {"kind": "outcome", "operation": "a", **WHO, "ending": "ok", "took": 0.2, "intent": 3},
        ),
        9,
    )
    assert (line["state"], line["decision"], line["by"], line["rule"]) == (
        "ok", "confirmed: operator console", "console", "unrestricted",
    )  # fmt: skip
    assert (line["began"], line["at"]) == (1.0, 4.0)


def test_a_call_that_has_not_ended_says_how_far_it_is() -> None:
    open_call = {"kind": "intent", "operation": "c", **WHO}
    found = lines(records(asked("a"), asked("b"), asked("b", "rejected", by="console"), open_call), 9)
    assert [(line["operation"], line["state"], line["decision"]) for line in found] == [
        ("c", "under way", "allowed"),
        ("b", "decided", "rejected by console"),
        ("a", "waiting", "asked"),
    ]


def test_what_became_known_later_replaces_what_was_not() -> None:
    lost = {"kind": "outcome", "operation": "a", **WHO, "ending": "unknown", "code": "outcome_unknown"}
    settled = {"kind": "settled", "operation": "a", "ending": "ok", "settled_by": "list_person_messages"}
    [line] = lines(records({"kind": "intent", "operation": "a", **WHO}, lost, settled), 9)
    assert (line["state"], line["settled_by"]) == ("ok", "list_person_messages")


def test_events_stand_among_calls_and_the_newest_come_first() -> None:
    stop = {"kind": "stop", "by": "somebody", "reason": "too many mails", "boot": "canary"}
    found = lines(records({"kind": "created"}, asked("a"), stop, asked("b")), 3)
    assert [line["kind"] for line in found] == ["call", "stop", "call"]
    assert found[1] == {
        "key": "#3",
        "kind": "stop",
        "at": 3.0,
        "began": 3.0,
        "by": "somebody",
        "reason": "too many mails",
    }


def test_every_text_is_shown_with_what_it_hides_names_of_members_too() -> None:
    drawn = visible({"a\u202e": ["\u200bx", {"b": ("\ud800", 1, None, True)}]})
    assert drawn == {"a\\u{202e}": ["\\u{200b}x", {"b": ["\\u{d800}", 1, None, True]}]}
