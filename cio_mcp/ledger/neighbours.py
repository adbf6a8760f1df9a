"""This process among those that share a ledger, and which of the others have died."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cio_mcp.ledger.place import lock_files

if TYPE_CHECKING:
    from cio_mcp.ledger.processes import Presence

ALONE = "memory"


class Neighbours:
    """This process among those that share a ledger.

    It makes itself known at its first write: one that only reads leaves no file, and starts without the lock library.
    """

    def __init__(self, ledger: Path | None) -> None:
        self._ledger = ledger
        self._presence: Presence | None = None

    def me(self) -> str:
        """Return this process's name, and keep its file locked from now on; raises Unrecorded."""
        if self._ledger is None:
            return ALONE
        if self._presence is None:
            from cio_mcp.ledger.processes import Presence  # noqa: PLC0415 - only writers pay for the lock library

            self._presence = Presence(self._ledger)
        return self._presence.id

    @property
    def name(self) -> str:
        """This process's name; empty before its first write."""
        if self._ledger is None:
            return ALONE
        return self._presence.id if self._presence else ""

    def dead(self, names: Iterable[str]) -> list[str]:
        """Return which of some processes have ended; the files of the dead are removed."""
        others = [name for name in names if self._presence is None or name != self._presence.id]
        if self._ledger is None or not others:
            return []
        from cio_mcp.ledger.processes import is_dead  # noqa: PLC0415 - as above

        return [name for name in others if is_dead(self._ledger, name)]

    def sweep(self) -> None:
        """Remove the files of dead processes that left nothing open."""
        if self._ledger is not None and lock_files(self._ledger):
            from cio_mcp.ledger.processes import sweep  # noqa: PLC0415 - as above

            sweep(self._ledger)

    def leave(self) -> None:
        """End the presence; what is open stays open, and is found by the next who looks."""
        presence, self._presence = self._presence, None
        if presence is not None:
            presence.end()
