"""How the tests read what a validator refused: one line per field, place first."""

from typing import Any

import pytest
from pydantic import ValidationError

from cio_mcp.catalog import CATALOG
from cio_mcp.catalog.params import Params

TEMPLATED = {"transactional_message_id": 44, "identifiers": {"id": "42"}}
EMAIL = {**TEMPLATED, "to": "person@example.com"}
SEGMENT = {"segment": {"id": 4}}


def refusal(tool: str, given: dict[str, Any]) -> str:
    """Return what the tool's arguments refuse, as lines of `place: reason`; fail the test if they take it."""
    with pytest.raises(ValidationError) as caught:
        CATALOG[tool].params.model_validate(given)
    lines = caught.value.errors(include_url=False, include_input=False)
    return "\n".join(f"{_place(line['loc'])}: {line['msg']}" for line in lines)


def accepted(tool: str, given: dict[str, Any]) -> Params:
    """Return the checked arguments of a tool."""
    return CATALOG[tool].params.model_validate(given)


def _place(loc: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).removeprefix(".")
