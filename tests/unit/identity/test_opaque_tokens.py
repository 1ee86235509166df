import pytest

from oms.identity.opaque_tokens import DeviceToken, RefreshToken, hashed, new_secret, open_successor, seal_successor

USER, SESSION = "A" * 20, "B" * 20


def test_a_refresh_token_reads_back_as_it_was_written() -> None:
    token = RefreshToken(USER, SESSION, new_secret())

    assert RefreshToken.parse(str(token)) == token


def test_a_device_token_is_no_refresh_token_and_the_reverse() -> None:
    assert RefreshToken.parse(str(DeviceToken(USER, new_secret()))) is None
    assert DeviceToken.parse(str(RefreshToken(USER, SESSION, new_secret()))) is None


@pytest.mark.parametrize("change", ["{}=", "{}\n", " {}", "{}.x", "x{}", ""])
def test_nothing_else_is_a_token(change: str) -> None:
    assert RefreshToken.parse(change.format(RefreshToken(USER, SESSION, new_secret()))) is None


def test_secrets_have_256_bits_and_never_repeat() -> None:
    secrets = {new_secret() for _ in range(1000)}

    assert len(secrets) == 1000
    assert {len(secret) for secret in secrets} == {43}


def test_a_token_never_shows_its_secret_in_logs() -> None:
    token, device = RefreshToken(USER, SESSION, new_secret()), DeviceToken(USER, new_secret())

    assert token.secret not in repr(token)
    assert device.secret not in repr(device)


def test_only_the_presented_secret_opens_the_successor() -> None:
    presented, successor = new_secret(), new_secret()
    sealed = seal_successor(successor, presented=presented)

    assert open_successor(sealed, presented=presented) == successor
    assert open_successor(sealed, presented=new_secret()) is None
    assert open_successor(sealed, presented=hashed(presented)) is None
    assert open_successor(sealed[:-1] + bytes([sealed[-1] ^ 1]), presented=presented) is None
    assert successor.encode() not in sealed


@pytest.mark.parametrize("sealed", [b"", b"x", bytes(12), bytes(27)])
def test_an_invalid_sealed_successor_opens_to_none(sealed: bytes) -> None:
    assert open_successor(sealed, presented=new_secret()) is None
