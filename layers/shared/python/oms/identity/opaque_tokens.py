"""Refresh tokens (`user.session.secret`), device and mailed tokens (`user.secret`): random, and stored as hashes."""

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_ID = r"[0-9A-Z]{20}"
_SECRET = r"[A-Za-z0-9_-]{43}"  # noqa: S105 - a form, not a secret
_REFRESH = re.compile(rf"({_ID})\.({_ID})\.({_SECRET})")
_OF_USER = re.compile(rf"({_ID})\.({_SECRET})")
_NONCE_BYTES = 12


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """Returns the hash under which a secret is stored. It needs no salt: 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True)
class RefreshToken:
    """The parts of a refresh token."""

    user_id: str
    session_id: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        found = _REFRESH.fullmatch(text)
        return cls(*found.groups()) if found else None

    def __str__(self) -> str:
        return f"{self.user_id}.{self.session_id}.{self.secret}"

    def __repr__(self) -> str:
        return f"RefreshToken(session {self.session_id})"


@dataclass(frozen=True)
class UserToken:
    """The parts of a token that belongs to a user, not to a session."""

    user_id: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        found = _OF_USER.fullmatch(text)
        return cls(*found.groups()) if found else None

    def __str__(self) -> str:
        return f"{self.user_id}.{self.secret}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(user {self.user_id})"


class DeviceToken(UserToken):
    """A token that a client sends with a login to prove that it has signed in before."""


class MailToken(UserToken):
    """A token in the link of a mail: a client that sends it has read the mail."""


def seal_successor(successor: str, *, presented: str) -> bytes:
    """Encrypts the next secret with the presented one, so that the stored data alone reveals no valid token."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_key(presented)).encrypt(nonce, successor.encode(), None)


def open_successor(sealed: bytes, *, presented: str) -> str | None:
    """Decrypts the next secret. Returns None if it was not encrypted with the presented one."""
    try:
        return AESGCM(_key(presented)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None).decode()
    except (InvalidTag, ValueError):  # encrypted with another secret, or too short
        return None


def _key(presented: str) -> bytes:
    return hmac.digest(presented.encode(), b"oms refresh token successor", "sha256")
