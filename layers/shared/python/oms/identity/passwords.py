"""Password hashes: bcrypt over a keyed hash, so that a stolen table without the pepper cannot even be guessed at."""

import base64
import hmac
import json
import unicodedata
from dataclasses import dataclass

import bcrypt

from oms.errors import UnavailableError
from oms.secret_store import Reloaded, read_secret
from oms.settings import settings

MIN_LENGTH = 8
MAX_LENGTH = 128
COST = 12
# A hash of a password that nobody knows, at the same cost: what is compared when there is nothing to compare with.
UNKNOWN_HASH = b"$2b$12$i0/8k1vOjpMUhF8u5iHPoONGfOAQAyy54u3g87Du9pJ0amRnRCplu"

# The passwords of at least 8 characters that head the public lists of leaked ones.
# fmt: off
BLOCKED = frozenset({
    "00000000", "11111111", "12121212", "123123123", "12341234", "12345678", "123456789", "1234567890", "123456789a",
    "1234qwer", "147258369", "1q2w3e4r", "1q2w3e4r5t", "1qaz2wsx", "22222222", "66666666", "87654321", "88888888",
    "987654321", "aa123456", "abc12345", "abcd1234", "abcdefgh", "admin123", "adminadmin", "administrator",
    "asdf1234", "asdfasdf", "asdfghjk", "asdfghjkl", "baseball", "basketball", "changeme", "charlie1", "computer",
    "corvette", "dragon123", "einstein", "football", "football1", "freedom1", "hello123", "iloveyou", "iloveyou1",
    "internet", "jennifer", "letmein1", "liverpool", "marlboro", "master123", "maverick", "mercedes", "michael1",
    "michelle", "midnight", "mustang1", "p@ssw0rd", "p@ssword", "pa55word", "passw0rd", "password", "password!",
    "password1", "password1!", "password12", "password123", "password1234", "princess", "princess1", "q1w2e3r4",
    "q1w2e3r4t5", "qazwsxedc", "qwer1234", "qwerty12", "qwerty123", "qwerty1234", "qwertyui", "qwertyuiop",
    "samantha", "secret123", "starwars", "sunshine", "sunshine1", "superman", "test1234", "testtest", "trustno1",
    "victoria", "welcome1", "welcome123", "whatever", "zaq12wsx", "zxcvbnm1",
})
# fmt: on


@dataclass(frozen=True)
class PasswordHash:
    """`pepper_version` tells which pepper it was made with; a new one is for new hashes only."""

    text: str
    pepper_version: str


def _load_peppers() -> dict[str, str]:
    stored: dict[str, str] = json.loads(read_secret(settings().pepper_secret))
    return stored


PEPPERS = Reloaded(_load_peppers)


def normalized(password: str) -> str:
    """The same for composed and decomposed input, as keyboards differ in which they send (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def check_new(password: str) -> str:
    """The password; ValueError, saying why, if it is not good enough."""
    if len(normalized(password)) < MIN_LENGTH or len(password) > MAX_LENGTH:
        raise ValueError(f"must have {MIN_LENGTH} to {MAX_LENGTH} characters")
    if normalized(password) in BLOCKED:
        raise ValueError("is one of the most used passwords")
    return password


def make_hash(password: str) -> PasswordHash:
    version = _newest()
    return PasswordHash(bcrypt.hashpw(peppered(password, version), bcrypt.gensalt(COST)).decode(), version)


def matches(password: str, stored: PasswordHash | None) -> bool:
    """Whether this is the password of the hash. Without a hash it takes as long, and is never true."""
    if stored is None:
        bcrypt.checkpw(peppered(password, _newest()), UNKNOWN_HASH)
        return False
    return bcrypt.checkpw(peppered(password, stored.pepper_version), stored.text.encode())


def email_digest(email_folded: str) -> str:
    """What stands for an address in counters and audit entries, which outlive it."""
    return hmac.digest(_pepper(_newest()), b"e-mail:" + email_folded.encode(), "sha256").hex()


def _newest() -> str:
    return max(PEPPERS.get(), key=int)


def _pepper(version: str) -> bytes:
    peppers = PEPPERS.get()
    if version not in peppers:
        raise UnavailableError from LookupError(f"there is no pepper {version}")
    return peppers[version].encode()


def peppered(password: str, version: str) -> bytes:
    # 64 characters of base64: under bcrypt's 72 bytes and free of NUL, whatever the password is.
    return base64.b64encode(hmac.digest(_pepper(version), normalized(password).encode(), "sha384"))
