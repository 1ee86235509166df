"""Limits by client address and by mailbox: calls of an address in a minute, new accounts of a mailbox in a day."""

from oms.core import clock, email_addresses
from oms.core.dynamodb import ConditionFailedError, update_item
from oms.core.errors import TooManyRequestsError
from oms.core.rate_limits import RateWindow, ReportAllowance
from oms.core.retries import retrying
from oms.identity import passwords
from oms.identity.models import RateCounter, rate_counter_key

REFRESHES_PER_WINDOW = 30
DAY_SECONDS = 24 * 3600
TAGGED_ACCOUNTS_PER_DAY = 5


def mailbox_counter(email_folded: str, now: int) -> RateCounter | None:
    """Returns the counter of the new accounts of a mailbox today, for an address with a tag (`ada+1@…`).

    Returns None for an address without a tag. It can have one account only, so strangers cannot use up its limit.
    """
    mailbox = email_addresses.mailbox(email_folded)
    if mailbox == email_folded:
        return None
    day = now // DAY_SECONDS
    key = rate_counter_key("mailbox", passwords.email_digest(mailbox), day)
    return RateCounter(*key, expires_at=(day + 2) * DAY_SECONDS)


def mailbox_limit_error(now: int) -> TooManyRequestsError:
    return TooManyRequestsError(
        f"{TAGGED_ACCOUNTS_PER_DAY} accounts were created for this mailbox today. Try again tomorrow.",
        headers={"Retry-After": str(DAY_SECONDS - now % DAY_SECONDS)},
    )


def count_call(window: RateWindow, address: str, report: ReportAllowance) -> None:
    """Counts a call of this address. Raises TooManyRequestsError if it exceeds the limit of the window."""
    attempt, counter = clock.random_id(), RateCounter.of(window, address)
    try:
        taken = retrying(lambda: update_item(counter, *counter.increment_once(window.limit, attempt)))
    except ConditionFailedError as error:
        taken = RateCounter.from_raw_data(error.item) if error.item else RateCounter()
        if taken.attempt != attempt:
            report(window.allowance(window.limit))
            raise window.refusal() from error
    report(window.allowance(taken.n))
