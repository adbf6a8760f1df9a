"""Pure: who can reach the server, by which names, and what it must ask of them first."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HTTP_PORT = 80  # a client leaves it out of Host and Origin (RFC 9110, section 7.2)

_HOST = r"(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
_IS_HOST = re.compile(_HOST)
_IS_ORIGIN = re.compile(rf"[a-z][a-z0-9+.-]*://{_HOST}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """The Host and Origin headers that are answered; both are compared whole, in lower case."""

    hosts: frozenset[str]
    origins: frozenset[str]

    def host(self, given: Sequence[bytes]) -> bool:
        """Tell whether a request's Host headers name this server."""
        return len(given) == 1 and given[0].decode("latin-1").lower() in self.hosts

    def origin(self, given: Sequence[bytes]) -> bool:
        """Tell whether a request comes from a page that may use this server; programs send no Origin."""
        return all(value.decode("latin-1").lower() in self.origins for value in given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Where a server listens and by which foreign names it is called; None means that nothing was said."""

    host: str
    hosts: Sequence[str] | None
    origins: Sequence[str] | None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return ipaddress.ip_address(self.address).is_loopback

    @property
    def address(self) -> str:
        """The address to listen on; `ValueError` if it is none."""
        name = self.host.removeprefix("[").removesuffix("]")
        if name == "localhost":
            return "127.0.0.1"
        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            raise ValueError(
                f"{self.host!r} is not a loopback address, nor another: use 127.0.0.1 for this machine alone"
            ) from None

    def check(self, *, authenticated: bool, insecure_loopback: bool) -> None:
        """Refuse to be reached from elsewhere by whoever likes.

        Callers are asked who they are wherever others than this machine's programs may call: on an address that is
        not loopback always, and on loopback as soon as a foreign host or origin is allowed (a proxy, a web page),
        unless `insecure_loopback` says that somebody else asks them. Raises `ValueError` with what is missing.
        """
        if not self.is_loopback:
            self._check_open(authenticated=authenticated, insecure_loopback=insecure_loopback)
        elif (self.hosts or self.origins) and not authenticated and not insecure_loopback:
            raise ValueError(
                "with allowed hosts or origins, others than this machine's programs can call: that needs "
                "authentication, or insecure-loopback if a proxy on this machine authenticates them"
            )

    def _check_open(self, *, authenticated: bool, insecure_loopback: bool) -> None:
        here = f"{self.host!r} is not a loopback address, so other machines can call"
        if insecure_loopback:
            raise ValueError(f"{here}: insecure-loopback is for 127.0.0.1 only")
        missing = [
            what
            for what, given in (
                ("authentication of callers", authenticated),
                ("the allowed hosts (what clients write before /mcp, such as mcp.example.com)", bool(self.hosts)),
                ("the allowed origins (of web pages that may call; none if there are none)", self.origins is not None),
            )
            if not given
        ]
        if missing:
            raise ValueError(f"{here}. That needs {' and '.join(missing)}. For this machine alone use 127.0.0.1")

    def allow_list(self, port: int) -> AllowList:
        """Return what is answered on `port`: on loopback this machine's names, and everywhere what was allowed."""
        suffixes = (f":{port}", "") if port == _HTTP_PORT else (f":{port}",)
        own = [name + suffix for name in _LOOPBACK_NAMES for suffix in suffixes] if self.is_loopback else []
        return AllowList(
            hosts=frozenset([*own, *_read(self.hosts or (), _IS_HOST, "host", "mcp.example.com or 10.0.0.5:8000")]),
            origins=frozenset(
                [
                    *(f"http://{name}" for name in own),
                    *_read(self.origins or (), _IS_ORIGIN, "origin", "https://app.example.com"),
                ]
            ),
        )


def _read(entries: Iterable[str], form: re.Pattern[str], kind: str, example: str) -> list[str]:
    read = [entry.strip().lower() for entry in entries]
    for entry in read:
        if not form.fullmatch(entry):
            raise ValueError(f"{entry!r} is no {kind}: each is written in full, such as {example}")
    return read
