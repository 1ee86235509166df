"""The text of a service key: its form, its checksum, and the hash of its secret."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.service_keys.tokens import KeyToken, hash_of, is_hash_of

ID = "0C8Z4V6T2R9QKX1M5N7P"


def test_a_text_is_read_as_it_was_written() -> None:
    token = KeyToken.new("prod", ID)

    assert KeyToken.parse(str(token)) == token


def test_the_text_has_the_documented_form() -> None:
    assert re.fullmatch(rf"oms_prod_{ID}_[0-9A-Za-z]{{49}}", str(KeyToken.new("prod", ID)))


def test_the_checksum_is_the_crc_32_of_all_before_it() -> None:
    assert str(KeyToken("prod", ID, "0" * 43)) == f"oms_prod_{ID}_{'0' * 43}358Ys1"


def test_no_two_secrets_are_equal_and_no_repr_has_one() -> None:
    tokens = [KeyToken.new("local", ID) for _ in range(100)]

    assert len({it.secret for it in tokens}) == 100
    assert all(it.secret not in repr(it) for it in tokens)


@given(st.integers(0, 200), st.sampled_from("0Aa_-\n 9zZ"))
def test_a_changed_character_is_no_key(place: int, other: str) -> None:
    text = str(KeyToken("local", ID, "abc" * 14 + "d"))
    place %= len(text)
    changed = text[:place] + other + text[place + 1 :]

    assert changed == text or KeyToken.parse(changed) is None


@pytest.mark.parametrize("text", ["", "oms_", "oms_local", f"oms_local_{ID}_", "x" * 100_000, "oms_" * 25_000])
def test_other_texts_are_no_keys(text: str) -> None:
    assert KeyToken.parse(text) is None


@pytest.mark.parametrize("end", ["\n", " ", "0", "é", "٣"])
def test_nothing_may_follow(end: str) -> None:
    assert KeyToken.parse(f"{KeyToken.new('local', ID)}{end}") is None


def test_a_secret_is_compared_with_its_hash() -> None:
    assert is_hash_of(hash_of("a"), "a")
    assert not is_hash_of(hash_of("a"), "b")
    assert not is_hash_of("", "a")
