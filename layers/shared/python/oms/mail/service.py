"""Sending mail by SES, at most once for each cause: claim, send, mark.

What certainly did not go out (no connection, throttling, an account that is paused or in the sandbox) releases the
claim and is raised, so that the cause comes again. An address that takes no mail, and every end that leaves open
whether the mail went out, are marked, counted, and not tried again.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
)
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.update import Action

from oms.core import aws, clock, email_addresses
from oms.core.dynamodb import ConditionFailedError, deadline, failed, get_item, retrying, transaction, update_item
from oms.core.settings import settings
from oms.identity.models import IdentityItem, User, user_key
from oms.mail.bounds import UNVERIFIED_OF_ALL, bounds_of_unverified
from oms.mail.messages import Bound, Letter, Notice
from oms.mail.models import Mail, MailCount, mail_count_key, mail_key
from oms.mail.rendering import render

logger = Logger(child=True)
metrics = Metrics()

# As long as the notifier may run: whoever made a claim that is older is gone.
AT_WORK_SECONDS = 60
REMEMBERED_SECONDS = 30 * 24 * 3600
# What became of a mail is written down even where reading and claiming took all the time there was.
_SETTLING_SECONDS = 6
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html. The first is what SES says of a sender that
# is not verified and of an account in the sandbox: the operator's to mend. The second is what it says of an address.
_REFUSED, _UNDELIVERABLE = "MessageRejected", "BadRequestException"
# Nothing was sent: these come before a connection stands.
_NEVER_LEFT = (
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    NoCredentialsError,
    ParamValidationError,
)


class AtWorkError(Exception):
    """Another message with the same cause has its mail in hand."""


def is_set_up() -> bool:
    """Whether mail can be sent at all; counted where it cannot."""
    if settings().mail_from:
        return True
    logger.warning("no mail is sent: the setting mail_from is empty")
    _count("MailNotSetUp")
    return False


def send(notice: Notice) -> None:
    """Mails the notice to its user, if they are active and are to get it. Otherwise as `send_once`."""
    user = cast(User | None, get_item(IdentityItem, user_key(notice.user_id)))
    if user is None or user.status != "active":
        return
    if letter := _letter(notice, user):
        send_once(notice.cause, letter)


def _letter(notice: Notice, user: User) -> Letter | None:
    content = notice.content(user)
    if content is None:
        return None
    public_url = settings().public_url
    # Nothing that a customer wrote goes to an address that may be a stranger's.
    name = user.first_name if user.email_verified else ""
    about = {"name": name, "public_url": public_url, "shop": urlsplit(public_url).netloc}
    rendered = render(notice.purpose, about | dict(content.values))
    return Letter(
        user_id=user.id,
        purpose=notice.purpose,
        to=user.email,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        stored=content.stored,
        bounds=(*notice.bounds, *(() if user.email_verified else bounds_of_unverified(notice, user))),
    )


def send_once(cause: str, letter: Letter) -> None:
    """Sends `letter`, unless one was sent for `cause` before, or one of its bounds has no room left.

    Raises what SES refuses for now, AtWorkError, and UnavailableError.
    """
    to, ses = email_addresses.deliverable(letter.to), ses_client()
    claim, counts = _claim_of(cause, letter), [_count_of(letter, bound) for bound in letter.bounds]
    if not _claim(claim, letter, list(zip(counts, letter.bounds, strict=True))):
        return
    if to is None:
        _mark(claim, "undeliverable", "MailUndeliverable", "address")
        return
    try:
        message_id = _send(ses, letter, to)
    except _NEVER_LEFT:
        _release(claim, letter, counts)
        raise
    except ClientError as error:
        if not _settle(claim, error):
            _release(claim, letter, counts)
            raise
    except Exception as error:
        # It may have left, even if it is our own reading of the answer that failed.
        _mark(claim, "unknown", "MailUnknown", type(error).__name__)
    else:
        _mark(claim, "sent", "MailSent", message_id=message_id)


def _settle(claim: Mail, error: ClientError) -> bool:
    """Marks an address that takes no mail, and what leaves the end open. False for a refusal that may pass."""
    code = error.response["Error"]["Code"]
    if code == _UNDELIVERABLE:
        _mark(claim, "undeliverable", "MailUndeliverable", code)
    elif error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
        _mark(claim, "unknown", "MailUnknown", code)
    else:
        if code == _REFUSED:
            _count("MailRefused")
        return False
    return True


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


def _count_of(letter: Letter, bound: Bound) -> MailCount:
    period = int(clock.now().timestamp()) // bound.seconds
    return MailCount(
        *mail_count_key(bound.of or f"user#{letter.user_id}", bound.name, period),
        expires_at=(period + 2) * bound.seconds,
    )


def _counting(count: MailCount, by: int) -> list[Action]:
    return [MailCount.kind.set(MailCount), MailCount.n.add(by), MailCount.expires_at.set(count.expires_at)]


def _claim(claim: Mail, letter: Letter, counts: Sequence[tuple[MailCount, Bound]]) -> bool:
    """Whether the mail is ours to send."""

    def write() -> bool:
        try:
            with transaction() as writes:
                writes.save(claim, Mail.pk.does_not_exist(), return_values="ALL_OLD")
                for item in letter.stored:
                    writes.save(item)
                for count, bound in counts:
                    has_room = MailCount.n.does_not_exist() | (MailCount.n < bound.most)
                    writes.update(count, _counting(count, 1), has_room)
        except TransactWriteError as error:
            reasons = error.cancellation_reasons or [None]
            if failed(reasons[0]) and reasons[0].raw_item:
                return _is_ours(claim, Mail.from_raw_data(reasons[0].raw_item))
            # The counts come last: updates come after puts.
            full = [bound.name for (_, bound), why in zip(counts[::-1], reasons[::-1], strict=False) if failed(why)]
            if not full:
                raise
            _held_back(letter, full)
            return False
        return True

    return retrying(write)


def _held_back(letter: Letter, full: Sequence[str]) -> None:
    logger.info("a mail was held back", purpose=letter.purpose, mail_user_id=letter.user_id, bounds=full)
    _count("MailHeldBack")
    if UNVERIFIED_OF_ALL in full:
        _count("MailUnverifiedAtLimit")


def _is_ours(claim: Mail, stored: Mail) -> bool:
    if stored.attempt == claim.attempt:
        return True  # claimed by an earlier attempt whose answer was lost
    if stored.state == "claimed":
        if clock.instant(stored.at) + timedelta(seconds=AT_WORK_SECONDS) > clock.now():
            raise AtWorkError
        # Whoever claimed it was cut off: before the mail went out, or after.
        _mark(stored, "unknown", "MailUnknown", "interrupted")
    return False


def _send(ses: Any, letter: Letter, to: str) -> str:
    subject, text, html = ({"Data": it, "Charset": "UTF-8"} for it in (letter.subject, letter.text, letter.html))
    sent = ses.send_email(
        FromEmailAddress=settings().mail_from,
        Destination={"ToAddresses": [to]},
        Content={"Simple": {"Subject": subject, "Body": {"Text": text, "Html": html}}},
        ConfigurationSetName=settings().mail_configuration_set,
    )
    return str(sent["MessageId"])


def _mark(claim: Mail, state: str, metric: str, cause: str | None = None, *, message_id: str | None = None) -> None:
    actions: list[Action] = [Mail.state.set(state), *([Mail.message_id.set(message_id)] if message_id else [])]
    # A claim that its time to live has ended is one that nobody will ask for again.
    with deadline(_SETTLING_SECONDS), suppress(ConditionFailedError):
        retrying(lambda: update_item(Mail(claim.pk, claim.sk), actions, Mail.attempt == claim.attempt))
    log = logger.info if state in ("sent", "undeliverable") else logger.error
    log("mail", state=state, cause=cause, purpose=claim.purpose, mail_user_id=claim.user_id, message_id=message_id)
    _count(metric)


def _release(claim: Mail, letter: Letter, counts: Sequence[MailCount]) -> None:
    def write() -> None:
        try:
            with transaction() as writes:
                writes.delete(claim, Mail.attempt == claim.attempt)
                for item in letter.stored:
                    writes.delete(item)
                for count in counts:
                    writes.update(count, _counting(count, -1))
        except TransactWriteError as error:
            # No longer ours: released by an earlier attempt whose answer was lost, and perhaps claimed anew.
            if not any(failed(reason) for reason in error.cancellation_reasons):
                raise

    with deadline(_SETTLING_SECONDS):
        retrying(write)


def _count(metric: str) -> None:
    metrics.add_metric(name=metric, unit=MetricUnit.Count, value=1)


@cache
def ses_client() -> Any:
    # One attempt: whether a mail that got no answer went out, nobody knows.
    config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1})
    return aws.session().client("sesv2", config=config)
