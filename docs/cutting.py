"""Pure: the hand-written pages with what they show of README and the project's other documents put in.

`<!-- include: README.md#Deploy -->` puts in the section of that heading and those below it, without any that another
page puts in by its own heading; `<!-- include: SECURITY.md -->` puts in a whole document. What comes first on a page
becomes its title.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from docs.markdown import Section, below, relative, relinked, sections, slug, without_comments, written

_INCLUDE = re.compile(r"^<!-- include: ([\w/.-]+)(?:#(.+?))? -->$", re.MULTILINE)

Place = tuple[str, str]
"""A document, and the title of a section of it or ""."""


class Unplaced(Exception):
    """A section stands on no page or on two, or a document links to what no page shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """The project's documents, and on which pages their sections stand."""

    documents: Mapping[str, str]
    pages: Mapping[str, str]

    def claims(self) -> dict[Place, str]:
        """Return which page shows what by an include of its own; raises Unplaced if two do."""
        found: dict[Place, str] = {}
        for path, text in self.pages.items():
            for include in _INCLUDE.finditer(text):
                place = (include[1], include[2] or "")
                if place in found:
                    raise Unplaced(f"{place[0]}#{place[1]} stands on {found[place]} and on {path}")
                found[place] = path
        return found

    def homes(self) -> dict[Place, str]:
        """Return the page of every section of every included document; raises Unplaced if one has none."""
        claims = self.claims()
        found: dict[Place, str] = {}
        for document in {document for document, _ in claims}:
            page = claims.get((document, ""))
            stack: list[tuple[int, str | None]] = []
            for section in sections(self.documents[document]):
                while stack and stack[-1][0] >= section.level:
                    stack.pop()
                around = stack[-1][1] if stack else page
                home = claims.get((document, section.title), around)
                # A document's own title, put in by its name, stands for what comes before its first section alone.
                stack.append((section.level, None if section.level == 1 and not page else home))
                if home:
                    found[document, section.title] = home
        return found

    def unplaced(self, document: str) -> list[str]:
        """Return the headings of a document that no page shows."""
        homes = self.homes()
        return [each.title for each in sections(self.documents[document]) if (document, each.title) not in homes]

    def page(self, path: str) -> str:
        """Return a page with everything put in, its links leading to pages of the site."""

        def put_in(include: re.Match[str]) -> str:
            document, title = include[1], include[2]
            is_first = not self.pages[path][: include.start()].strip()
            shown = self._shown(document, title)
            text = written(shown, top=1 if is_first else 2)
            return relinked(text, lambda file, anchor: self._target(path, document, file, anchor)).rstrip()

        return without_comments(_INCLUDE.sub(put_in, self.pages[path])).rstrip() + "\n"

    def _shown(self, document: str, title: str | None) -> list[Section]:
        every = sections(self.documents[document])
        shown = below(title, every) if title else every
        claims = self.claims()
        kept: list[Section] = []
        skipped: int | None = None
        for number, section in enumerate(shown):
            if skipped is not None and section.level > skipped:
                continue
            skipped = None
            if number and (document, section.title) in claims:
                skipped = section.level
                continue
            kept.append(section)
        return kept[:1] if title == every[0].title else kept

    def _target(self, path: str, document: str, file: str, anchor: str) -> str | None:
        """Return where a link of a document leads on the site; raises Unplaced if a section stands nowhere.

        None for a file or folder that has no page here: the site knows no address of the source.
        """
        named = posixpath.normpath(posixpath.join(posixpath.dirname(document), file)) if file else document
        homes, claims = self.homes(), self.claims()
        if not anchor:
            return relative(path, claims[named, ""]) if (named, "") in claims else None
        for (where, title), home in homes.items():
            if where == named and slug(title) == anchor:
                return relative(path, f"{home}#{anchor}")
        raise Unplaced(f"{document} links to {named}#{anchor}, which no page shows")
