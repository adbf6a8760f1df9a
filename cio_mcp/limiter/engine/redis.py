"""Slots in Redis or Valkey: two scripts, which run on the engine's clock and one at a time."""

from collections.abc import Awaitable, Sequence
from dataclasses import astuple
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from cio_mcp.limiter.engine.terms import Change, Terms, Unreachable, View, words

if TYPE_CHECKING:
    from redis.asyncio import Redis

SCHEMES: Final = ("redis", "rediss", "unix")
# Slower than this is as good as gone: callers wait meanwhile.
_PATIENCE = 1.0
T = TypeVar("T")
_KEYS = ("reserved", "written", "cooling", "line", "state")


class _Script(Protocol):
    def __call__(self, keys: Sequence[str], args: Sequence[str | int]) -> Awaitable[list[int]]: ...


class RedisEngine:
    """An engine on a client of `redis.asyncio`, which stays its owner's to close.

    Redis 5 or newer, or Valkey. The account needs EVALSHA, SCRIPT LOAD and PING, and INFO to notice restarts; keys
    begin with `cio-mcp:`, and must not be evicted (`maxmemory-policy noeviction` or one of the `volatile-` with room
    to spare). In a cluster, the keys of a bucket lie on one node.
    """

    def __init__(self, client: "Redis", *, name: str = "redis") -> None:
        self._client = client
        self.name = name
        here = files("cio_mcp.limiter.engine")
        self._take: _Script = client.register_script((here / "take.lua").read_text(encoding="utf-8"))
        self._report: _Script = client.register_script((here / "report.lua").read_text(encoding="utf-8"))

    async def take(self, terms: Terms, replica: str, slots: Sequence[str], waiting: int) -> View:
        """Grant what is free of these slots, for a replica with so many callers in line."""
        args: list[str | int] = [replica, waiting, *_numbers(terms), *slots]
        return View.told(await self._answer(self._take(keys=_keys(terms), args=args)))

    async def report(self, terms: Terms, replica: str, changes: Sequence[Change]) -> None:
        """Make changes, in the order given, at once."""
        told = [word for change in changes for word in words(change)]
        await self._answer(self._report(keys=_keys(terms), args=[replica, *_numbers(terms), *told]))

    async def ping(self) -> None:
        """See whether it answers."""
        await self._answer(self._client.ping())

    async def _answer(self, asked: Awaitable[T]) -> T:
        from redis.exceptions import RedisError  # noqa: PLC0415 - an extra, only for those who use it

        try:
            return await asked
        except (RedisError, OSError) as error:
            # Connections that nobody uses are no better: one of them would be taken for a second failure later.
            await self._client.connection_pool.disconnect(inuse_connections=False)
            raise Unreachable(str(error) or type(error).__name__) from None


def redis_client(url: str) -> "Redis":
    """Return a client for `redis://`, `rediss://` (TLS) or `unix://`; ImportError tells which extra is missing."""
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - an extra, only for those who use it
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
    except ImportError:
        raise ImportError('limits in Redis or Valkey need an extra: pip install "cio-mcp[redis]"') from None
    # Whether to try again is not the client's business: meanwhile nobody may be let through.
    client: Redis = Redis.from_url(
        url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE, retry=Retry(NoBackoff(), 0)
    )
    return client


def redis_name(url: str) -> str:
    """Return where an engine is, without the password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _keys(terms: Terms) -> list[str]:
    # What stands in braces alone decides on the node of a cluster.
    return [f"cio-mcp:{{{terms.bucket}}}:{key}" for key in _KEYS]


def _numbers(terms: Terms) -> list[int]:
    _, *numbers = astuple(terms)
    return numbers
