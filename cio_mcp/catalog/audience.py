"""Whom a broadcast goes to: at most one way of naming them, and the flags that go with it (App API reference)."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import override

from cio_mcp.catalog.fields import Email, Flag, HttpsUrl, JsonList, TextId
from cio_mcp.catalog.filters import audience
from cio_mcp.catalog.identifiers import check_one_of, identifier_texts
from cio_mcp.catalog.json_values import JsonObject
from cio_mcp.catalog.params import Params, wrong

# Documented for ids and per_user_data. For emails nothing is; they are held to the same number.
PEOPLE_AT_ONCE = 10_000

FLAGS = ("email_add_duplicates", "email_ignore_missing", "id_ignore_missing")
# "Trigger a broadcast" in the App API reference: the flags that each audience takes.
FLAGS_OF: Mapping[str, tuple[str, ...]] = {
    "recipients": (),
    "emails": ("email_add_duplicates", "email_ignore_missing"),
    "ids": ("id_ignore_missing",),
    "per_user_data": FLAGS,
    "data_file_url": FLAGS,
}


def not_empty(members: dict[str, Any]) -> dict[str, Any]:
    """Refuse an empty filter, which the API refuses too."""
    if not members:
        raise ValueError("must not be empty: omit it to use the audience set in Customer.io")
    return members


def user_data(members: dict[str, Any]) -> dict[str, Any]:
    """Check one person's row: id or email, and what data their message takes, if any."""
    who = {name: value for name, value in members.items() if name != "data"}
    check_one_of(who, "id", "email")
    if not isinstance(members.get("data", {}), dict):
        raise wrong("data", "must be an object")
    return {**members, **identifier_texts(who)}


Recipients = Annotated[JsonObject, AfterValidator(not_empty), AfterValidator(audience)]


class Audience(Params):
    """The people a broadcast goes to."""

    most_people: ClassVar[int] = PEOPLE_AT_ONCE

    recipients: Recipients | None = Field(None, description="Filter, as in search_people")
    ids: Annotated[list[TextId], JsonList] | None = Field(
        None, min_length=1, max_length=PEOPLE_AT_ONCE, description="≤10,000"
    )
    emails: Annotated[list[Email], JsonList] | None = Field(
        None, min_length=1, max_length=PEOPLE_AT_ONCE, description="≤10,000"
    )
    per_user_data: Annotated[list[Annotated[JsonObject, AfterValidator(user_data)]], JsonList] | None = Field(
        None, min_length=1, max_length=PEOPLE_AT_ONCE, description="[{id | email, data}], ≤10,000"
    )
    data_file_url: HttpsUrl | None = Field(None, description="https; such an object per line")
    id_ignore_missing: Flag | None = Field(None, description="Else one unknown id fails all")
    email_ignore_missing: Flag | None = Field(None, description="Else one unknown e-mail fails all")
    email_add_duplicates: Flag | None = Field(None, description="All people who share an e-mail")

    @override
    def people(self) -> int:
        # An address may be several people's; how many, only Customer.io knows.
        listed = None if self.email_add_duplicates else self.ids or self.emails or self.per_user_data
        return len(listed or ())

    @model_validator(mode="after")
    def _is_named_one_way(self) -> Self:
        named = [name for name in FLAGS_OF if getattr(self, name) is not None]
        if len(named) > 1:
            raise wrong(named[1], f"must not stand beside {named[0]}: give at most one of {', '.join(FLAGS_OF)}")
        taken = FLAGS_OF[named[0]] if named else ()
        chosen = named[0] if named else "the audience set in Customer.io"
        for flag in FLAGS:
            if getattr(self, flag) is not None and flag not in taken:
                fits = [name for name, flags in FLAGS_OF.items() if flag in flags]
                raise wrong(flag, f"does not fit {chosen}, only {', '.join(fits)}: leave it out")
        return self
