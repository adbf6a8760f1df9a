"""The arguments that this server itself adds to writes: which tool takes them, and what they take."""

from typing import Any

import pytest
from pydantic import ValidationError

from cio_mcp.arguments import admit
from cio_mcp.catalog import CATALOG, Access, Gate
from cio_mcp.catalog.controls import Controls, split
from cio_mcp.errors import InvalidArguments
from tests.catalog.refusals import EMAIL

CONTROLS = ("dry_run", "allow_repeat", "confirm_token")
WRITES = [name for name, endpoint in CATALOG.items() if endpoint.access is not Access.READ]
READS = [name for name in CATALOG if name not in WRITES]
BROADCAST = {"broadcast_id": 10}


def refused(tool: str, given: dict[str, Any]) -> str:
    with pytest.raises(InvalidArguments) as caught:
        admit(CATALOG[tool], given)
    return str(caught.value)


def test_every_write_can_be_tried_and_no_read_takes_a_control() -> None:
    assert [name for name in WRITES if "dry_run" not in CATALOG[name].controls] == []
    assert [name for name in READS if CATALOG[name].controls] == []


def test_just_what_sends_can_be_let_repeat() -> None:
    allowed = {name for name, endpoint in CATALOG.items() if "allow_repeat" in endpoint.controls}
    assert allowed == {name for name, endpoint in CATALOG.items() if endpoint.sends}


def test_whatever_may_be_asked_about_takes_a_token() -> None:
    taking = {name for name, endpoint in CATALOG.items() if "confirm_token" in endpoint.controls}
    asked = {name for name, endpoint in CATALOG.items() if endpoint.gate in {Gate.ASKED, Gate.ITEMS}}
    many = {"send_email", "add_people_to_segment", "remove_people_from_segment", "track_event", "track_anonymous_event"}
    assert taking - asked == many
    assert asked <= taking


@pytest.mark.parametrize("tool", CATALOG)
def test_the_schema_shows_a_tools_own_arguments_first_and_needs_no_control(tool: str) -> None:
    endpoint = CATALOG[tool]
    schema = endpoint.input_schema()
    own = [info.alias or name for name, info in endpoint.params.model_fields.items()]
    assert list(schema["properties"]) == [*own, *endpoint.controls]
    assert not set(CONTROLS) & set(schema.get("required", ()))
    for name in endpoint.controls:
        assert 3 <= len(schema["properties"][name]["description"].split()) <= 8
        assert "default" not in schema["properties"][name]


def test_they_are_taken_out_and_the_rest_is_as_it_was() -> None:
    given = {**BROADCAST, "dry_run": True, "allow_repeat": False, "confirm_token": "abc", "other": 1}
    taken, rest = split(CATALOG["trigger_broadcast"], given)
    assert taken == Controls(dry_run=True, allow_repeat=False, confirm_token="abc")
    assert rest == {**BROADCAST, "other": 1}
    assert len(given) == 5, "what was given is not changed"


def test_one_that_a_tool_does_not_take_is_left_for_its_arguments_to_refuse() -> None:
    taken, rest = split(CATALOG["get_segment"], {"segment_id": 1, "dry_run": True})
    assert (taken, rest) == (Controls(), {"segment_id": 1, "dry_run": True})
    assert "unknown argument 'dry_run'" in refused("get_segment", {"segment_id": 1, "dry_run": True})
    assert "unknown argument 'allow_repeat'" in refused("delete_segment", {"segment_id": 1, "allow_repeat": True})


@pytest.mark.parametrize("given", [None, [], "dry_run", 7])
def test_what_holds_no_arguments_comes_back_as_it_is(given: object) -> None:
    assert split(CATALOG["delete_segment"], given) == (Controls(), given)


@pytest.mark.parametrize("name", ["dry_run", "allow_repeat"])
@pytest.mark.parametrize("value", ["true", "false", "no", "", 1, 0, 1.0, [], [True], {}])
def test_only_true_and_false_are_taken_for_a_flag(name: str, value: object) -> None:
    given = {**EMAIL, name: value}
    with pytest.raises(ValidationError):
        split(CATALOG["send_email"], given)
    assert refused("send_email", given) == f"send_email: {name} must be a boolean. Nothing was sent."


@pytest.mark.parametrize("value", [1, True, ["abc"], {"token": "abc"}, "", " ", "a\nb"])
def test_a_token_is_one_line_of_text(value: object) -> None:
    assert "confirm_token must " in refused("trigger_broadcast", {**BROADCAST, "confirm_token": value})


def test_null_is_as_good_as_absent() -> None:
    params, taken = admit(CATALOG["trigger_broadcast"], {**BROADCAST, **dict.fromkeys(CONTROLS)})
    assert taken == Controls()
    assert params.model_dump(exclude_none=True) == BROADCAST


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("dryRun", "dry_run"),
        ("dry-run", "dry_run"),
        ("dryrun", "dry_run"),
        ("DRY_RUN", "dry_run"),
        ("confirm", "confirm_token"),
        ("confirmToken", "confirm_token"),
        ("confirmation_token", "confirm_token"),
        ("allowRepeat", "allow_repeat"),
    ],
)
def test_a_misspelt_control_stops_the_call_and_names_the_right_one(misspelt: str, meant: str) -> None:
    said = refused("trigger_broadcast", {**BROADCAST, misspelt: True})
    assert f"unknown argument '{misspelt}' (did you mean {meant}?)" in said


@pytest.mark.parametrize("tool", WRITES)
def test_no_write_takes_a_misspelt_trial_for_the_real_thing(tool: str) -> None:
    for misspelt in ("dryRun", "dry-run"):
        assert "(did you mean dry_run?)" in refused(tool, {misspelt: True})
