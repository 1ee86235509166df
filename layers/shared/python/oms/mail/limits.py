"""Limits on mails to unverified addresses, whose owners may not have requested any mail."""

from dataclasses import replace
from hashlib import sha256

from oms.core import clock, email_addresses, pseudonyms
from oms.core.errors import UnavailableError
from oms.core.settings import settings
from oms.mail.messages import MailLimit, Notification

_DAY_SECONDS = 24 * 3600
UNVERIFIED = MailLimit("unverified", 5, _DAY_SECONDS)
# One more is reserved for a password reset, which also verifies the address.
UNVERIFIED_BUT_RESETS = MailLimit("unverified-but-resets", 4, _DAY_SECONDS)
# Two more are reserved for the address without a tag. Another person who registers tagged addresses cannot use them.
UNVERIFIED_TAGGED = MailLimit("unverified-tagged", 3, _DAY_SECONDS)
# The name of the limit that all users of a deployment share.
UNVERIFIED_OF_ALL = "unverified-of-all"
# Concurrent sends would conflict on one counter item, so the deployment has a counter for each 100 mails a day.
_MAX_SHARDS, _MAILS_PER_SHARD = 10, 100


def limits_of_unverified(notification: Notification, email: str) -> tuple[MailLimit, ...]:
    """Returns the limits of the address's mailbox, which ignore tags, and the limit of the deployment.

    Raises UnavailableError if the key of the mailbox's pseudonym is missing, so that the message is retried.
    """
    folded = email_addresses.fold(email)
    mailbox = email_addresses.mailbox(folded)
    of_mailbox = [UNVERIFIED]
    if notification.purpose != "reset":
        of_mailbox.append(UNVERIFIED_BUT_RESETS)
    if mailbox != folded:
        of_mailbox.append(UNVERIFIED_TAGGED)
    # Items of mails contain no address, and no hash that a list of addresses could be compared with.
    hidden = pseudonyms.pseudonym("mailbox", mailbox, clock.timestamp(clock.now()))
    if hidden is None:
        raise UnavailableError
    partition = f"mailbox#{hidden}"
    return (*(replace(limit, partition=partition) for limit in of_mailbox), _limit_of_deployment(notification.cause))


def _limit_of_deployment(cause: str) -> MailLimit:
    """Returns one shard of the deployment's limit. All shards together allow slightly less than the setting, never
    more.
    """
    max_mails = settings().unverified_mails_per_day
    shards = max(1, min(_MAX_SHARDS, max_mails // _MAILS_PER_SHARD))
    shard = int.from_bytes(sha256(cause.encode()).digest()[:4]) % shards
    return MailLimit(UNVERIFIED_OF_ALL, max_mails // shards, _DAY_SECONDS, partition=f"unverified-mails#{shard}")
