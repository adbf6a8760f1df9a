"""An engine by its address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from cio_mcp import postgres
from cio_mcp.limiter.engine.postgres import CONNECTIONS, PostgresEngine
from cio_mcp.limiter.engine.redis import SCHEMES, RedisEngine, redis_client, redis_name
from cio_mcp.limiter.engine.terms import Engine


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Engine]:
    """Use the engine at `redis://`, `rediss://`, `unix://` (Redis or Valkey) or `postgresql://`.

    Nothing is connected before it is used. Raises ValueError for another address, ImportError without the extra.
    """
    scheme = url.partition(":")[0]
    if scheme in SCHEMES:
        client = redis_client(url)
        try:
            yield RedisEngine(client, name=redis_name(url))
        finally:
            with anyio.CancelScope(shield=True):
                await client.aclose()
    elif scheme in postgres.SCHEMES:
        database = postgres.Database(url, size=CONNECTIONS)
        shared = PostgresEngine(database)
        try:
            yield shared
        finally:
            with anyio.CancelScope(shield=True):
                await shared.aclose()
                await database.aclose()
    else:
        known = ", ".join(f"{each}://" for each in (*SCHEMES, *postgres.SCHEMES))
        raise ValueError(f"limits can be shared through {known}")
