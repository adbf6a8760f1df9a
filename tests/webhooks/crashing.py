"""A receiver as a process of its own, which can be made to hang between keeping an event and answering.

    python -m tests.webhooks.crashing FILE answer|hang

It writes its port, and in the second case a line for everything that it has kept.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import anyio

from cio_mcp.secret import Secret
from cio_mcp.webhooks.intake import Intake
from cio_mcp.webhooks.receiver import Receiver
from cio_mcp.webhooks.sqlite import SqliteEvents
from cio_mcp.webhooks.store import Kept, Received
from tests.webhooks.receiving import KEY, listening


class Hanging(SqliteEvents):
    """Keeps a batch, says so, and never returns."""

    async def put(self, batch: Sequence[Received]) -> list[Kept]:
        """Keep a batch."""
        await super().put(batch)
        say("kept")
        await anyio.sleep_forever()
        return []


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(path: str, how: str) -> None:
    """Serve until killed."""
    store = (Hanging if how == "hang" else SqliteEvents)(Path(path), workspace="test", now=time.time)
    async with listening(Receiver(intake=Intake(store=store), keys=lambda: [Secret(KEY)], now=time.time)) as port:
        say(port)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
