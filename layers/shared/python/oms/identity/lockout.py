"""Lockout of accounts and devices: the lock after failed logins, its duration, and the unlock by an admin."""

from dataclasses import dataclass

from oms.audit import audit_log
from oms.core.dynamodb import get_item
from oms.core.errors import NotFoundError
from oms.core.retries import retrying
from oms.core.transactions import transaction
from oms.identity import passwords
from oms.identity.access import CurrentUser
from oms.identity.models import AccountCounter, FailureCounter, IdentityItem, User, counter_key, user_key

FAILURES_BEFORE_LOCK = 5
FIRST_LOCK_SECONDS = 15 * 60
MAX_LOCK_SECONDS = 24 * 3600
FORGOTTEN_AFTER_SECONDS = 24 * 3600


@dataclass(frozen=True)
class LockState:
    """The failed logins in a row of an account or a device, and its lock. Times are in epoch seconds.

    `level` is the number of locks so far.
    """

    failures: int = 0
    level: int = 0
    locked_until: int = 0

    @classmethod
    def of(cls, counted: FailureCounter, now: int) -> "LockState":
        """Returns the state that a counter stores; failures that are forgotten by now do not count."""
        if now >= counted.forgotten_at:
            return cls()
        return cls(counted.failures, counted.level, counted.locked_until)

    def is_locked(self, now: int) -> bool:
        return now < self.locked_until

    def after_failure(self, now: int) -> "LockState":
        """Returns the state after one more failure.

        The fifth failure locks. Each lock lasts twice as long as the one before; after a lock the count starts again.
        """
        failures = 1 if self.failures >= FAILURES_BEFORE_LOCK else self.failures + 1
        if failures < FAILURES_BEFORE_LOCK:
            return LockState(failures, self.level, self.locked_until)
        seconds = min(FIRST_LOCK_SECONDS * 2**self.level, MAX_LOCK_SECONDS)
        return LockState(failures, self.level + 1, now + seconds)

    @property
    def locks(self) -> bool:
        """Whether the latest failure caused a lock."""
        return self.failures >= FAILURES_BEFORE_LOCK

    def forgotten_at(self, now: int) -> int:
        """Returns the time from which the failures no longer count, if no more follow."""
        return max(now, self.locked_until) + FORGOTTEN_AFTER_SECONDS


def unlock(user_id: str, *, by: CurrentUser, address: str) -> None:
    """Lifts every lock of an account and its devices, and forgets their failures. Raises NotFoundError."""
    user = get_item(IdentityItem, user_key(user_id))
    if not isinstance(user, User):
        raise NotFoundError("User not found.")
    counter = AccountCounter(*counter_key(passwords.email_digest(user.email_folded)))
    entry = audit_log.entry(
        "account.unlocked", actor_id=by.id, actor_role=by.role, address=address, target=f"user#{user.id}"
    )

    def write() -> None:
        with transaction() as writes:
            writes.delete(counter)
            writes.save(entry)
            # One write for any number of devices: they stay known, but their earlier failures no longer count.
            writes.update(User(*user_key(user.id)), [User.locks_epoch.add(1)], User.pk.exists())

    retrying(write)
