"""Settings that cannot be meant as they stand end the start, instead of serving more or less than was meant."""

import pytest

from cio_mcp.cli.checked import settings_of
from cio_mcp.cli.parser import parse
from cio_mcp.settings import SettingsError, load, strangers


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CIO_MCP_READONLY", "CIO_MCP_READONLY is no setting of this server: did you mean CIO_MCP_READ_ONLY?"),
        ("CIO_MCP_ZZZ", "CIO_MCP_ZZZ is no setting of this server; `cio-mcp serve --help` lists them"),
    ],
)
def test_a_misspelt_variable_of_ours_is_refused_with_the_nearest_name(name: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({name: "true"})
    assert str(refused.value) == said


def test_a_misspelt_key_variable_is_told_and_other_programs_variables_are_left_alone() -> None:
    environ = {"CUSTOMERIO_API_KEY": "x", "CUSTOMERIO_QQQQQQQQ": "x", "CUSTOMERIO_SITE_ID": "x", "PATH": "x"}
    assert set(strangers(environ)) == {"CUSTOMERIO_API_KEY"}
    assert strangers(environ)["CUSTOMERIO_API_KEY"].endswith("API_KEY")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"grant": "people:read"}, "--grant people:read: no tool needs that; in people the permissions are "),
        ({"read_only": "true", "areas": "people,entities"}, "together leave no tool to serve"),
        ({"areas": "customers", "grant": "messaging:send"}, "together leave no tool to serve"),
    ],
)
def test_settings_that_leave_nothing_are_refused(flags: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_of(flags)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [
        ["call", "get_segment", '{"segment_id": 1}', "--sandbox"],
        ["call", "get_segment", "--sandbox", '{"segment_id": 1}'],
        ["call", "--sandbox", "get_segment", '{"segment_id": 1}'],
    ],
)
def test_flags_of_a_call_may_stand_anywhere(words: list[str]) -> None:
    arguments = parse(words)
    assert (arguments.command, arguments.tool, arguments.arguments) == ("call", "get_segment", '{"segment_id": 1}')
    assert arguments.sandbox == "true"
