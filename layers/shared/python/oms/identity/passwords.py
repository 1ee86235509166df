"""Password hashes: bcrypt over a keyed hash, so that a stolen table without the pepper cannot even be guessed at."""

import base64
import hmac
import json
import unicodedata
from dataclasses import dataclass

import bcrypt
from pynamodb.expressions.update import Action

from oms.core.errors import UnavailableError
from oms.core.secret_store import Reloaded, read_secret
from oms.core.settings import settings
from oms.identity.models import User

COST = 12
# The hash of an unknown password at the same cost, compared when the user has no hash.
UNKNOWN_HASH = b"$2b$12$i0/8k1vOjpMUhF8u5iHPoONGfOAQAyy54u3g87Du9pJ0amRnRCplu"


@dataclass(frozen=True)
class PasswordHash:
    """`pepper_version` is the version of its pepper; a new one is for new hashes only. `min_length` is the
    greatest of the settings' minimum lengths that the password has; 0 where that is not known.
    """

    text: str
    pepper_version: str
    min_length: int = 0


def _load_peppers() -> dict[str, str]:
    stored: dict[str, str] = json.loads(read_secret(settings().pepper_secret))
    return stored


PEPPERS = Reloaded(_load_peppers)


def normalized(password: str) -> str:
    """The same for composed and decomposed input, as keyboards differ in which they send (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def make_hash(password: str) -> PasswordHash:
    version, length = _newest(), len(normalized(password))
    minimums = (settings().password_min_length, settings().staff_password_min_length)
    hashed = bcrypt.hashpw(peppered(password, version), bcrypt.gensalt(COST)).decode()
    return PasswordHash(hashed, version, max((it for it in minimums if it <= length), default=0))


def setting(new: PasswordHash) -> list[Action]:
    """The part of an update that sets a user's password."""
    return [
        User.password_hash.set(new.text),
        User.pepper_version.set(new.pepper_version),
        User.password_min_length.set(new.min_length),
    ]


def removing() -> list[Action]:
    """The part of an update after which no password is right, until a reset sets one."""
    return [User.password_hash.remove(), User.pepper_version.remove(), User.password_min_length.remove()]


def matches(password: str, stored: PasswordHash | None) -> bool:
    """Whether this is the password of the hash. Without a hash it takes as long, and is never true."""
    if stored is None:
        bcrypt.checkpw(peppered(password, _newest()), UNKNOWN_HASH)
        return False
    return bcrypt.checkpw(peppered(password, stored.pepper_version), stored.text.encode())


def email_digest(email_folded: str) -> str:
    """A keyed hash that replaces an address in counters and audit entries, which outlive it."""
    return hmac.digest(_pepper(_newest()), b"e-mail:" + email_folded.encode(), "sha256").hex()


def _newest() -> str:
    return max(PEPPERS.get(), key=int)


def _pepper(version: str) -> bytes:
    peppers = PEPPERS.get()
    if version not in peppers:
        raise UnavailableError from LookupError(f"there is no pepper {version}")
    return peppers[version].encode()


def peppered(password: str, version: str) -> bytes:
    # 64 characters of base64 for any password: below bcrypt's 72 bytes and without NUL.
    return base64.b64encode(hmac.digest(_pepper(version), normalized(password).encode(), "sha384"))
