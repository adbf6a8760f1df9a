"""A secret is shown by nothing but `reveal`."""

import copy
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable

import pytest

from cio_mcp.secret import Secret

CANARY = "canary-secret"


@pytest.fixture
def secret() -> Secret:
    return Secret(CANARY)


def test_reveal_returns_the_text(secret: Secret) -> None:
    assert secret.reveal() == CANARY


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret(CANARY)


SHOWN: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "f-string": lambda secret: f"{secret} {secret!r} {secret!s} {secret!a}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - logging formats this way
    "format": "{0} {0!r}".format,
    "in a list": lambda secret: str([secret]),
    "in a dict": lambda secret: repr({"key": secret}),
    "json": lambda secret: json.dumps({"key": secret}, default=str),
    "dir": lambda secret: str(dir(secret)),
    "in an exception": lambda secret: repr(ValueError(secret)),
}


@pytest.mark.parametrize("way", SHOWN)
def test_no_way_of_showing_a_value_shows_the_text(secret: Secret, way: str) -> None:
    assert CANARY not in SHOWN[way](secret)


@pytest.mark.parametrize("refused", [pickle.dumps, copy.copy, copy.deepcopy, vars, lambda secret: f"{secret:>20}"])
def test_what_would_carry_the_text_away_is_refused_without_showing_it(
    secret: Secret, refused: Callable[[Secret], object]
) -> None:
    with pytest.raises(TypeError) as raised:
        refused(secret)
    assert CANARY not in str(raised.value)


def test_a_log_line_shows_stars(secret: Secret) -> None:
    written = io.StringIO()
    logger = logging.Logger("test")  # noqa: LOG001 - of this test alone
    logger.addHandler(logging.StreamHandler(written))
    logger.warning("key %s and %r", secret, secret)
    assert written.getvalue() == "key *** and Secret('***')\n"


def test_a_traceback_with_locals_shows_stars(secret: Secret) -> None:
    def uses(key: Secret) -> None:
        raise RuntimeError(f"with {key}")

    with pytest.raises(RuntimeError) as raised:
        uses(secret)
    told = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert "key = Secret('***')" in told
    assert CANARY not in told
