"""How much of the process one HTTP server may take, and how long anybody may let it wait."""

import sys
from dataclasses import dataclass

if sys.platform != "win32":
    import resource

_OTHER_FILES = 128
"""Descriptors left for what is not a client: the store, connections to Customer.io, standard streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one HTTP server: sizes in bytes, times in seconds.

    A connection costs a descriptor and some kilobytes; a request costs what its call does. Times run from the first
    moment on: a client cannot prolong one by sending a byte now and then.
    """

    connections: int = 2048
    requests: int = 512
    """MCP requests served at one time; the next one is answered 503. One that is not whole yet does not count."""
    sessions: int = 1024
    """Open at one time, where there are sessions."""
    head: int = 16 * 1024
    """Request line and headers."""
    body: int = 4 * 1024 * 1024
    """What the MCP SDK takes, over HTTP and (here) over stdio."""
    bodies: int = 64 * 1024 * 1024
    """Of all bodies together that are held at one time."""
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    idle_seconds: int = 75
    """Longer than proxies keep an idle connection (nginx, "keepalive_timeout" of an upstream: 60 s): whoever closes
    first must not be the one that a request may just be on its way to."""
    write_seconds: float = 30.0
    """For which a client may leave its answer unread."""


def affordable(connections: int) -> int:
    """Return how many connections this process may have open, at most `connections`.

    Raises the process's soft limit of open files as far as the hard limit allows, if that is in the way.
    """
    if sys.platform == "win32":
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, soft - _OTHER_FILES)
    return connections
