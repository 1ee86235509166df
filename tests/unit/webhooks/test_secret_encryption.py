"""Webhook secrets at rest: they can be decrypted only for their own subscription, with an existing key."""

from collections.abc import Callable

import pytest

from oms.core.secret_store import Reloaded
from oms.webhooks import secret_encryption
from oms.webhooks.signature import new_secret

SECRET = new_secret()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the existing keys, by version; at first one."""

    def put(**versions: str) -> None:
        monkeypatch.setattr(
            secret_encryption, "KEYS", Reloaded(lambda: {it.removeprefix("v"): versions[it] for it in versions})
        )

    put(v1="a" * 64)
    return put


def test_an_encrypted_secret_is_decrypted_for_its_subscription() -> None:
    sealed = secret_encryption.encrypt(SECRET, subscription_id="S")

    assert secret_encryption.decrypt(sealed, subscription_id="S") == SECRET


def test_a20_sealed_it_shows_nothing_and_is_another_each_time() -> None:
    first, second = (secret_encryption.encrypt(SECRET, subscription_id="S") for _ in range(2))

    assert first != second
    assert all(text.encode() not in first for text in (SECRET, SECRET.removeprefix("whsec_"), "whsec_"))


def test_a20_copied_to_another_subscription_it_does_not_open() -> None:
    sealed = secret_encryption.encrypt(SECRET, subscription_id="S")

    with pytest.raises(secret_encryption.DecryptionError):
        secret_encryption.decrypt(sealed, subscription_id="T")


@pytest.mark.parametrize("place", [0, 1, 2, 13, 14, -1])
def test_a_changed_byte_does_not_open(place: int) -> None:
    changed = bytearray(secret_encryption.encrypt(SECRET, subscription_id="S"))
    changed[place] ^= 1

    with pytest.raises(secret_encryption.DecryptionError):
        secret_encryption.decrypt(bytes(changed), subscription_id="S")


@pytest.mark.parametrize("sealed", [b"", b"1", b"1.", b"1.short", b"\xff.", b"whsec_AAAA"])
def test_bytes_that_are_not_an_encrypted_secret_cannot_be_decrypted(sealed: bytes) -> None:
    with pytest.raises(secret_encryption.DecryptionError):
        secret_encryption.decrypt(sealed, subscription_id="S")


def test_the_newest_key_encrypts_and_the_old_ones_decrypt_earlier_secrets(keys: Callable[..., None]) -> None:
    keys(v9="a" * 64)
    old = secret_encryption.encrypt(SECRET, subscription_id="S")

    keys(v9="a" * 64, v10="b" * 64)
    new = secret_encryption.encrypt(SECRET, subscription_id="S")

    assert (old[:2], new[:3]) == (b"9.", b"10.")
    assert [secret_encryption.decrypt(it, subscription_id="S") for it in (old, new)] == [SECRET, SECRET]


def test_without_its_key_nothing_opens(keys: Callable[..., None]) -> None:
    sealed = secret_encryption.encrypt(SECRET, subscription_id="S")

    keys(v2="a" * 64)

    with pytest.raises(secret_encryption.DecryptionError):
        secret_encryption.decrypt(sealed, subscription_id="S")
    keys(v1="b" * 64)
    with pytest.raises(secret_encryption.DecryptionError):
        secret_encryption.decrypt(sealed, subscription_id="S")
