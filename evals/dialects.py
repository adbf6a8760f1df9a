"""Pure: one conversation, written as OpenAI's or as Anthropic's programs write it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp import types

from cio_mcp.catalog.json_values import check_depth, json_size

MOST_TOKENS = 2048
"""Of one answer; Anthropic's API wants the number."""
ANTHROPIC_VERSION = "2023-06-01"


class Garbage(Exception):
    """An answer that is not what the API promises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that a model wants made; the arguments are None if they are no JSON object that can be sent on."""

    id: str
    tool: str
    arguments: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model answered; without calls it has finished."""

    text: str
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a call, as the model is told."""

    id: str
    text: str
    is_error: bool


Turn = str | Said | tuple[Result, ...]
"""What the user says, what the model says, and what came of its calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How an API is spoken."""

    path: str
    headers: Callable[[str], dict[str, str]]
    request: Callable[[str, str, Sequence[types.Tool], Sequence[Turn]], dict[str, Any]]
    read: Callable[[Any], Said]


def _openai_request(model: str, system: str, tools: Sequence[types.Tool], turns: Sequence[Turn]) -> dict[str, Any]:
    functions = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.input_schema},
        }
        for tool in tools
    ]
    messages = [{"role": "system", "content": system}, *(message for turn in turns for message in _openai_turn(turn))]
    return {"model": model, "messages": messages, "tools": functions}


def _openai_turn(turn: Turn) -> list[dict[str, Any]]:
    if isinstance(turn, str):
        return [{"role": "user", "content": turn}]
    if isinstance(turn, tuple):
        return [{"role": "tool", "tool_call_id": result.id, "content": result.text} for result in turn]
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.tool, "arguments": json.dumps(call.arguments or {})},
        }
        for call in turn.calls
    ]
    return [{"role": "assistant", "content": turn.text} | ({"tool_calls": calls} if calls else {})]


def _openai_read(answer: Any) -> Said:
    message = answer["choices"][0]["message"]
    calls = tuple(
        Call(
            id=_text(call["id"]), tool=_text(call["function"]["name"]), arguments=_object(call["function"]["arguments"])
        )
        for call in message.get("tool_calls") or ()
    )
    return Said(text=_text(message.get("content") or ""), calls=calls)


def _anthropic_request(model: str, system: str, tools: Sequence[types.Tool], turns: Sequence[Turn]) -> dict[str, Any]:
    listed = [{"name": tool.name, "description": tool.description, "input_schema": tool.input_schema} for tool in tools]
    messages = [_anthropic_turn(turn) for turn in turns]
    return {"model": model, "max_tokens": MOST_TOKENS, "system": system, "messages": messages, "tools": listed}


def _anthropic_turn(turn: Turn) -> dict[str, Any]:
    if isinstance(turn, str):
        return {"role": "user", "content": turn}
    if isinstance(turn, tuple):
        results = [
            {"type": "tool_result", "tool_use_id": one.id, "content": one.text, "is_error": one.is_error}
            for one in turn
        ]
        return {"role": "user", "content": results}
    said = [{"type": "text", "text": turn.text}] if turn.text else []
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.tool, "input": call.arguments or {}} for call in turn.calls
    ]
    return {"role": "assistant", "content": [*said, *calls]}


def _anthropic_read(answer: Any) -> Said:
    blocks = answer["content"]
    calls = tuple(
        Call(id=_text(block["id"]), tool=_text(block["name"]), arguments=_object(block["input"]))
        for block in blocks
        if block["type"] == "tool_use"
    )
    return Said(text=_text("".join(str(block["text"]) for block in blocks if block["type"] == "text")), calls=calls)


def _text(given: Any) -> str:
    """Return a text that can be sent and written down: half a character, which JSON may hold, becomes a mark."""
    return str(given).encode(errors="replace").decode()


def _object(given: Any) -> dict[str, Any] | None:
    try:
        found = json.loads(given or "{}") if isinstance(given, str) else given
        check_depth(found)
        json_size(found)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read(dialect: Dialect, answer: Any) -> Said:
    """Return what a model said; raises Garbage."""
    try:
        return dialect.read(answer)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Garbage(f"no answer of this API ({type(error).__name__})") from None


DIALECTS: Mapping[str, Dialect] = {
    "openai": Dialect(
        path="/chat/completions",
        headers=lambda key: {"Authorization": f"Bearer {key}"} if key else {},
        request=_openai_request,
        read=_openai_read,
    ),
    "anthropic": Dialect(
        path="/messages",
        headers=lambda key: {"anthropic-version": ANTHROPIC_VERSION} | ({"x-api-key": key} if key else {}),
        request=_anthropic_request,
        read=_anthropic_read,
    ),
}
