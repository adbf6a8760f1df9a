"""Who is taken for the operator, and for how long."""

import pytest

from cio_mcp.console.sign_in import (
    ATTEMPTS,
    SESSION_SECONDS,
    WITHIN_SECONDS,
    Doorkeeper,
    TooMany,
    Unrecognizable,
    WrongKey,
)
from cio_mcp.secret import Secret
from tests.console.house import KEY

pytestmark = pytest.mark.anyio


class Clock:
    """Time that a test lets pass."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def doorkeeper(clock: Clock) -> Doorkeeper:
    return Doorkeeper(Secret(KEY), now=clock)


async def test_a_session_lasts_a_working_day_and_no_longer(doorkeeper: Doorkeeper, clock: Clock) -> None:
    token = await doorkeeper.sign_in(KEY)
    assert token != await doorkeeper.sign_in(KEY)
    clock.seconds += SESSION_SECONDS - 1
    assert await doorkeeper.session(token)
    clock.seconds += 1
    assert not await doorkeeper.session(token)


async def test_nobody_knows_a_token_that_was_not_given(doorkeeper: Doorkeeper) -> None:
    token = await doorkeeper.sign_in(KEY)
    for other in (None, "", token[:-1], token + "x", KEY):
        assert await doorkeeper.session(other) is None


async def test_only_so_many_sessions_are_open_and_the_oldest_gives_way(doorkeeper: Doorkeeper) -> None:
    tokens = [await doorkeeper.sign_in(KEY) for _ in range(40)]
    assert await doorkeeper.session(tokens[-1])
    assert sum([await doorkeeper.session(token) is not None for token in tokens]) == 32
    assert not await doorkeeper.session(tokens[0])


async def test_after_some_wrong_keys_time_must_pass_before_anybody_may_try(
    doorkeeper: Doorkeeper, clock: Clock
) -> None:
    token = await doorkeeper.sign_in(KEY)
    for _ in range(ATTEMPTS):
        with pytest.raises(WrongKey):
            await doorkeeper.sign_in("canary-wrong")
        clock.seconds += 1
    with pytest.raises(TooMany) as locked:
        await doorkeeper.sign_in(KEY)
    assert locked.value.wait == WITHIN_SECONDS - ATTEMPTS
    assert await doorkeeper.session(token), "who is in stays in"
    clock.seconds += locked.value.wait
    assert await doorkeeper.session(await doorkeeper.sign_in(KEY))


async def test_without_a_key_nobody_is_the_operator(clock: Clock) -> None:
    open_to_nobody = Doorkeeper(None, now=clock)
    assert not open_to_nobody.asks
    with pytest.raises(WrongKey):
        await open_to_nobody.sign_in("")
    assert not await open_to_nobody.session("")


async def test_an_operator_signs_in_with_a_token_and_is_known_by_name_as_long_as_it_counts(clock: Clock) -> None:
    counting = {"canary-token-of-on-call": "on-call"}

    async def operators(token: str) -> str | None:
        return counting.get(token)

    doorkeeper = Doorkeeper(Secret(KEY), operators=operators, now=clock)
    by_token, by_key = [await doorkeeper.sign_in(given) for given in ("canary-token-of-on-call", KEY)]
    sessions = [await doorkeeper.session(opened) for opened in (by_token, by_key)]
    assert [session and session.operator for session in sessions] == ["on-call", ""]
    with pytest.raises(WrongKey):
        await doorkeeper.sign_in("canary-token-of-an-agent")
    counting.clear()
    assert await doorkeeper.session(by_token) is None
    assert await doorkeeper.session(by_key)


async def test_where_tokens_cannot_be_read_nobody_is_shut_out_for_it(clock: Clock) -> None:
    async def operators(_token: str) -> str | None:
        raise Unrecognizable

    doorkeeper = Doorkeeper(Secret(KEY), operators=operators, now=clock)
    for _ in range(2 * ATTEMPTS):
        with pytest.raises(Unrecognizable):
            await doorkeeper.sign_in("canary-token-of-on-call")
    assert await doorkeeper.session(await doorkeeper.sign_in(KEY))
