"""How often: calls per address and minute, accounts per mailbox and day, failed logins per account or device."""

from dataclasses import dataclass

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core import clock, email_addresses
from oms.core.dynamodb import ConditionFailedError, retrying, update_item
from oms.core.errors import TooManyRequestsError
from oms.core.rate_limits import Report, Window
from oms.identity import passwords
from oms.identity.models import Counted, Slot

REFRESHES_PER_WINDOW = 30
FAILURES_BEFORE_LOCK = 5
FIRST_LOCK_SECONDS = 15 * 60
LONGEST_LOCK_SECONDS = 24 * 3600
FORGOTTEN_AFTER_SECONDS = 24 * 3600
DAY_SECONDS = 24 * 3600
TAGGED_ACCOUNTS_PER_DAY = 5


def slot_of(window: Window, address: str) -> Slot:
    return Slot.of(window.policy, address, window.number)


def taking(window: Window, attempt: str) -> tuple[list[Action], Condition]:
    """The update of a slot that takes one, once for each attempt."""
    return Slot.taking(window.limit, attempt, window.forgotten_at)


def mailbox_slot(email_folded: str, attempt: str, now: int) -> tuple[Slot, list[Action], Condition] | None:
    """The update that counts an account whose address has a tag (`ada+1@…`) with those of its mailbox that day.

    None without a tag: such an address is one account for good, and no stranger uses up its place.
    """
    mailbox = email_addresses.mailbox(email_folded)
    if mailbox == email_folded:
        return None
    day = now // DAY_SECONDS
    slot = Slot.of("mailbox", passwords.email_digest(mailbox), day)
    return slot, *Slot.taking(TAGGED_ACCOUNTS_PER_DAY, attempt, (day + 2) * DAY_SECONDS)


def mailbox_refusal(now: int) -> TooManyRequestsError:
    return TooManyRequestsError(
        f"{TAGGED_ACCOUNTS_PER_DAY} accounts were opened for this mailbox today. Please wait until tomorrow.",
        headers={"Retry-After": str(DAY_SECONDS - now % DAY_SECONDS)},
    )


def take_slot(window: Window, address: str, report: Report) -> None:
    """Counts a call of this address. Raises TooManyRequestsError when the window has none left."""
    attempt = clock.random_id()
    try:
        taken = retrying(lambda: update_item(slot_of(window, address), *taking(window, attempt)))
    except ConditionFailedError as error:
        taken = Slot.from_raw_data(error.item) if error.item else Slot()
        if taken.attempt != attempt:
            report(window.allowance(window.limit))
            raise window.refusal() from error
    report(window.allowance(taken.n))


@dataclass(frozen=True)
class Standing:
    """The failures in a row of an account or device. Times in epoch seconds."""

    failures: int = 0
    level: int = 0
    locked_until: int = 0

    @classmethod
    def of(cls, counted: Counted, now: int) -> "Standing":
        if now >= counted.forgotten_at:
            return cls()
        return cls(counted.failures, counted.level, counted.locked_until)

    def is_locked(self, now: int) -> bool:
        return now < self.locked_until

    def after_failure(self, now: int) -> "Standing":
        """The fifth failure locks, each time for twice as long; after a lock the count starts again."""
        failures = 1 if self.failures >= FAILURES_BEFORE_LOCK else self.failures + 1
        if failures < FAILURES_BEFORE_LOCK:
            return Standing(failures, self.level, self.locked_until)
        seconds = min(FIRST_LOCK_SECONDS * 2**self.level, LONGEST_LOCK_SECONDS)
        return Standing(failures, self.level + 1, now + seconds)

    @property
    def locks(self) -> bool:
        return self.failures >= FAILURES_BEFORE_LOCK

    def forgotten_at(self, now: int) -> int:
        return max(now, self.locked_until) + FORGOTTEN_AFTER_SECONDS
