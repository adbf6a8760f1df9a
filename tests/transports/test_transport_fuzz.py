"""100,000 frames that nobody should send: no exit, no hang, one answer for every request with a readable id."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from tests.fuzz.frames import Frames
from tests.fuzz.over_http import fuzz_http, judged
from tests.fuzz.over_stdio import fuzz_stdio
from tests.fuzz.owed import owed


# Half a minute each on an idle machine; `python -m tests.fuzz` takes other seeds and numbers.
@pytest.mark.parametrize(("fuzz", "number"), [(fuzz_stdio, 65_000), (fuzz_http, 35_000)])
def test_every_frame_gets_what_it_is_owed(fuzz: Callable[[int, int], None], number: int) -> None:
    fuzz(number, 4)


def test_a_seed_makes_the_same_frames_again() -> None:
    first, again, other = (list(islice(Frames(seed), 500)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_many_frames_are_requests_in_good_order_and_many_are_not() -> None:
    dues = [owed(frame) for frame in islice(Frames(1), 2000)]
    assert sum(bool(due.ids) for due in dues) > 600
    assert sum(due.unsure for due in dues) > 400


@pytest.mark.parametrize(
    ("frame", "ids", "unsure"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', (1,), False),
        (b'\xef\xbb\xbf{"id":"a"}', ("a",), False),
        (b'[{"id":1,"method":"ping"},{"id":2},7,{"method":"x"}]', (1,), False),
        (b'{"id":1,"result":{}}', (), True),
        (b'{"id":1.0,"method":"ping"}', (), True),
        (b'{"id":true,"method":"ping"}', (), True),
        (b'{"id":"\\ud800","method":"ping"}', (), True),
        (b'{"id":1,"id":2,"method":"ping"}', (), True),
        (b'{"id":1,"method":"ping"', (), True),
        (b"[]", (), True),
    ],
)
def test_what_is_owed_is_read_from_the_frame_alone(frame: bytes, ids: tuple[Any, ...], *, unsure: bool) -> None:
    due = owed(frame)
    assert (due.ids, due.unsure) == (ids, unsure)


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (202, "", b""),
        (500, "text/plain", b"Internal Server Error"),
        (200, "application/json", b'{"jsonrpc":"2.0","id":2,"result":{}}'),
        (200, "application/json", b'{"jsonrpc":"2.0","id":null,"error":{}}'),
        (200, "application/json", b'[{"id":1},{"id":1}]'),
    ],
)
def test_a_wrong_answer_is_noticed(status: int, content_type: str, body: bytes) -> None:
    assert judged(b'{"jsonrpc":"2.0","id":1,"method":"ping"}', status, content_type, body)
    assert not judged(b'{"id":1,"method":"x"}', 200, "application/json", b'{"jsonrpc":"2.0","id":1,"result":{}}')
