"""Values that somebody gives for an identifier, and what has to become of each.

`path`, `body` and `number` say what happens where the value becomes a segment of a path, a text in a body or a query,
and the number of a thing. SENT means: as one request that carries just this value. `kind` is the kind of identifier
that the value looks like; where `id_type` names kinds, it is refused without and judged with it.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """What becomes of a value."""

    SENT = "sent"
    REFUSED = "refused"


SENT, REFUSED = Verdict.SENT, Verdict.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One value."""

    value: Any
    path: Verdict
    body: Verdict
    number: Verdict = REFUSED
    kind: str | None = None

    @property
    def label(self) -> str:
        """The value as a failure shows it."""
        return ascii(self.value)[:60] if not isinstance(self.value, int) else f"{type(self.value).__name__} {self.name}"

    @property
    def name(self) -> str:
        """A number, of which very many digits cannot be written."""
        return str(self.value) if abs(self.value) < 10**30 else "of thousands of digits"


def everywhere(value: Any, *, kind: str | None = None) -> Hostile:
    """Make a value that is data like any other: only the number of a thing cannot be it."""
    return Hostile(value=value, path=SENT, body=SENT, kind=kind)


def not_in_paths(value: Any, *, kind: str | None = None) -> Hostile:
    """Make a value that a body can carry and a path cannot."""
    return Hostile(value=value, path=REFUSED, body=SENT, kind=kind)


def nowhere(value: Any) -> Hostile:
    """Make a value that nothing takes."""
    return Hostile(value=value, path=REFUSED, body=REFUSED)


CORPUS: tuple[Hostile, ...] = (
    # Steps of a path, plain, encoded once or more, with either kind of slash.
    not_in_paths(".."),
    not_in_paths("."),
    not_in_paths("../x"),
    not_in_paths("x/.."),
    not_in_paths("a/../b"),
    not_in_paths("a/./b"),
    not_in_paths("..\\..\\x"),
    not_in_paths("..\\../x"),
    not_in_paths("%2e"),
    not_in_paths("%2e%2e"),
    not_in_paths(".%2E"),
    not_in_paths("%2e%2e%2fx"),
    not_in_paths("%252e%252e%252f"),
    not_in_paths("..%2f.."),
    not_in_paths("..%5c.."),
    not_in_paths("person@example.com/..", kind="email"),
    # What only looks like one, and separators, which one level of encoding makes data.
    everywhere("..."),
    everywhere("a.."),
    everywhere("....//"),
    everywhere("a/b"),
    everywhere("/"),
    everywhere("a\\b"),
    everywhere("a%2fb"),
    everywhere("a?x=1"),
    everywhere("a#x"),
    everywhere("a;b"),
    everywhere("a,b"),
    everywhere("a&id_type=email"),
    everywhere("a=b"),
    everywhere("a+b"),
    everywhere("a b"),
    everywhere("%"),
    everywhere("%zz"),
    everywhere("%00"),
    everywhere("%0d%0aX: y"),
    everywhere("//evil.example/x"),
    everywhere("https://evil.example"),
    everywhere("*"),
    everywhere("~a_b-c.d"),
    everywhere("{identifier}"),
    everywhere("{0.__class__}"),
    everywhere("%s"),
    everywhere("' OR 1=1"),
    everywhere("</script><x y='z'>"),
    everywhere("null"),
    # Unicode is sent as it is: twins are other people.
    everywhere("\uff0e\uff0e\uff0fx"),
    everywhere("\u2024\u2024"),
    everywhere("jose\u0301"),
    everywhere("jos\u00e9"),
    everywhere("\u0430dmin"),
    everywhere("a\u202etxt"),
    everywhere("a\u200bb"),
    everywhere("a\u2028b"),
    everywhere("\N{GRINNING FACE}"),
    # Emptiness, spaces, controls, size.
    nowhere(""),
    nowhere(" "),
    nowhere("\u00a0"),
    not_in_paths(" a"),
    not_in_paths("a "),
    not_in_paths("a\u3000"),
    everywhere("a."),
    nowhere("\x00"),
    nowhere("a\x00b"),
    nowhere("a\r\nX: y"),
    nowhere("a\nb"),
    nowhere("a\tb"),
    nowhere("a\x1bb"),
    nowhere("a\x7fb"),
    nowhere("a\x85b"),
    nowhere("x" * 4096),
    nowhere("\u00e9" * 2048),
    # Other kinds of identifiers.
    everywhere("a+b@example.com", kind="email"),
    everywhere('"a b"@example.org', kind="email"),
    everywhere("jos\u00e9@example.com", kind="email"),
    everywhere("jose\u0301@example.com", kind="email"),
    everywhere("\u0430dmin@example.com", kind="email"),
    everywhere("cio_03000001", kind="cio_id"),
    everywhere("cio_03000001/x?y", kind="cio_id"),
    everywhere("cio_03000001@example.com", kind="email"),
    everywhere("+15551234567", kind="phone"),
    # Numbers, and what is none.
    Hostile(value=7, path=SENT, body=SENT, number=SENT),
    Hostile(value="7", path=SENT, body=SENT, number=SENT),
    Hostile(value=10**17, path=SENT, body=SENT, number=SENT),
    everywhere(0),
    everywhere(-1),
    everywhere(10**18),
    everywhere("0"),
    everywhere("-1"),
    everywhere("01"),
    everywhere("+7"),
    everywhere("7.0"),
    everywhere("1e3"),
    everywhere("0x7"),
    everywhere("1_000"),
    everywhere("\u0663"),
    everywhere("\uff17"),
    nowhere(2**63),
    nowhere(10**4300),
    nowhere(7.0),
    nowhere(1.5),
    # Other types.
    nowhere(True),
    nowhere(False),
    nowhere(None),
    nowhere({}),
    nowhere({"id": "7"}),
    nowhere([]),
    nowhere(["7"]),
    nowhere("\ud800"),
    nowhere("a\udfffb"),
)
