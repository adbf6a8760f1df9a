"""`cio-mcp explain`: the code that an error carries leads a person to what it means."""

import pytest

from cio_mcp.errors import CioError
from cio_mcp.explaining import EXPLAINED, explanations, kinds
from tests.cli.commands import run

SEND = '{"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}}'


def test_every_code_is_explained_and_no_other() -> None:
    assert list(explanations()) == [kind.code for kind in kinds()]
    assert set(EXPLAINED) == {kind.code for kind in kinds(CioError)}


@pytest.mark.parametrize("code", EXPLAINED)
def test_an_explanation_leaves_nothing_open(code: str) -> None:
    one = explanations()[code]
    for text in (one.happened, one.sent, one.remedy, one.agent, one.person):
        assert text[-1] in ".!?"
        assert "  " not in text


@pytest.mark.parametrize("code", EXPLAINED)
def test_what_says_that_nothing_was_sent_does_not_say_otherwise_elsewhere(code: str) -> None:
    one = explanations()[code]
    if "nothing was sent" in one.happened.lower():
        assert one.sent.startswith(("Nothing", "Not this time"))


def test_a_code_is_explained_without_keys_or_network() -> None:
    ended = run("explain", "outcome_unknown", env={"CUSTOMERIO_APP_URL": "http://127.0.0.1:1"})
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("outcome_unknown\n")
    told = " ".join(ended.out.split())
    assert all(text in told for text in (explanations()["outcome_unknown"].sent, "an agent", "a person"))
    assert max(map(len, ended.out.splitlines())) <= 100


def test_the_error_that_a_call_prints_names_the_way_to_its_explanation() -> None:
    refused = run("call", "send_email", SEND.replace("to", "too"), "--sandbox")
    line = refused.err.splitlines()[-1]
    assert line == "  more: cio-mcp explain invalid_arguments"
    assert run(*line.split("cio-mcp ")[1].split()).out.startswith("invalid_arguments\n")


def test_without_a_code_all_are_listed() -> None:
    ended = run("explain")
    assert [line.split()[0] for line in ended.out.splitlines()] == list(EXPLAINED)


def test_programs_get_it_as_json() -> None:
    one = run("explain", "held_back", "--json").json
    assert one["code"] == "held_back"
    assert set(one) == {"code", "happened", "sent", "remedy", "agent", "person"}
    assert [each["code"] for each in run("explain", "--json").json] == list(EXPLAINED)


def test_a_misspelt_code_is_answered_with_the_nearest_one() -> None:
    assert "did you mean rate_limited?" in run("explain", "Rate-Limit").sentence(2)
