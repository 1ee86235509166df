"""How often: calls per address and minute, accounts per mailbox and day, failed logins per account or device."""

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core import clock, email_addresses
from oms.core.dynamodb import ConditionFailedError, retrying, update_item
from oms.core.errors import TooManyRequestsError
from oms.core.rate_limits import RateWindow, ReportAllowance
from oms.identity import passwords
from oms.identity.models import RateCounter

REFRESHES_PER_WINDOW = 30
DAY_SECONDS = 24 * 3600
TAGGED_ACCOUNTS_PER_DAY = 5


def rate_counter(window: RateWindow, address: str) -> RateCounter:
    return RateCounter.of(window.policy, address, window.number)


def increment(window: RateWindow, attempt: str) -> tuple[list[Action], Condition]:
    """The update of a slot that takes one, once for each attempt."""
    return RateCounter.taking(window.limit, attempt, window.forgotten_at)


def mailbox_increment(email_folded: str, attempt: str, now: int) -> tuple[RateCounter, list[Action], Condition] | None:
    """The update that counts an account whose address has a tag (`ada+1@…`) with those of its mailbox that day.

    None without a tag: such an address has one account, and strangers cannot use up its limit.
    """
    mailbox = email_addresses.mailbox(email_folded)
    if mailbox == email_folded:
        return None
    day = now // DAY_SECONDS
    slot = RateCounter.of("mailbox", passwords.email_digest(mailbox), day)
    return slot, *RateCounter.taking(TAGGED_ACCOUNTS_PER_DAY, attempt, (day + 2) * DAY_SECONDS)


def mailbox_limit_error(now: int) -> TooManyRequestsError:
    return TooManyRequestsError(
        f"{TAGGED_ACCOUNTS_PER_DAY} accounts were opened for this mailbox today. Please wait until tomorrow.",
        headers={"Retry-After": str(DAY_SECONDS - now % DAY_SECONDS)},
    )


def count_call(window: RateWindow, address: str, report: ReportAllowance) -> None:
    """Counts a call of this address. Raises TooManyRequestsError when the window has none left."""
    attempt = clock.random_id()
    try:
        taken = retrying(lambda: update_item(rate_counter(window, address), *increment(window, attempt)))
    except ConditionFailedError as error:
        taken = RateCounter.from_raw_data(error.item) if error.item else RateCounter()
        if taken.attempt != attempt:
            report(window.allowance(window.limit))
            raise window.refusal() from error
    report(window.allowance(taken.n))
