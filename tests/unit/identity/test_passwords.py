from unittest.mock import patch

import bcrypt
import pytest

from oms.core.errors import UnavailableError
from oms.core.secret_store import Reloaded
from oms.identity import passwords
from oms.identity.passwords import PasswordHash


@pytest.fixture(autouse=True)
def _peppers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "PEPPERS", Reloaded(lambda: {"1": "old", "2": "newer", "10": "newest"}))


def test_new_hashes_use_the_newest_pepper_and_cost_12() -> None:
    made = passwords.make_hash("correct horse")

    assert made.pepper_version == "10"
    assert made.text.startswith("$2b$12$")
    assert passwords.matches("correct horse", made)
    assert not passwords.matches("correct hors", made)


def test_a_hash_is_worth_nothing_without_its_own_pepper() -> None:
    old = PasswordHash(bcrypt.hashpw(passwords.peppered("correct horse", "1"), bcrypt.gensalt(4)).decode(), "1")

    assert passwords.matches("correct horse", old)
    assert not passwords.matches("correct horse", PasswordHash(old.text, "2"))
    with pytest.raises(UnavailableError):
        passwords.matches("correct horse", PasswordHash(old.text, "3"))


def test_comparing_with_nothing_takes_one_bcrypt_of_the_same_cost_and_is_never_true() -> None:
    with patch.object(bcrypt, "checkpw", return_value=True) as compared:
        assert not passwords.matches("anything", None)

    assert compared.call_count == 1
    assert compared.call_args.args[1].startswith(b"$2b$12$")
    assert len(compared.call_args.args[1]) == 60


def test_the_stand_in_is_a_hash_that_bcrypt_takes() -> None:
    assert not bcrypt.checkpw(b"x", passwords.UNKNOWN_HASH)


def test_a_hash_says_which_minimum_length_its_password_has() -> None:
    assert [passwords.make_hash("x" * length).min_length for length in (7, 8, 14, 15, 128)] == [0, 8, 8, 15, 15]


def test_the_digest_of_an_address_needs_the_pepper() -> None:
    digest = passwords.email_digest("ada@example.org")

    assert digest == passwords.email_digest("ada@example.org")
    assert digest != passwords.email_digest("ada@example.com")
    with patch.object(passwords, "PEPPERS", Reloaded(lambda: {"1": "other"})):
        assert digest != passwords.email_digest("ada@example.org")
