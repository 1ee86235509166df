"""The items of the identity table: users, their e-mail claims, sessions and devices, and the counters of attempts.

Moments that arithmetic is done with are epoch seconds; those that are shown are timestamps.
"""

from typing import Any

from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core.dynamodb import EmbeddedItem, IntegerAttribute, StoredItem, redacted
from oms.core.pages import LOWEST, Index
from oms.core.settings import settings

USERS = Index(settings().identity_table, "users", "listing", "email_key")


class IdentityItem(StoredItem):
    class Meta:
        table_name = settings().identity_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class AccountChange(EmbeddedItem):
    """The actor and time of the latest change of role or status; `version` is the user's version after it."""

    actor_id = UnicodeAttribute()
    actor_role = UnicodeAttribute()
    at = UnicodeAttribute()
    version = IntegerAttribute()


class User(IdentityItem, discriminator="user"):
    """`listing` and `email_key` put it into the index `users`. A session is dead once `auth_epoch` has moved on, and a
    device unknown once `devices_epoch` has; the failures of a device are forgotten once `locks_epoch` has.

    `changed` moves with role and status, whose events it signs; users from before it was kept have none.
    Without a password, as the first admin of a deployment begins, no password is right. `password_min_length` is the
    greatest minimum length of the settings that the password was found to have, 0 where it was never measured.

    `open_orders` follows the customer's orders by seconds: see `oms.reports.order_sums`. It is no part of what
    `version` counts.
    """

    id = UnicodeAttribute()
    listing = UnicodeAttribute(default="user")
    email = UnicodeAttribute()
    email_folded = UnicodeAttribute()
    email_key = UnicodeAttribute()
    email_verified = BooleanAttribute(default=False)
    first_name = UnicodeAttribute()
    last_name = UnicodeAttribute(null=True)
    role = UnicodeAttribute()
    status = UnicodeAttribute(default="active")
    password_hash = UnicodeAttribute(null=True)
    pepper_version = UnicodeAttribute(null=True)
    password_min_length = IntegerAttribute(default=0)
    auth_epoch = IntegerAttribute(default=0)
    devices_epoch = IntegerAttribute(default=0)
    locks_epoch = IntegerAttribute(default=0)
    version = IntegerAttribute(default=1)
    open_orders = IntegerAttribute(default=0)
    created_at = UnicodeAttribute()
    changed = AccountChange(null=True)

    @property
    def is_active_admin(self) -> bool:
        return self.role == "admin" and self.status == "active"


class Admins(IdentityItem, discriminator="admins"):
    """How many active admins there are: it moves in the transaction that makes or ends one, and never below 1."""

    n = IntegerAttribute()


class Claim(IdentityItem, discriminator="claim"):
    """That an e-mail address is taken: uniqueness by a conditional put, never by a query."""

    user_id = UnicodeAttribute()


class Session(IdentityItem, discriminator="session"):
    """A family of refresh tokens, of which it keeps hashes only.

    `current` is valid for one refresh. `previous` is valid for seconds after `rotated_at`, for the same successor,
    which only the holder of the previous token can decrypt. Refreshes are counted per minute in `window`.

    `failures` counts the attempts to change the password that did not succeed; `attempt` names the latest. `device` is
    the hash of the token of the known device that signed in; sessions from before it was kept have none.
    """

    id = UnicodeAttribute()
    user_id = UnicodeAttribute()
    epoch = IntegerAttribute()
    current = UnicodeAttribute()
    previous = UnicodeAttribute(null=True)
    successor = BinaryAttribute(legacy_encoding=False, null=True)
    rotated_at = NumberAttribute(null=True)
    window = IntegerAttribute(default=0)
    window_count = IntegerAttribute(default=0)
    failures = IntegerAttribute(default=0)
    attempt = UnicodeAttribute(null=True)
    revoked_at = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    refreshed_at = UnicodeAttribute()
    address = UnicodeAttribute()
    user_agent = UnicodeAttribute()
    device = UnicodeAttribute(null=True)
    expires_at = IntegerAttribute(attr_name="ttl")


class FailureCounter(IdentityItem):
    """Failed logins in a row. `attempt` names the latest: the compare-and-swap of every change.

    An attempt counts as failed from the moment it is made until it has succeeded, so that no number of parallel
    ones gets past the limit. From `forgotten_at` on nothing of it counts.
    """

    failures = IntegerAttribute(default=0)
    level = IntegerAttribute(default=0)
    locked_until = IntegerAttribute(default=0)
    forgotten_at = IntegerAttribute(default=0)
    attempt = UnicodeAttribute(null=True)
    expires_at = IntegerAttribute(attr_name="ttl")


class AccountCounter(FailureCounter, discriminator="counter"):
    """The attempts on an account by clients it does not know; kept for addresses without an account as well.

    `locked_at` is when the attempt that took the last lock was found to be wrong.
    """

    user_id = UnicodeAttribute(null=True)
    locked_at = UnicodeAttribute(null=True)


class Device(FailureCounter, discriminator="device"):
    """A client that has signed in before, registered the account or reset its password. It counts its own attempts, so
    no stranger can lock it out.

    It is known while `epoch` is its user's `devices_epoch`; `locks_epoch` is the user's as the latest attempt was made.
    """

    user_id = UnicodeAttribute()
    epoch = IntegerAttribute(default=0)
    locks_epoch = IntegerAttribute(default=0)

    @property
    def secret_hash(self) -> str:
        return self.sk.removeprefix("device#")


class RateCounter(IdentityItem, discriminator="slot"):
    """How often one subject, such as an address, did what a policy limits in a minute."""

    n = IntegerAttribute(default=0)
    attempt = UnicodeAttribute(null=True)
    expires_at = IntegerAttribute(attr_name="ttl")

    @classmethod
    def of(cls, policy: str, subject: str, minute: int) -> "RateCounter":
        pk, sk = rate_counter_key(policy, subject, minute)
        return cls(pk=pk, sk=sk)

    @classmethod
    def taking(cls, limit: int, attempt: str, forgotten_at: int) -> tuple[list[Action], Condition]:
        """The update that takes one of `limit`, once for each attempt."""
        actions: list[Action] = [
            cls.kind.set(cls),
            cls.n.add(1),
            cls.attempt.set(attempt),
            cls.expires_at.set(forgotten_at),
        ]
        condition: Condition = cls.n.does_not_exist() | ((cls.n < limit) & (cls.attempt != attempt))
        return actions, condition


class RequestCount(IdentityItem, discriminator="request-count"):
    """The requests of a user, over a period of minutes: `used` were made in `minute`, the latest that has any. `leased`
    are those that workers may let pass beyond them, in any minute of the period: see `oms.identity.user_limits`.
    """

    minute = IntegerAttribute(default=0)
    used = IntegerAttribute(default=0)
    leased = IntegerAttribute(default=0)
    expires_at = IntegerAttribute(attr_name="ttl")

    @classmethod
    def of(cls, subject: str, period: int) -> "RequestCount":
        pk, sk = rate_counter_key("user", subject, period)
        return cls(pk=pk, sk=sk)


class MailedToken(IdentityItem, discriminator="mailed-token"):
    """The hash of a token that was mailed to its user. One for a reset is good while `epoch` is the user's."""

    user_id = UnicodeAttribute()
    purpose = UnicodeAttribute()
    epoch = IntegerAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")


class MailRequest(IdentityItem, discriminator="mail-request"):
    """A request for a mail. `email_folded` is None if the text cannot be an address."""

    id = UnicodeAttribute()
    purpose = UnicodeAttribute()
    email_folded = UnicodeAttribute(null=True)
    address = UnicodeAttribute()
    at = UnicodeAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")


ADMINS_KEY = ("admins", "count")
_HASHES = ("password_hash", "current", "previous", "successor", "device")
_HASHED_KEYS = ("device#", "token#")


def without_hashes(raw: dict[str, Any]) -> dict[str, Any]:
    """A raw item, or its keys, for operators: without hashes of passwords and tokens."""
    shown = {name: redacted(value) if name in _HASHES else value for name, value in raw.items()}
    sort_key = str(raw.get("sk", {}).get("S"))
    for beginning in _HASHED_KEYS:
        if sort_key.startswith(beginning):
            shown["sk"] = {"S": f"{beginning}redacted"}
    return shown


def email_key(email_folded: str, user_id: str) -> str:
    """A user's sort key in the list by e-mail. The id makes it unique and its last character ASCII."""
    return f"{email_folded}{LOWEST}{user_id}"


def user_key(user_id: str) -> tuple[str, str]:
    return f"user#{user_id}", "user"


def session_key(user_id: str, session_id: str) -> tuple[str, str]:
    return f"user#{user_id}", f"session#{session_id}"


def device_key(user_id: str, secret_hash: str) -> tuple[str, str]:
    return f"user#{user_id}", f"device#{secret_hash}"


def mailed_token_key(user_id: str, secret_hash: str) -> tuple[str, str]:
    return f"user#{user_id}", f"token#{secret_hash}"


def mail_request_key(request_id: str) -> tuple[str, str]:
    return f"mail-request#{request_id}", "request"


def claim_key(email_folded: str) -> tuple[str, str]:
    return f"email#{email_folded}", "claim"


def counter_key(email_digest: str) -> tuple[str, str]:
    return f"account#{email_digest}", "counter"


def rate_counter_key(route: str, address: str, minute: int) -> tuple[str, str]:
    return f"slot#{route}#{address}#{minute}", "slot"
