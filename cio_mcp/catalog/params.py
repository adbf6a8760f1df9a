"""The arguments of a tool: a closed pydantic model, and the flat JSON Schema that every vendor accepts."""

from collections.abc import Callable
from enum import Enum
from typing import Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import InitErrorDetails, core_schema
from typing_extensions import override

from cio_mcp.catalog.terms import Access, Repeat


class In(Enum):
    """Where a field travels, when the default of its method (GET, DELETE: query; others: body) is wrong."""

    QUERY = "query"
    BODY = "body"
    SPREAD = "spread"
    """The members of this object stand in the body beside the other fields."""
    LOCAL = "local"
    """Read by this server and never sent."""


class Params(BaseModel):
    """The arguments of one tool: unknown names are refused, never dropped.

    A field that is `None` by default is absent on the wire until the caller gives it. A field with any other
    default is always sent, because the API's own default would be a trap.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)
    choices: ClassVar[frozenset[str]] = frozenset()
    """The arguments that are one of a few words, so that the record may show them."""
    most_people: ClassVar[int] = 1
    """At most this many people are named by one call of a write; 0 if its arguments name none."""

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls.choices = frozenset(i.alias or name for name, i in cls.model_fields.items() if _is_choice(i.annotation))

    def minted(self, _mint: Callable[[], str]) -> Self:
        """Return a copy in which every event has a ULID, so that all attempts of a call carry the same."""
        return self

    def own_repeat(self) -> Repeat | None:
        """Return what a repeat of just this call would do, where its items decide."""
        return None

    def own_access(self) -> Access | None:
        """Return what just this call can do to what is there, where its items decide."""
        return None

    def people(self) -> int:
        """Return how many people a write changes or reaches; 0 if none, or if its arguments do not tell."""
        return min(self.most_people, 1)

    def echoed(self) -> dict[str, Any]:
        """Return what the caller should learn of the request beside the reply."""
        return {}


def _is_choice(annotation: Any) -> bool:
    return get_origin(annotation) is Literal or any(_is_choice(part) for part in get_args(annotation))


Place = tuple[str | int, ...]


def wrong(place: str | Place, reason: str | ValueError) -> ValidationError:
    """Return the error of a field, or of a place inside it, to be raised by a validator of something larger.

    A `reason` that already names places keeps them, below this one. Values are left out: they may be personal.
    """
    at: Place = (place,) if isinstance(place, str) else place
    if isinstance(reason, ValidationError):
        lines = [(at + line["loc"], line["ctx"]["error"]) for line in reason.errors(include_url=False)]
    else:
        lines = [(at, ValueError(reason) if isinstance(reason, str) else reason)]
    return ValidationError.from_exception_data(
        "arguments", [_line(loc, error) for loc, error in lines], hide_input=True
    )


def _line(loc: Place, error: ValueError) -> InitErrorDetails:
    return {"type": "value_error", "loc": loc, "input": None, "ctx": {"error": error}}


class FlatSchema(GenerateJsonSchema):
    """Schemas without titles, null unions or null defaults: some vendors refuse a list for one of them."""

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    @override
    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        rendered = super().default_schema(schema)
        if rendered.get("default", ...) is None:
            del rendered["default"]
        return rendered

    @override
    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return {"type": "object"}  # what it may hold is said in words: `additionalProperties` trips vendors

    @override
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def input_schema(params: type[Params]) -> dict[str, Any]:
    """Return the JSON Schema of a tool's arguments: one object, closed, without `$ref` or unions."""
    schema = params.model_json_schema(by_alias=True, schema_generator=FlatSchema)
    schema.pop("title", None)
    schema.pop("description", None)
    for rendered in schema.setdefault("properties", {}).values():
        # pydantic leaves the bound of a type with a validator of its own under its own name.
        if "le" in rendered:
            rendered["maximum"] = rendered.pop("le")
    return schema
