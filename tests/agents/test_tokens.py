"""Tokens themselves: their form, what a bad copy is told, what is kept of them."""

import re
import string

import pytest

from cio_mcp.agents.tokens import (
    ID_LENGTH,
    LENGTH,
    PATTERN,
    PREFIX,
    SECRET_LENGTH,
    Mistyped,
    fits,
    id_in,
    id_named,
    mint,
    public_name,
)
from tests.agents.minting import READS

TEXT, PROOF = mint()
TOKEN = TEXT.reveal()
SECRET = TOKEN[len(PREFIX) + ID_LENGTH + 1 :]


def assert_silent(*told: str) -> None:
    """Fail without repeating what was told."""
    assert not any(SECRET[:8] in text or SECRET[-8:] in text for text in told)


def test_a_token_is_found_by_a_scanner_and_holds_256_random_bits() -> None:
    minted = [mint()[0].reveal() for _ in range(1000)]
    assert all(re.fullmatch(PATTERN, each) and len(each) == LENGTH for each in minted)
    assert 62**SECRET_LENGTH > 2**256
    secrets = [each[len(PREFIX) + ID_LENGTH + 1 :][:SECRET_LENGTH] for each in minted]
    assert len(set(secrets)) == len({id_in(each) for each in minted}) == 1000
    used = {(place, letter) for secret in secrets for place, letter in enumerate(secret)}
    # Each place takes each letter: one of 2,666 is missing after 1,000 draws with a chance of 1 in 4,000.
    assert len(used) >= SECRET_LENGTH * 62 - 2


def test_a_whole_token_is_read_and_names_itself_by_its_beginning() -> None:
    assert id_in(TOKEN) == PROOF.id
    assert TOKEN.startswith(public_name(PROOF.id) + "_")


@pytest.mark.parametrize("length", range(len(PREFIX), LENGTH))
def test_a_token_that_was_cut_short_is_told_so_with_its_length(length: int) -> None:
    with pytest.raises(Mistyped, match=rf"^is cut short: it has {length} of {LENGTH} characters; copy it again$"):
        id_in(TOKEN[:length])


@pytest.mark.parametrize("more", ["x", " ", "\n", '"', "\u200b", TOKEN])
def test_what_was_copied_beside_a_token_is_told(more: str) -> None:
    with pytest.raises(Mistyped, match=r"something else was copied with it$"):
        id_in(TOKEN + more)


@pytest.mark.parametrize("place", range(len(PREFIX), LENGTH))
def test_one_wrong_character_anywhere_is_told(place: int) -> None:
    for letter in f"{string.ascii_letters}{string.digits}_ \n\u00e9\ud800":
        if letter != TOKEN[place]:
            with pytest.raises(Mistyped, match=r"^has a wrong character: its checksum does not fit; copy it again$"):
                id_in(TOKEN[:place] + letter + TOKEN[place + 1 :])


@pytest.mark.parametrize("place", range(len(PREFIX) + ID_LENGTH + 1, LENGTH - 1))
def test_two_swapped_characters_are_told(place: int) -> None:
    swapped = TOKEN[:place] + TOKEN[place + 1] + TOKEN[place] + TOKEN[place + 2 :]
    if swapped != TOKEN:
        with pytest.raises(Mistyped, match="wrong character"):
            id_in(swapped)


@pytest.mark.parametrize("text", ["", "Bearer " + TOKEN, TOKEN[1:], TOKEN.upper(), "sa_live_canary", "a.b.c", "\ud800"])
def test_what_is_no_token_is_told_so(text: str) -> None:
    with pytest.raises(Mistyped, match=rf"^is no token of cio-mcp: those begin with {PREFIX}$"):
        id_in(text)


def test_no_message_repeats_a_token() -> None:
    for text in (TOKEN[:-1], TOKEN + "x", TOKEN[:-1] + "-", "x" + TOKEN):
        with pytest.raises(Mistyped) as told:
            id_in(text)
        assert_silent(str(told.value), repr(told.value))


@pytest.mark.parametrize("text", [TOKEN, TOKEN[:-9], public_name(PROOF.id), public_name(PROOF.id) + "_"])
def test_an_id_is_understood_as_its_name_and_as_the_token_that_was_found(text: str) -> None:
    assert id_named(text) == PROOF.id


@pytest.mark.parametrize("text", ["support-bot", PREFIX, public_name(PROOF.id)[:-1], public_name(PROOF.id) + "x", ""])
def test_nothing_else_is_taken_for_an_id(text: str) -> None:
    assert id_named(text) is None


def test_only_the_very_token_fits_what_is_kept_and_nothing_fits_nothing() -> None:
    other, other_proof = mint()
    assert fits(PROOF, TOKEN)
    assert not fits(PROOF, other.reveal())
    assert not fits(other_proof, TOKEN)
    assert not fits(None, TOKEN)


def test_what_is_kept_is_salted_and_shows_neither_text_nor_digest() -> None:
    again = [mint()[1] for _ in range(100)]
    assert len({each.salt for each in again} | {PROOF.salt}) == 101
    for shown in (repr(PROOF), repr(TEXT), str(TEXT), f"{PROOF} {TEXT}", repr(READS)):
        assert_silent(shown)
        assert repr(PROOF.digest) not in shown
    assert SECRET.encode() not in PROOF.digest + PROOF.salt
