"""Pure: what an operator does about a setting that is missing or wrong, by where the settings come from."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from cio_mcp.login.kept import NAMES
from cio_mcp.settings import Settings

_REGION = "CUSTOMERIO_REGION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the settings of a workspace come from, in the words of whoever mends them."""

    named: Callable[[str], str] = str
    """What they call a variable."""
    give: str = "set"
    """What they do with a key that is missing; its name follows."""
    region: str = f"set {_REGION}="
    """What they do about a wrong region; the right one follows."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return where one workspace's settings come from: keys in the environment go before all that are stored."""
        if settings.login:
            return cls(give="run `cio-mcp login` and give")
        if any(getattr(settings, name) for name in NAMES):
            return cls()
        return cls(give="run `cio-mcp login`, or set")

    @classmethod
    def file(cls, named: Callable[[str], str]) -> Self:
        """Return a file of several workspaces, in which a variable has a place of its own."""
        return cls(named=named, region=f"set {named(_REGION)} to ")

    @classmethod
    def login(cls) -> Self:
        """Return the command that asks for keys: of a region it takes a flag."""
        return cls(
            named=lambda variable: "--region" if variable == _REGION else variable,
            give="run `cio-mcp login` again and give",
            region="log in with --region ",
        )

    def to_give(self, variables: Iterable[str]) -> str:
        """Return what is to be done for keys to be there."""
        return f"{self.give} {' and '.join(map(self.named, variables))}"

    def to_live_in(self, region: str) -> str:
        """Return what is to be done for the keys to be used in their account's region."""
        return f"{self.region}{region}"
