"""Pure: Markdown as this project writes it: sections by heading, fences, tables, links between files."""

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"(\[(?:[^\[\]]|\[[^\]]*\])*\])\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")
_COMMENT = re.compile(r"<!--.*?-->\n*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What stands below one heading, up to the next one of any level."""

    level: int
    title: str
    text: str

    @property
    def slug(self) -> str:
        """The anchor of its heading."""
        return slug(self.title)


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and the site's builder make it."""
    return re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Return `text` with everything changed that is no fenced code."""
    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


def sections(text: str) -> list[Section]:
    """Return the sections of a page in their order; comments in code are no headings."""
    fences = [fence.span() for fence in FENCE.finditer(text)]
    heads = [head for head in _HEADING.finditer(text) if not any(start <= head.start() < end for start, end in fences)]
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [
        Section(level=len(head[1]), title=head[2], text=text[head.end() : end].strip("\n"))
        for head, end in zip(heads, ends, strict=True)
    ]


def below(title: str, all_sections: Sequence[Section]) -> list[Section]:
    """Return a section and those that belong to it; raises LookupError unless there is exactly one of that title."""
    found = [number for number, each in enumerate(all_sections) if each.title == title]
    if len(found) != 1:
        raise LookupError(f"{len(found)} sections are called {title}")
    start = found[0]
    level = all_sections[start].level
    after = range(start + 1, len(all_sections))
    end = next((number for number in after if all_sections[number].level <= level), len(all_sections))
    return list(all_sections[start:end])


def written(shown: Sequence[Section], *, top: int) -> str:
    """Return sections as text again, the first one's heading on level `top` and the others as far below it."""
    shift = top - shown[0].level
    return "\n\n".join(f"{'#' * (each.level + shift)} {each.title}\n\n{each.text}".rstrip() for each in shown) + "\n"


def without_comments(text: str) -> str:
    """Return text without the comments by which programs find places in it."""
    return outside_fences(text, lambda part: _COMMENT.sub("", part))


def relinked(text: str, target: Callable[[str, str], str | None]) -> str:
    """Return text whose links to files and headings lead where `target(file, anchor)` says; None takes a link away."""

    def changed(found: re.Match[str]) -> str:
        place = target(found[2], found[3] or "")
        return found[1][1:-1] if place is None else f"{found[1]}({place})"

    return outside_fences(text, lambda part: _LINK.sub(changed, part))


def relative(path: str, to: str) -> str:
    """Return the way from one page to another."""
    file, _, anchor = to.partition("#")
    way = posixpath.relpath(file, posixpath.dirname(path) or ".")
    return f"{way}#{anchor}" if anchor else way


def table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def fenced(language: str, code: str) -> str:
    """Return code in a fence."""
    return f"```{language}\n{code.rstrip()}\n```"
