"""A minimal valid call of every tool, derived from the catalogue; what cannot be derived stands in two small tables."""

from functools import cache
from typing import Any

from pydantic import ValidationError

from cio_mcp.catalog import CATALOG, Endpoint

# By the name of an argument, where its type alone says too little.
EXAMPLES: dict[str, Any] = {
    "batch": [{"type": "person", "action": "identify", "identifiers": {"id": "42"}}],
    "email": "person@example.com",
    "endpoint": "https://example.com/hook",
    "events": ["email_sent"],
    "filter": {"segment": {"id": 1}},
    "identifiers": {"id": "42"},
    "ids": ["42"],
    "primary": {"id": "1"},
    "scheduled_at": "2026-01-31T09:00:00Z",
    "secondary": {"id": "2"},
    "to": "person@example.com",
}
# By tool, what rules between several arguments ask for beside the required ones.
NEEDED: dict[str, dict[str, Any]] = {
    "apply_entity": {"identifiers": {"id": "42"}},
    "create_collection": {"data": [{"a": 1}]},
    "schedule_newsletter": {"timezone": "Europe/Berlin"},
    "send_email": {"transactional_message_id": "welcome"},
    "submit_form": {"data": {"id": "42"}},
    "track_anonymous_event": {"anonymous_id": "42"},
    "update_collection": {"name": "text"},
}
BY_FORMAT = {"date-time": "2026-01-31T09:00:00Z"}
BY_TYPE: dict[str, Any] = {"string": "text", "integer": 7, "boolean": True}


def properties(endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of every argument, by name."""
    found: dict[str, dict[str, Any]] = endpoint.input_schema()["properties"]
    return found


def required(endpoint: Endpoint) -> list[str]:
    """Return the names of the arguments that a call cannot do without."""
    names: list[str] = endpoint.input_schema().get("required", [])
    return names


def minimal(tool: str) -> dict[str, Any]:
    """Return the arguments of a call that the tool takes; a copy, to be changed freely."""
    return dict(_minimal(tool))


@cache
def _minimal(tool: str) -> dict[str, Any]:
    endpoint = CATALOG[tool]
    shapes = properties(endpoint)
    needed = NEEDED.get(endpoint.name, {})
    call = {name: _example(endpoint, name, shapes[name]) for name in required(endpoint) if name not in needed} | needed
    try:
        endpoint.params.model_validate(call)
    except ValidationError as error:
        reasons = "; ".join(f"{line['loc']}: {line['msg']}" for line in error.errors(include_url=False))
        raise AssertionError(
            f"{endpoint.name} refuses its generated call: {reasons}. Add what it asks for to NEEDED (or a better "
            "value to EXAMPLES) in tests/hostile/calls.py"
        ) from None
    return call


def _example(endpoint: Endpoint, name: str, shape: dict[str, Any]) -> Any:
    if name in EXAMPLES:
        return EXAMPLES[name]
    if "enum" in shape:
        return shape["enum"][0]
    if shape.get("format") in BY_FORMAT:
        return BY_FORMAT[shape["format"]]
    if shape.get("type") in BY_TYPE:
        return BY_TYPE[shape["type"]]
    raise AssertionError(
        f"{endpoint.name}.{name}: no example of a {shape.get('type', 'value without a type')} is known; "
        "add one to EXAMPLES in tests/hostile/calls.py"
    )
