"""Who is meant: the identifiers of people, objects and deliveries, as each of Customer.io's APIs takes them."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from cio_mcp.catalog.fields import ID_BYTES, PATH_VALUE_BYTES, PathId, at_most, number_as_text, one_line
from cio_mcp.catalog.json_values import JsonObject
from cio_mcp.catalog.params import Params, wrong
from cio_mcp.catalog.paths import check_segment

IdType = Literal["id", "email", "phone", "cio_id"]
Members = dict[str, Any]
ObjectCheck = Callable[[Members], Members]

# E.164: a plus sign and at most 15 digits, the first not 0. Shorter than 7 is no subscriber's number.
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_CIO_PREFIX = "cio_"
# Track API specification, the parameter `identifier`: "cio_[a-zA-Z0-9]*". Anything else may stand behind the prefix in
# somebody's id, or in an address: it names nobody for certain, and must not pass for a cio_id.
_CIO_ID = re.compile("cio_[A-Za-z0-9]+")
NAMES = frozenset({*get_args(IdType), "object_type_id", "object_id", "cio_object_id", "anonymous_id"})


def is_phone(text: str) -> bool:
    """Say whether a text is a phone number in E.164 form."""
    return bool(_PHONE.fullmatch(text))


def is_cio_id(text: str) -> bool:
    """Say whether a text is a cio_id as paths take it: with the prefix."""
    return bool(_CIO_ID.fullmatch(text))


def is_misspelt(text: str) -> bool:
    """Say whether a text begins like a cio_id and is none, nor an address: whom it names is not certain."""
    return text.startswith(_CIO_PREFIX) and kind_by_look(text) is None


def without_prefix(text: str) -> str:
    """Return a cio_id as answers give it; what is none stays as it is."""
    return text.removeprefix(_CIO_PREFIX) if is_cio_id(text) else text


def kind_by_look(text: str) -> IdType | None:
    """Say what a text that should be an id looks like instead, if anything."""
    if is_cio_id(text):
        return "cio_id"
    if is_phone(text):
        return "phone"
    return "email" if "@" in text else None


def kind_in_path(identifier: str) -> IdType:
    """Say what Customer.io takes a person in a Track path for: it goes by the look, and knows no telephone numbers."""
    seen = kind_by_look(identifier)
    return seen if seen in ("cio_id", "email") else "id"


def lookup_of(identifier: str) -> dict[str, Any]:
    """Name a person in a Track path as the App API wants."""
    return {"customer_id": identifier, "id_type": kind_in_path(identifier)}


def check_kind(value: str, kind: IdType | None) -> str:
    """Check that a value is of the kind that `id_type` names; without one, that it does not look like another.

    Customer.io takes a value without `id_type` for an id, so an e-mail address finds nobody, silently.
    """
    if kind is None:
        seen = "cio_id" if is_misspelt(value) else kind_by_look(value)
        if seen:
            raise ValueError(f"looks like {_A[seen]}: set id_type to {seen} (or to id, if it is one)")
    elif kind == "email" and "@" not in value:
        raise ValueError("is no e-mail address: set id_type to what it is")
    elif kind == "phone" and not is_phone(value):
        raise ValueError("must be in E.164 form for id_type phone, such as +15551234567")
    return value


_A = {"email": "an e-mail address", "phone": "a phone number", "cio_id": "a cio_id"}


def track_identifier(text: str) -> str:
    """Check a person in a Track path, where Customer.io guesses the kind from the shape of the value."""
    if is_phone(text):
        raise ValueError('looks like a phone number, here taken for an id: use apply_entity with {"phone": ...}')
    if is_misspelt(text):
        raise ValueError('begins with cio_ and is no cio_id (letters and digits): use apply_entity with {"id": ...}')
    return text if "@" in text else at_most(ID_BYTES)(check_segment(text))


def identifier_texts(members: Members) -> Members:
    """Check the values of an `identifiers` object: each is one line of text; numbers become text."""
    unknown = sorted(set(members) - NAMES)
    if unknown:
        raise ValueError(f"does not take {unknown[0][:40]!r}: identifiers are {', '.join(sorted(NAMES))}")
    return {name: _identifier_text(name, number_as_text(value)) for name, value in members.items()}


def _identifier_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise wrong(name, "must be text")
    if name == "phone" and not is_phone(value):
        raise wrong(name, "must be in E.164 form, such as +15551234567")
    if name == "email" and "@" not in value:
        raise wrong(name, "must be an e-mail address")
    if name == "cio_id":
        value = value.removeprefix(_CIO_PREFIX)  # only paths take the prefix; bodies show none (Track API schemas)
    try:
        return at_most(PATH_VALUE_BYTES if name == "email" else ID_BYTES)(one_line(value))
    except ValueError as error:
        raise wrong(name, error) from None


def check_one_of(members: Mapping[str, Any], *names: str) -> None:
    """Raise ValueError unless just one of `names` stands in `members`, and nothing else."""
    listed = " | ".join(names)
    unknown = sorted(set(members) - set(names))
    if unknown:
        raise ValueError(f"does not take {unknown[0][:40]!r}: give exactly one of {listed}")
    if len(members) != 1:
        raise ValueError(f"must hold exactly one of {listed}")


def exactly_one_of(*names: str) -> ObjectCheck:
    """Check an object that must hold just one of some text members."""

    def check(members: Members) -> Members:
        check_one_of(members, *names)
        return identifier_texts(members)

    return check


PersonInPath = Annotated[PathId, AfterValidator(track_identifier)]

PersonIdentifiers = Annotated[
    JsonObject,
    AfterValidator(exactly_one_of("id", "email", "cio_id")),
    WithJsonSchema({"type": "object", "properties": {name: {"type": "string"} for name in ("id", "email", "cio_id")}}),
]
"""Exactly one identifier of a person, as the sends and merges take it."""


class PersonLookup(Params):
    """A person as the App API's paths name them: a value, and of which kind it is."""

    id_type: IdType | None = Field(None, description="Default id")  # before customer_id, whose check reads it
    customer_id: PathId = Field(description="Of the kind id_type names")

    @field_validator("customer_id", mode="after")
    @classmethod
    def _is_of_its_kind(cls, value: str, info: ValidationInfo) -> str:
        if "id_type" not in info.data:
            return value  # id_type itself was refused
        kind: IdType | None = info.data["id_type"]
        check_kind(value, kind)
        # App paths take `cio_<cio_id>`, App answers give the cio_id without the prefix.
        return _CIO_PREFIX + value.removeprefix(_CIO_PREFIX) if kind == "cio_id" else value
