"""Guests: callers without an account. The token of an order lets its guest read and cancel this order, for 90 days.

`omso_<stage>_<order id>_<counter>_<end>_<code><checksum>`: the code is an HMAC over the rest, so no item stores the
token. The order stores the counter: a higher one revokes the tokens before it.
"""

import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Self

from oms.core import clock
from oms.core.errors import UnauthenticatedError
from oms.core.pseudonyms import KEYS
from oms.core.settings import settings
from oms.core.token_texts import CHECKSUM_DIGITS, checksum, in_base_62

PREFIX = "omso_"
LIFETIME = timedelta(days=90)
# 43 digits of base 62 hold 256 bits.
_CODE_DIGITS = 43
_FORM = re.compile(
    rf"((omso_([a-z]{{1,20}})_([0-9A-Z]{{20}})_(\d{{1,9}})_(\d{{10,11}}))_([0-9A-Za-z]{{{_CODE_DIGITS}}}))"
    rf"([0-9A-Za-z]{{{CHECKSUM_DIGITS}}})",
    re.ASCII,
)


@dataclass(frozen=True)
class OrderToken:
    """A valid token: the order that it opens, and the order's counter at the time when it was made."""

    order_id: str
    counter: int


@dataclass(frozen=True)
class Guest:
    """A caller without an account. `token` is None while the guest places an order."""

    token: OrderToken | None = None
    id: str = field(default="guest", init=False)
    role: Literal["guest"] = field(default="guest", init=False)
    is_manager: Literal[False] = field(default=False, init=False)

    @classmethod
    def authenticated(cls, text: str) -> Self:
        """Returns the guest of a token. Raises UnauthenticatedError, UnavailableError. It reads no item."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise _refusal()
        checked, signed, stage, order_id, counter, end, code, check = found.groups()
        expires_at = int(end)
        is_intact = check == checksum(checked) and stage == settings().stage
        if not is_intact or clock.now().timestamp() >= expires_at:
            raise _refusal()
        right = _code(signed, clock.from_seconds(expires_at) - LIFETIME)
        if right is None or not hmac.compare_digest(code, right):
            raise _refusal()
        return cls(OrderToken(order_id, int(counter)))


def is_order_token(text: str) -> bool:
    return text.startswith(PREFIX)


def token_of_order(order_id: str, counter: int, created_at: str) -> str | None:
    """Returns the token of an order. It depends on the order alone, so a replay returns the same token.

    None if the key of the year is missing. Raises UnavailableError if the keys cannot be read.
    """
    begin = clock.instant(created_at)
    end = int((begin + LIFETIME).timestamp())
    signed = f"{PREFIX}{settings().stage}_{order_id}_{counter}_{end}"
    code = _code(signed, clock.from_seconds(end) - LIFETIME)
    if code is None:
        return None
    checked = f"{signed}_{code}"
    return checked + checksum(checked)


def _code(signed: str, begin: datetime) -> str | None:
    """Returns the code of the signed part, with the key of the year in which the token begins."""
    key = KEYS.get().get(str(begin.year))
    if key is None:
        return None
    digest = hmac.digest(key.encode(), f"order-token:{signed}".encode(), "sha256")
    return in_base_62(int.from_bytes(digest), _CODE_DIGITS)


def revoked_token() -> UnauthenticatedError:
    """Returns the error for a token of an earlier counter of its order."""
    return _refusal()


def _refusal() -> UnauthenticatedError:
    return UnauthenticatedError(
        "The order token is invalid, has expired, or was revoked.", challenge='Bearer error="invalid_token"'
    )
