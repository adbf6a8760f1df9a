"""A host's configuration file: read as it is, and replaced whole, with what it held kept beside it."""

import stat
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cio_mcp.cli.ledger_file import Impossible
from cio_mcp.hosts.document import Unreadable, is_bare, parsed, rendered
from cio_mcp.hosts.entry import Unmergeable, servers_of
from cio_mcp.hosts.table import Host
from cio_mcp.replacing import PRIVATE, NotOurs, back_up, check_owner, replace_file

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


class NeedsHand(Exception):
    """A file that cannot be read here, and is left as it is; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFile:
    """What was found of a host's file: where it really lies, its bytes (None if there is none), its mode."""

    host: Host
    path: Path
    content: bytes | None
    mode: int = PRIVATE
    text: str = field(default="", repr=False)

    def document(self) -> MutableMapping[str, Any]:
        """Return what it holds; raises NeedsHand."""
        try:
            return parsed(self.host.syntax, self._body())
        except Unreadable as error:
            raise NeedsHand(f"{self.path} {error}; it is left as it is") from None

    def servers(self, document: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the table of servers of what it holds; raises NeedsHand."""
        try:
            return servers_of(document, self.host)
        except Unmergeable as error:
            raise NeedsHand(f"{self.path}: {error}; it is left as it is") from None

    def is_bare(self) -> bool:
        """Say whether its table of servers holds nothing but servers."""
        return is_bare(self.host.syntax, self._body(), self.host.table)

    def _body(self) -> str:
        return self.text.removeprefix(_BOM)

    def replace(self, document: MutableMapping[str, Any]) -> Path | None:
        """Write the document, and return where what it held before is kept; raises Impossible."""
        bom = _BOM if self.text.startswith(_BOM) else ""
        try:
            text = bom + rendered(self.host.syntax, document, like=self._body())
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            backup = None
            if self.content is not None:
                backup = back_up(self.path, self.content, mode=self.mode, now=datetime.now(UTC))
            if _bytes(self.path) != self.content:
                raise Impossible(f"{self.path} was changed just now by another program; end that, and run this again")
            replace_file(self.path, text.encode(), mode=self.mode)
        except Unreadable as error:
            raise Impossible(f"{self.path} {error}; --print shows the entry, to change it by hand") from None
        except OSError as error:
            raise Impossible(f"{self.path} cannot be written: {error.strerror}") from None
        return backup


def host_file(host: Host, path: Path) -> HostFile:
    """Read a host's file, following links as the host does; raises NeedsHand, or Impossible for another user's."""
    try:
        path = path.resolve()
        found = path.stat()
        check_owner(found, path)  # before it is read: a pipe, which nobody writes into, would be waited for for ever
        content = path.read_bytes()
        text = content.decode()
    except FileNotFoundError:
        return HostFile(host=host, path=path, content=None)
    except NotOurs as error:
        raise Impossible(str(error)) from None
    except UnicodeDecodeError:
        raise NeedsHand(f"{path} is no UTF-8 text; it is left as it is") from None
    except (OSError, RuntimeError) as error:  # links that lead in a circle
        reason = getattr(error, "strerror", None) or "its links lead nowhere"
        raise NeedsHand(f"{path} cannot be read: {reason}; it is left as it is") from None
    return HostFile(host=host, path=path, content=content, mode=stat.S_IMODE(found.st_mode), text=text)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
