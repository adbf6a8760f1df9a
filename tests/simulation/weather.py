"""What the network does: for each request one fate, drawn from the seed."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.simulation.messages import Connecting, Fate

LATEST = 50.0
"""Seconds after which a request that reached Customer.io is taken up at the latest: reconciliation counts on 60."""
_HTML = b"<!doctype html><title>Sign in</title><h1>Welcome to our wireless network</h1>"
_JSON = {"content-type": "application/json"}
# 408 and 5xx leave open what was done.
_ERRORS = (408, 500, 502, 503, 504, 520)
_BREAKS = ("ReadError", "RemoteProtocolError")
_ANSWER_BYTES = 700
Strike = Callable[[Random, Fate, Connecting], Fate]


class Weather:
    """The network of one seed: in some nearly everything goes wrong, in others nothing does."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._trouble = random.choice((0.0, 0.1, 0.3, 0.3, 0.7))

    def fate(self, request: Connecting) -> Fate:
        """Draw the fate of a request."""
        random = self._random
        fine = Fate(
            "fine",
            connecting=random.uniform(0.01, 0.05),
            sending=random.uniform(0.01, 0.05),
            answering=random.uniform(0.01, 0.08),
        )
        if random.random() >= self._trouble:
            return fine
        name = random.choices(list(_STRIKES), [weight for weight, _ in _STRIKES.values()])[0]
        return _STRIKES[name][1](random, replace(fine, name=name), request)


def _taken_some_time(random: Random, fate: Fate) -> Fate:
    """Return a fate in which nobody here can know whether Customer.io takes the request up, or when."""
    return replace(fate, takes=random.choice(("now", "never", "late")), late=random.uniform(0.5, LATEST))


def _unreachable(_random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(fate, unreachable=fate.name)


def _no_connection(_random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(fate, unreachable=fate.name, connecting=1e6)


def _cut_in_the_request(random: Random, fate: Fate, request: Connecting) -> Fate:
    return replace(fate, sent=random.randrange(request.size), breaks_as="WriteError")


def _cut_after_the_request(random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(_taken_some_time(random, fate), heard=0, breaks_as=random.choice(_BREAKS))


def _cut_in_the_head(random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(fate, heard=0, breaks_as=random.choice(_BREAKS))


def _cut_in_the_body(random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(fate, heard=1 + random.randrange(_ANSWER_BYTES), breaks_as=random.choice(_BREAKS))


def _hangs(random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(_taken_some_time(random, fate), silent=True)


def _error(random: Random, fate: Fate, _request: Connecting) -> Fate:
    # Whoever answers has done with the request: nothing comes of it later.
    takes = "never" if fate.name == "error before" else "now"
    return replace(fate, takes=takes, status=random.choice(_ERRORS), headers=_JSON, body=b"{}")


def _throttled(random: Random, fate: Fate, _request: Connecting) -> Fate:
    wait = {"retry-after": str(random.choice((1, 3, 20, 300)))} if fate.name == "throttled" else {}
    return replace(fate, takes="never", status=429, headers=_JSON | wait, body=b'{"errors":[]}')


def _signs_in(random: Random, fate: Fate, _request: Connecting) -> Fate:
    page = {"content-type": "text/html"}
    return replace(fate, takes=random.choice(("now", "never")), status=200, headers=page, body=_HTML)


def _turned_away(random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(fate, takes="never", status=random.choice((401, 403, 413)), headers=_JSON, body=b"{}")


def _redirected(_random: Random, fate: Fate, _request: Connecting) -> Fate:
    elsewhere = {"location": "https://elsewhere.example.com/"}
    return replace(fate, takes="never", status=307, headers=elsewhere, body=b"")


def _too_short(_random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(fate, claimed_length=10_000_000, breaks_as="RemoteProtocolError")


def _too_long(random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(fate, claimed_length=random.randrange(1, 8))


def _drips(_random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(fate, drip=True)


def _slow(random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(fate, answering=random.uniform(1, 60))


def _slow_upload(random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(fate, sending=random.uniform(1, 60))


def _empty(_random: Random, fate: Fate, _request: Connecting) -> Fate:
    return replace(fate, status=200, headers=_JSON, body=b"")


_STRIKES: dict[str, tuple[int, Strike]] = {
    "no such host": (2, _unreachable),
    "refused": (2, _unreachable),
    "no connection": (1, _no_connection),
    "cut in the request": (3, _cut_in_the_request),
    "cut after the request": (4, _cut_after_the_request),
    "cut in the head": (3, _cut_in_the_head),
    "cut in the body": (4, _cut_in_the_body),
    "hangs": (4, _hangs),
    "error before": (3, _error),
    "error after": (4, _error),
    "throttled": (2, _throttled),
    "quota": (1, _throttled),
    "signs in": (1, _signs_in),
    "turned away": (2, _turned_away),
    "redirected": (1, _redirected),
    "too short": (2, _too_short),
    "too long": (2, _too_long),
    "drips": (2, _drips),
    "slow": (2, _slow),
    "slow upload": (1, _slow_upload),
    "empty": (1, _empty),
}
