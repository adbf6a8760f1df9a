"""A replica of its own that holds slots: python -m tests.limiter_engine.worker URL BUCKET LIMIT/WINDOW SLOTS.

It takes slots, sends every other one's request, says "holding" on a line, and never hears of them again.
"""

import asyncio
import sys

from cio_mcp.limiter import Rate
from tests.limiter_engine.conftest import replica


async def _hold(url: str, bucket: str, rate: str, slots: str) -> None:
    async with replica(url) as link:
        limiter = link.limiter(Rate.parse(rate), bucket=bucket)
        permits = [await limiter.acquire() for _ in range(int(slots))]
        for permit in permits[::2]:
            permit.written()
        await asyncio.sleep(0.5)  # until it has been reported that they left
        sys.stdout.write("holding\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_hold(*sys.argv[1:]))
