"""Sending mail by SES, at most once for each cause: claim, send, mark.

A definite refusal that may pass (throttling, a paused account) releases the claim and is raised, so that the cause
comes again. One that will not (the mail itself is refused) and an end that leaves open whether the mail went out are
marked, counted, and not tried again.
"""

from contextlib import suppress
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.update import Action

from oms import clock
from oms.dynamodb import ConditionFailedError, failed, retrying, transaction, update_item
from oms.mail.models import Letter, Mail, MailCount, mail_count_key, mail_key
from oms.settings import settings

logger = Logger(child=True)
metrics = Metrics()

REMEMBERED_SECONDS = 30 * 24 * 3600
_HOUR = 3600
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html: what is wrong with this very mail.
_REFUSED = {"MessageRejected", "BadRequestException"}


def is_set_up() -> bool:
    """Whether mail can be sent at all; counted where it cannot."""
    if settings().mail_from:
        return True
    logger.warning("no mail is sent: the setting mail_from is empty")
    _count("MailNotSetUp")
    return False


def send_once(cause: str, letter: Letter, *, hourly: int | None = None) -> None:
    """Sends `letter`, unless one was sent for `cause` before, or `hourly` of its kind to its user in this hour.

    Raises what SES refuses for now, and UnavailableError.
    """
    claim, count = _claim_of(cause, letter), _count_of(letter) if hourly else None
    if not _claim(claim, count, letter, hourly):
        return
    try:
        message_id = _send(letter)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _REFUSED:
            _mark(claim, "refused", "MailRefused", code)
        elif error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
            _release(claim, count, letter)
            raise
        else:
            _mark(claim, "unknown", "MailUnknown", code)
    except HTTPClientError as error:  # the connection was there, and the answer is not
        _mark(claim, "unknown", "MailUnknown", type(error).__name__)
    except Exception:  # anything else never left this machine
        _release(claim, count, letter)
        raise
    else:
        _mark(claim, "sent", "MailSent", message_id=message_id)


def _claim_of(cause: str, letter: Letter) -> Mail:
    now = clock.now()
    return Mail(
        *mail_key(cause),
        attempt=clock.random_id(),
        user_id=letter.user_id,
        purpose=letter.purpose,
        at=clock.timestamp(now),
        expires_at=int(now.timestamp()) + REMEMBERED_SECONDS,
    )


def _count_of(letter: Letter) -> MailCount:
    hour = int(clock.now().timestamp()) // _HOUR
    return MailCount(*mail_count_key(letter.user_id, letter.purpose, hour), expires_at=(hour + 2) * _HOUR)


def _claim(claim: Mail, count: MailCount | None, letter: Letter, hourly: int | None) -> bool:
    """Whether the mail is ours to send."""

    def write() -> bool:
        try:
            with transaction() as writes:
                writes.save(claim, Mail.pk.does_not_exist(), return_values="ALL_OLD")
                for item in letter.stored:
                    writes.save(item)
                if count and hourly:
                    writes.update(
                        count,
                        [
                            MailCount.kind.set(MailCount),
                            MailCount.n.add(1),
                            MailCount.expires_at.set(count.expires_at),
                        ],
                        MailCount.n.does_not_exist() | (MailCount.n < hourly),
                    )
        except TransactWriteError as error:
            reasons = error.cancellation_reasons or [None]
            if failed(reasons[0]) and reasons[0].raw_item:
                return _is_ours(claim, Mail.from_raw_data(reasons[0].raw_item))
            if failed(reasons[-1]):
                logger.info("no further mail of this kind in this hour", mail_user_id=letter.user_id)
                _count("MailHeldBack")
                return False
            raise
        return True

    return retrying(write)


def _is_ours(claim: Mail, stored: Mail) -> bool:
    if stored.attempt == claim.attempt:
        return True  # claimed by an earlier attempt whose answer was lost
    if stored.state == "claimed":
        # Whoever claimed it was cut off: before the mail went out, or after.
        _mark(stored, "unknown", "MailUnknown", "interrupted")
    return False


def _send(letter: Letter) -> str:
    text: Any = {"Data": letter.text, "Charset": "UTF-8"}
    sent = _ses().send_email(
        FromEmailAddress=settings().mail_from,
        Destination={"ToAddresses": [letter.to]},
        Content={"Simple": {"Subject": {"Data": letter.subject, "Charset": "UTF-8"}, "Body": {"Text": text}}},
    )
    return str(sent["MessageId"])


def _mark(claim: Mail, state: str, metric: str, cause: str | None = None, *, message_id: str | None = None) -> None:
    actions: list[Action] = [Mail.state.set(state), *([Mail.message_id.set(message_id)] if message_id else [])]
    # A claim that its time to live has ended is one that nobody will ask for again.
    with suppress(ConditionFailedError):
        retrying(lambda: update_item(Mail(claim.pk, claim.sk), actions, Mail.attempt == claim.attempt))
    log = logger.info if state == "sent" else logger.error
    log("mail", state=state, cause=cause, purpose=claim.purpose, mail_user_id=claim.user_id, message_id=message_id)
    _count(metric)


def _release(claim: Mail, count: MailCount | None, letter: Letter) -> None:
    def write() -> None:
        with transaction() as writes:
            for item in (claim, *letter.stored):
                writes.delete(item)
            if count:
                writes.update(count, [MailCount.n.add(-1)], MailCount.n > 0)

    retrying(write)


def _count(metric: str) -> None:
    metrics.add_metric(name=metric, unit=MetricUnit.Count, value=1)


@cache
def _ses() -> Any:
    # One attempt: whether a mail that got no answer went out, nobody knows.
    config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("sesv2", config=config)
