"""The items of the identity table: users, their e-mail claims, sessions and devices, and the counters of attempts.

Times are epoch seconds where the code calculates with them, and ISO timestamps where they are shown only.
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

from oms.core.counters import ExpiringCounter
from oms.core.dynamodb import EmbeddedItem, IntegerAttribute, JsonAttribute, StoredItem, redacted
from oms.core.pages import LOWEST, Index
from oms.core.rate_limits import RateWindow
from oms.core.settings import settings

USERS = Index(settings().identity_table, "users", "listing", "email_key")


class IdentityItem(StoredItem):
    class Meta:
        table_name = settings().identity_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class AccountChange(EmbeddedItem):
    """The actor and the time of the latest change of role or status; `version` is the user's version after it."""

    actor_id = UnicodeAttribute()
    actor_role = UnicodeAttribute()
    at = UnicodeAttribute()
    version = IntegerAttribute()


class User(IdentityItem, discriminator="user"):
    """A user. `listing` and `email_key` are the keys of the index `users`.

    A higher `auth_epoch` ends all sessions, a higher `devices_epoch` makes all devices unknown, and a higher
    `locks_epoch` forgets the failures of the devices.

    `changed` names the actor of the latest change of role or status, for its event; users that were stored before this
    attribute existed have none. A user without a password hash cannot sign in before a reset: the first admin of a
    deployment is created so. `password_min_length` is the greatest minimum length in the settings that the password
    reaches; 0 if it was never measured.

    `email_epoch` counts the changes of the address. `email_change` is the change that was requested last, and
    `former_emails` are the addresses that the user can take back: see `oms.identity.email_change`.

    `open_orders` lags behind the customer's orders by seconds: see `oms.reports.order_sums`. Its changes do not raise
    `version`. `open_orders_limit` is the user's own limit of them, in place of the setting; its changes do not either.
    """

    id = UnicodeAttribute()
    listing = UnicodeAttribute(default="user")
    email = UnicodeAttribute()
    email_folded = UnicodeAttribute()
    email_key = UnicodeAttribute()
    email_verified = BooleanAttribute(default=False)
    email_epoch = IntegerAttribute(default=0)
    email_change = JsonAttribute(null=True)
    former_emails = JsonAttribute(null=True)
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
    open_orders_limit = IntegerAttribute(null=True)
    created_at = UnicodeAttribute()
    changed = AccountChange(null=True)

    @property
    def is_active_admin(self) -> bool:
        return self.role == "admin" and self.status == "active"


class Admins(IdentityItem, discriminator="admins"):
    """The number of active admins. It changes in the transaction that adds or removes one, and never falls below 1."""

    n = IntegerAttribute()


class Claim(IdentityItem, discriminator="claim"):
    """The uniqueness claim of an e-mail address: a conditional write makes it unique, never a query.

    With `reserved_until`, the address is a former one of the user: it does not sign in and gets no mail, and no other
    user can register it before that time.
    """

    user_id = UnicodeAttribute()
    reserved_until = IntegerAttribute(attr_name="ttl", null=True)

    @classmethod
    def is_free(cls, now: float) -> Condition:
        """Returns the condition that no user has the address, or has reserved it."""
        free: Condition = cls.pk.does_not_exist() | (cls.reserved_until <= int(now))
        return free


class Session(IdentityItem, discriminator="session"):
    """A family of refresh tokens. It stores only their hashes.

    `current` is valid for one refresh. `previous` is valid for seconds after `rotated_at`, and gets the same
    `successor`, which only the holder of the previous token can decrypt. `window_count` counts the refreshes of the
    minute `window`.

    `failures` counts the failed attempts to change the password; `attempt` is the id of the latest. `device` is the
    hash of the token of the device that signed in; sessions that were stored before this attribute existed have none.
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


class SavedAddresses(IdentityItem, discriminator="saved-addresses"):
    """The saved addresses of a user, as a list of `oms.identity.saved_addresses.SavedAddress`.

    `version` counts the changes of the list. It is 0 for an item that is not stored.
    """

    addresses = JsonAttribute(null=True)
    version = IntegerAttribute(default=0)

    @property
    def content(self) -> list[dict[str, Any]]:
        return self.addresses or []


class FailureCounter(IdentityItem):
    """Failed logins in a row. `attempt` is the id of the latest; every change is conditional on it.

    An attempt counts as failed until it has succeeded, so that parallel attempts cannot exceed the limit. From
    `forgotten_at` on the failures no longer count.
    """

    failures = IntegerAttribute(default=0)
    level = IntegerAttribute(default=0)
    locked_until = IntegerAttribute(default=0)
    forgotten_at = IntegerAttribute(default=0)
    attempt = UnicodeAttribute(null=True)
    expires_at = IntegerAttribute(attr_name="ttl")


class AccountCounter(FailureCounter, discriminator="counter"):
    """The attempts on an account by unknown clients. Addresses without an account have a counter as well.

    `locked_at` is the time at which the latest locking attempt was found to have a wrong password.
    """

    user_id = UnicodeAttribute(null=True)
    locked_at = UnicodeAttribute(null=True)


class Device(FailureCounter, discriminator="device"):
    """A client that has signed in before, registered the account or reset its password.

    It has its own failure count, so no stranger can lock it out. It is known while `epoch` equals its user's
    `devices_epoch`. `locks_epoch` is the user's at the latest attempt.
    """

    user_id = UnicodeAttribute()
    epoch = IntegerAttribute(default=0)
    locks_epoch = IntegerAttribute(default=0)

    @property
    def secret_hash(self) -> str:
        return self.sk.removeprefix("device#")


class RateCounter(IdentityItem, ExpiringCounter, discriminator="slot"):
    """The number of calls of one subject, such as an address, in one minute, under one rate limit (`policy`).

    `attempt` is the id of the latest call.
    """

    attempt = UnicodeAttribute(null=True)

    @classmethod
    def of(cls, window: RateWindow, subject: str) -> "RateCounter":
        key = rate_counter_key(window.policy, subject, window.number)
        return cls(*key, expires_at=window.forgotten_at)

    def increment_once(self, limit: int, attempt: str) -> tuple[list[Action], Condition]:
        """Returns the update that counts one call. Repeated with the same attempt, it counts once."""
        actions, condition = self.increment(limit, also=RateCounter.attempt != attempt)
        return [*actions, RateCounter.attempt.set(attempt)], condition


class RequestCount(IdentityItem, discriminator="request-count"):
    """The requests of a user or of a client address in a period of minutes: see `oms.identity.user_limits`.

    `used` is the number of requests that workers have reported for `minute`, the latest minute with a report. `leased`
    is the number of further requests that workers may let pass in any minute of the period.
    """

    minute = IntegerAttribute(default=0)
    used = IntegerAttribute(default=0)
    leased = IntegerAttribute(default=0)
    expires_at = IntegerAttribute(attr_name="ttl")

    @classmethod
    def of(cls, policy: str, subject: str, period: int) -> "RequestCount":
        pk, sk = rate_counter_key(policy, subject, period)
        return cls(pk=pk, sk=sk)


class MailedToken(IdentityItem, discriminator="mailed-token"):
    """The hash of a token that was mailed to its user. A reset token is valid while `epoch` is their `auth_epoch`.

    In tokens about a change of the e-mail address, `epoch` is the user's `email_epoch`, and `change_id` the change.
    """

    user_id = UnicodeAttribute()
    purpose = UnicodeAttribute()
    epoch = IntegerAttribute()
    change_id = UnicodeAttribute(null=True)
    used_at = UnicodeAttribute(null=True)
    expires_at = IntegerAttribute(attr_name="ttl")


class MailRequest(IdentityItem, discriminator="mail-request"):
    """A request for a mail. `email_folded` is None if the text in the request cannot be an address."""

    id = UnicodeAttribute()
    purpose = UnicodeAttribute()
    email_folded = UnicodeAttribute(null=True)
    address = UnicodeAttribute()
    at = UnicodeAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")


ADMINS_KEY = ("admins", "count")
# The last two are those of service keys, whose items are in the same table: see `oms.service_keys.models`.
_HASHES = ("password_hash", "current", "previous", "successor", "device", "secret_hash", "previous_hash")
_HASHED_KEYS = ("device#", "token#")


def without_hashes(raw: dict[str, Any]) -> dict[str, Any]:
    """Returns a raw item, or its keys, without hashes of passwords and tokens: for operators and logs."""
    redacted_item = {name: redacted(value) if name in _HASHES else value for name, value in raw.items()}
    sort_key = str(raw.get("sk", {}).get("S"))
    for prefix in _HASHED_KEYS:
        if sort_key.startswith(prefix):
            redacted_item["sk"] = {"S": f"{prefix}redacted"}
    return redacted_item


def email_key(email_folded: str, user_id: str) -> str:
    """Returns a user's sort key in the index by e-mail. The id makes it unique and its last character ASCII."""
    return f"{email_folded}{LOWEST}{user_id}"


def user_key(user_id: str) -> tuple[str, str]:
    return f"user#{user_id}", "user"


def session_key(user_id: str, session_id: str) -> tuple[str, str]:
    return f"user#{user_id}", f"session#{session_id}"


def device_key(user_id: str, secret_hash: str) -> tuple[str, str]:
    return f"user#{user_id}", f"device#{secret_hash}"


def saved_addresses_key(user_id: str) -> tuple[str, str]:
    return f"user#{user_id}", "addresses"


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
