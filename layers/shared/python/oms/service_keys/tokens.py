"""The text of a service key: `oms_<stage>_<id>_<secret><checksum>`.

The prefix and the checksum let secret scanners find keys in source code and logs without false alarms, and let the
system refuse a wrong text without a read. The text has no character that ends a word, so a double click selects it.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Self

from oms.core.token_texts import CHECKSUM_DIGITS, checksum, in_base_62

PREFIX = "oms_"
_SECRET_BYTES = 32
# 43 digits of base 62 hold 256 bits.
_SECRET_DIGITS = 43
_FORM = re.compile(
    rf"(oms_([a-z]{{1,20}})_([0-9A-Z]{{20}})_([0-9A-Za-z]{{{_SECRET_DIGITS}}}))([0-9A-Za-z]{{{CHECKSUM_DIGITS}}})",
    re.ASCII,
)


@dataclass(frozen=True)
class KeyToken:
    """The parts of a key. The system stores only the hash of the secret, so the text is shown once."""

    stage: str
    id: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls, stage: str, key_id: str) -> Self:
        return cls(stage, key_id, in_base_62(int.from_bytes(secrets.token_bytes(_SECRET_BYTES)), _SECRET_DIGITS))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Returns the parts of a text with the right form and checksum; None for any other."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        checked, stage, key_id, secret, sent = found.groups()
        return cls(stage, key_id, secret) if sent == checksum(checked) else None

    def __str__(self) -> str:
        checked = f"{PREFIX}{self.stage}_{self.id}_{self.secret}"
        return checked + checksum(checked)


def hash_of(secret: str) -> str:
    """Returns the hash under which a secret is stored. It needs no salt: 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_hash_of(stored: str, secret: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(stored, hash_of(secret))
