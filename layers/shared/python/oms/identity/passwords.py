"""Password hashes: bcrypt over a keyed hash. The key (pepper) is a secret, without which a stolen table is useless."""

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
    """A stored hash, with the version of its pepper. A new pepper is used for new hashes only.

    `min_length` is the greatest minimum length in the settings that the password reaches; 0 if it was not measured.
    """

    text: str
    pepper_version: str
    min_length: int = 0


def _load_peppers() -> dict[str, str]:
    stored: dict[str, str] = json.loads(read_secret(settings().pepper_secret))
    return stored


PEPPERS = Reloaded(_load_peppers)


def normalized(password: str) -> str:
    """Returns the NFKC form, since keyboards differ in the form that they send (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def make_hash(password: str) -> PasswordHash:
    """Hashes a new password with the newest pepper."""
    version, length = _newest(), len(normalized(password))
    minimums = (settings().password_min_length, settings().staff_password_min_length)
    hashed = bcrypt.hashpw(peppered(password, version), bcrypt.gensalt(COST)).decode()
    return PasswordHash(hashed, version, max((minimum for minimum in minimums if minimum <= length), default=0))


def set_actions(new: PasswordHash) -> list[Action]:
    """Returns the actions of an update that sets a user's password."""
    return [
        User.password_hash.set(new.text),
        User.pepper_version.set(new.pepper_version),
        User.password_min_length.set(new.min_length),
    ]


def remove_actions() -> list[Action]:
    """Returns the actions of an update after which the user cannot sign in before a reset sets a password."""
    return [User.password_hash.remove(), User.pepper_version.remove(), User.password_min_length.remove()]


def matches(password: str, stored: PasswordHash | None) -> bool:
    """Returns whether this is the password of the hash. Without a hash it takes the same time and returns false."""
    if stored is None:
        bcrypt.checkpw(peppered(password, _newest()), UNKNOWN_HASH)
        return False
    return bcrypt.checkpw(peppered(password, stored.pepper_version), stored.text.encode())


def email_digest(email_folded: str) -> str:
    """Returns a keyed hash that replaces an address in counters and audit entries, which outlive the account."""
    return hmac.digest(_pepper(_newest()), b"e-mail:" + email_folded.encode(), "sha256").hex()


def _newest() -> str:
    return max(PEPPERS.get(), key=int)


def _pepper(version: str) -> bytes:
    peppers = PEPPERS.get()
    if version not in peppers:
        raise UnavailableError from LookupError(f"there is no pepper {version}")
    return peppers[version].encode()


def peppered(password: str, version: str) -> bytes:
    """Returns the keyed hash of a password, which is the input of bcrypt."""
    # Any password gives 64 characters of base64: less than bcrypt's limit of 72 bytes, and without NUL.
    return base64.b64encode(hmac.digest(_pepper(version), normalized(password).encode(), "sha384"))
