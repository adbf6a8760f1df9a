"""What a caller may say of a write to this server itself: show it first, send it again, it was confirmed."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from pydantic import Field

from cio_mcp.catalog.fields import Flag, Line
from cio_mcp.catalog.params import Params, input_schema

Given = TypeVar("Given")


class Controls(Params):
    """The arguments that this server adds to writes; none of them is sent."""

    dry_run: Flag | None = Field(None, description="True: show the plan, send nothing")
    allow_repeat: Flag | None = Field(None, description="True: send again although just sent")
    confirm_token: Line | None = Field(None, description="From the plan this tool answered with")


class Controlled(Protocol):
    """A tool that takes some of them."""

    @property
    def controls(self) -> tuple[str, ...]:
        """The names of those it takes."""
        ...


def properties(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the JSON Schemas of the controls of these names, in the order of their class."""
    shown = input_schema(Controls)["properties"]
    return {name: schema for name, schema in shown.items() if name in names}


def split(tool: Controlled, given: Mapping[str, Any] | Given) -> tuple[Controls, dict[str, Any] | Given]:
    """Take the controls that `tool` takes out of what was given for it; return them and the rest.

    What is no mapping comes back as it is. Raises pydantic's ValidationError, by name, for a value that is not just
    what the control takes: nobody may be unsure whether `"no"` sends.
    """
    if not isinstance(given, Mapping):
        return Controls(), given
    taken = {name: given[name] for name in tool.controls if name in given}
    rest = {name: value for name, value in given.items() if name not in taken}
    return Controls.model_validate(taken), rest
