"""Sending mail by SES, at most once for each cause: claim, send, mark.

If the mail was certainly not sent, the claim is released and the error is raised, so that the message is retried. This
is so after a failed connection, after throttling, and if the SES account is paused or in the sandbox. If SES refuses
the address, or if the mail may have been sent, the mail is marked and counted, and is not retried.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
)
from pynamodb.expressions.update import Action

from oms.core import aws, clock, email_addresses
from oms.core.dynamodb import ConditionFailedError, get_item, update_item
from oms.core.retries import deadline, retrying
from oms.core.settings import settings
from oms.core.transactions import TransactionError, transaction
from oms.identity.models import IdentityItem, User, user_key
from oms.mail.content import orders as order_mails
from oms.mail.limits import UNVERIFIED_OF_ALL, limits_of_unverified
from oms.mail.messages import MailLimit, Notification, RenderedMail
from oms.mail.models import Mail, MailCount, mail_count_key, mail_key
from oms.mail.rendering import render

logger = Logger(child=True)
metrics = Metrics()

# The time-out of the notifier: the worker of an older claim has ended.
CLAIM_LEASE_SECONDS = 60
RETENTION_SECONDS = 30 * 24 * 3600
# The result is marked even if reading and claiming have used all the time before the deadline.
_MARK_SECONDS = 6
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
# The first code means that the sender is not verified or that the account is in the sandbox, which an operator must
# correct. The second means that SES refuses the address.
_REFUSED, _UNDELIVERABLE = "MessageRejected", "BadRequestException"
# Raised before the connection is open, so nothing was sent.
_NOT_SENT_ERRORS = (
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    NoCredentialsError,
    ParamValidationError,
)


class InProgressError(Exception):
    """Another worker is sending the mail of the same cause."""


def is_set_up() -> bool:
    """Returns whether the deployment has a sender address. If not, it counts and logs the mail that cannot be sent."""
    if settings().mail_from:
        return True
    logger.warning("no mail is sent: the setting mail_from is empty")
    _add_count("MailNotSetUp")
    return False


def send(notification: Notification) -> None:
    """Sends the mail of a notification, if its user is active and its content is not None. See `send_once`."""
    recipient = _recipient(notification)
    if recipient is not None and (mail := _render(notification, recipient)):
        send_once(notification.cause, mail)


def _recipient(notification: Notification) -> User | None:
    if notification.user_id is None:
        return order_mails.contact_of(notification.order_id) if notification.order_id else None
    user = cast(User | None, get_item(IdentityItem, user_key(notification.user_id)))
    return user if user and user.status == "active" else None


def _render(notification: Notification, user: User) -> RenderedMail | None:
    content = notification.content(user)
    if content is None:
        return None
    public_url = settings().public_url
    to, is_verified = (user.email, user.email_verified) if content.to is None else (content.to, content.is_verified)
    # A customer wrote the name. A mail to another person's address must not contain a customer's text.
    name = user.first_name if is_verified else ""
    about = {"name": name, "public_url": public_url, "shop": urlsplit(public_url).netloc}
    rendered = render(notification.purpose, about | dict(content.values))
    return RenderedMail(
        user_id=notification.user_id,
        purpose=notification.purpose,
        to=to,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        stored=content.stored,
        limits=(*notification.limits, *(() if is_verified else limits_of_unverified(notification, to))),
    )


def send_once(cause: str, mail: RenderedMail) -> None:
    """Sends `mail`, unless a mail was sent for `cause` before, or one of its limits is reached.

    Raises the error of SES if the mail was not sent, InProgressError and UnavailableError.
    """
    to, ses = email_addresses.deliverable(mail.to), ses_client()
    claim, counts = _new_claim(cause, mail), [_new_count(mail, limit) for limit in mail.limits]
    if not _claim(claim, mail, list(zip(counts, mail.limits, strict=True))):
        return
    if to is None:
        _mark(claim, "undeliverable", "MailUndeliverable", "address")
        return
    try:
        message_id = _send(ses, mail, to)
    except _NOT_SENT_ERRORS:
        _release(claim, mail, counts)
        raise
    except ClientError as error:
        if not _mark_as_final(claim, error):
            _release(claim, mail, counts)
            raise
    except Exception as error:
        # The mail may have been sent, even if only the parsing of the response failed.
        _mark(claim, "unknown", "MailUnknown", type(error).__name__)
    else:
        _mark(claim, "sent", "MailSent", message_id=message_id)


def _mark_as_final(claim: Mail, error: ClientError) -> bool:
    """Marks the mail if SES refuses its address, or if it may have been sent. Returns False if a retry can succeed."""
    code = error.response["Error"]["Code"]
    if code == _UNDELIVERABLE:
        _mark(claim, "undeliverable", "MailUndeliverable", code)
    elif error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
        _mark(claim, "unknown", "MailUnknown", code)
    else:
        if code == _REFUSED:
            _add_count("MailRefused")
        return False
    return True


def _new_claim(cause: str, mail: RenderedMail) -> Mail:
    now = clock.now()
    return Mail(
        *mail_key(cause),
        attempt=clock.random_id(),
        user_id=mail.user_id,
        purpose=mail.purpose,
        at=clock.timestamp(now),
        expires_at=int(now.timestamp()) + RETENTION_SECONDS,
    )


def _new_count(mail: RenderedMail, limit: MailLimit) -> MailCount:
    period = int(clock.now().timestamp()) // limit.period_seconds
    return MailCount(
        *mail_count_key(limit.partition or f"user#{mail.user_id}", limit.name, period),
        expires_at=(period + 2) * limit.period_seconds,
    )


def _claim(claim: Mail, mail: RenderedMail, counts: Sequence[tuple[MailCount, MailLimit]]) -> bool:
    """Returns whether this worker may send the mail. Raises InProgressError and UnavailableError."""

    def write() -> bool:
        try:
            with transaction() as writes:
                writes.save(claim, Mail.pk.does_not_exist(), return_values="ALL_OLD")
                for item in mail.stored:
                    writes.save(item)
                for count, limit in counts:
                    writes.update(count, *count.increment(limit.max_mails))
        except TransactionError as error:
            if stored := error.stored(claim):
                return _is_own(claim, Mail.from_raw_data(stored))
            reached = [limit.name for count, limit in counts if error.failed(count)]
            if not reached:
                raise
            _log_left_out(mail, reached)
            return False
        return True

    return retrying(write)


def _log_left_out(mail: RenderedMail, reached: Sequence[str]) -> None:
    logger.info(
        "a mail was not sent: a limit is reached", purpose=mail.purpose, mail_user_id=mail.user_id, limits=reached
    )
    _add_count("MailHeldBack")
    if UNVERIFIED_OF_ALL in reached:
        _add_count("MailUnverifiedAtLimit")


def _is_own(claim: Mail, stored: Mail) -> bool:
    if stored.attempt == claim.attempt:
        return True  # an earlier attempt wrote it, but its response was lost
    if stored.state == "claimed":
        if clock.instant(stored.at) + timedelta(seconds=CLAIM_LEASE_SECONDS) > clock.now():
            raise InProgressError
        # The other worker was stopped, before or after it sent the mail.
        _mark(stored, "unknown", "MailUnknown", "interrupted")
    return False


def _send(ses: Any, mail: RenderedMail, to: str) -> str:
    subject, text, html = ({"Data": part, "Charset": "UTF-8"} for part in (mail.subject, mail.text, mail.html))
    response = ses.send_email(
        FromEmailAddress=settings().mail_from,
        Destination={"ToAddresses": [to]},
        Content={"Simple": {"Subject": subject, "Body": {"Text": text, "Html": html}}},
        ConfigurationSetName=settings().mail_configuration_set,
    )
    return str(response["MessageId"])


def _mark(claim: Mail, state: str, metric: str, cause: str | None = None, *, message_id: str | None = None) -> None:
    actions: list[Action] = [Mail.state.set(state), *([Mail.message_id.set(message_id)] if message_id else [])]
    # The claim may have expired, but then its message is too old to be delivered again.
    with deadline(_MARK_SECONDS), suppress(ConditionFailedError):
        retrying(lambda: update_item(Mail(claim.pk, claim.sk), actions, Mail.attempt == claim.attempt))
    log = logger.info if state in ("sent", "undeliverable") else logger.error
    log("mail", state=state, cause=cause, purpose=claim.purpose, mail_user_id=claim.user_id, message_id=message_id)
    _add_count(metric)


def _release(claim: Mail, mail: RenderedMail, counts: Sequence[MailCount]) -> None:
    def write() -> None:
        try:
            with transaction() as writes:
                writes.delete(claim, Mail.attempt == claim.attempt)
                for item in mail.stored:
                    writes.delete(item)
                for count in counts:
                    writes.update(count, count.decrement())
        except TransactionError as error:
            # If the condition failed, an earlier attempt whose response was lost has released the claim.
            if not error.any_failed:
                raise

    with deadline(_MARK_SECONDS):
        retrying(write)


def _add_count(metric: str) -> None:
    metrics.add_metric(name=metric, unit=MetricUnit.Count, value=1)


@cache
def ses_client() -> Any:
    # One attempt, since a mail without a response may have been sent.
    retries = {"mode": "standard", "total_max_attempts": 1}
    return aws.botocore_client("sesv2", connect_timeout=2, read_timeout=10, retries=retries)
