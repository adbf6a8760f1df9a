"""The pure part: cutting lines, reading them, writing them."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from mcp import types

from cio_mcp.transports.frames import LineBuffer, Oversized, decode, encode

IDS = st.integers() | st.text(st.characters(exclude_categories=["Cs"]))
REQUEST = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"a":[1,"\\u00e9"]}}}'


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_lines_do_not_depend_on_where_the_input_was_cut(data: bytes, cuts: list[int]) -> None:
    buffer = LineBuffer(limit=200)
    bounds = [0, *sorted(cuts), len(data)]
    lines = [line for a, b in pairwise(bounds) for line in buffer.feed(data[a:b])]
    lines += buffer.finish()
    expected = data.split(b"\n")
    assert lines == (expected if expected[-1] else expected[:-1])


@given(st.integers(0, 30), st.integers(1, 10))
def test_a_line_is_kept_up_to_the_limit_and_never_beyond(length: int, step: int) -> None:
    buffer, line = LineBuffer(limit=20), b"x" * length
    lines = [item for i in range(0, length, step) for item in buffer.feed(line[i : i + step])]
    lines += buffer.feed(b"\nnext\n")
    kept, following = lines
    assert kept == line if length <= 20 else isinstance(kept, Oversized)
    assert following == b"next"


@given(st.binary())
def test_any_bytes_at_all_are_read_without_raising(data: bytes) -> None:
    decode(data)
    decode(Oversized(head=data, tail=data))


@given(st.integers(0, len(REQUEST) - 1), st.binary(max_size=3))
def test_a_damaged_request_is_served_or_gets_at_most_one_error(position: int, damage: bytes) -> None:
    decoded = decode(REQUEST[:position] + damage + REQUEST[position + 1 :])
    assert not isinstance(decoded, tuple) or len(decoded) <= 1


@given(IDS, st.booleans())
def test_the_id_of_an_unreadable_request_is_found_wherever_clients_write_it(
    request_id: types.RequestId,
    last: bool,  # noqa: FBT001 - hypothesis fills parameters that may be given by position
) -> None:
    written = json.dumps(request_id).encode()
    if last:
        line = b'{"method":"x","params":{"a":"\\ud800"},"jsonrpc":"2.0","id":%s}' % written
    else:
        line = b'{"jsonrpc":"2.0","id":%s,"method":"x","params":{"a":"\\ud800"}}' % written
    decoded = decode(line)
    assert isinstance(decoded, tuple)
    assert [error.id for error in decoded] == [request_id]


@given(st.recursive(st.none() | st.floats() | st.text(st.characters()) | IDS, st.lists, max_leaves=5))
def test_every_answer_is_written_as_one_line_of_json_for_its_id(value: object) -> None:
    frame = encode(types.JSONRPCResponse(jsonrpc="2.0", id=1, result={"value": value}))
    assert frame.count(b"\n") == 1
    written = json.loads(frame)
    assert written["id"] == 1
    assert ("result" in written) != (written.get("error", {}).get("code") == -32603)
