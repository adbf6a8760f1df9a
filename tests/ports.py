"""A port for a server that another program opens later, so that it must be chosen before."""

import random
import socket
from contextlib import suppress

_BELOW_THOSE_OF_CLIENTS = range(10_000, 18_000)
"""Linux and others hand out ports from above these to whoever asks for any: nothing else gets one meanwhile."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    for port in random.sample(_BELOW_THOSE_OF_CLIENTS, 200):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")
