"""Pure: how a call says which of several workspaces it means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp import types

from cio_mcp.arguments import shown
from cio_mcp.errors import InvalidArguments

ARGUMENT = "workspace"
"""No operation of Customer.io has an argument of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A call's workspace, and its arguments without the choice; with a refusal nothing was chosen."""

    workspace: str
    arguments: Mapping[str, Any] | None
    named: str = ""
    """The workspace, if the call had to name it."""
    refusal: InvalidArguments | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The workspaces that an agent may name; with one there is nothing to choose."""

    names: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether a call must say which it means."""
        return len(self.names) > 1

    def of(self, arguments: Mapping[str, Any] | None) -> Chosen:
        """Return what a call chose. A workspace that it may not reach is as unknown to it as one that is not there."""
        if not self.is_open:
            return Chosen(workspace=next(iter(self.names), ""), arguments=arguments)
        given = dict(arguments or {})
        wanted = given.pop(ARGUMENT, None)
        if isinstance(wanted, str) and wanted in self.names:
            return Chosen(workspace=wanted, arguments=given, named=wanted)
        wrong = f"{ARGUMENT} is required" if wanted is None else f"there is no {ARGUMENT} {shown(str(wanted))} here"
        refusal = InvalidArguments(
            f"{wrong}. Nothing was sent.",
            next_step=f"Give {ARGUMENT} as one of {', '.join(self.names)}; list_workspaces_here tells them apart.",
        )
        return Chosen(workspace="", arguments=given, refusal=refusal)

    def offered_in(self, tool: types.Tool) -> types.Tool:
        """Return a tool with the argument by which a call chooses, if there is something to choose."""
        if not self.is_open:
            return tool
        schema = tool.input_schema
        members = {ARGUMENT: {"type": "string", "enum": list(self.names)}, **schema.get("properties", {})}
        required = [ARGUMENT, *schema.get("required", ())]
        return tool.model_copy(update={"input_schema": schema | {"properties": members, "required": required}})
