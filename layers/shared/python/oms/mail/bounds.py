"""Limits on mails to unverified addresses, whose owners may never have asked for any."""

from dataclasses import replace
from hashlib import sha256

from oms.core import clock, email_addresses, pseudonyms
from oms.core.errors import UnavailableError
from oms.core.settings import settings
from oms.identity.models import User
from oms.mail.messages import Bound, Notice

_DAY = 24 * 3600
UNVERIFIED = Bound("unverified", 5, _DAY)
# One of them is kept for a new password, which verifies the address too.
UNVERIFIED_BUT_RESETS = Bound("unverified-but-resets", 4, _DAY)
# Two of them are kept for the address without a tag: a stranger who registers tagged ones cannot use up its day.
UNVERIFIED_TAGGED = Bound("unverified-tagged", 3, _DAY)
# The name of the bound that all of a deployment share.
UNVERIFIED_OF_ALL = "unverified-of-all"
# Mails that are sent at once would wait for each other at one item: from 100 a day on it is several.
_MAX_SHARDS, _PER_SHARD = 10, 100


def bounds_of_unverified(notice: Notice, user: User) -> tuple[Bound, ...]:
    """Those of the user's mailbox, tags left out, and the deployment's. Raises UnavailableError where there is no
    key to hide the mailbox with, so that the mail is tried again.
    """
    folded = email_addresses.fold(user.email)
    mailbox = email_addresses.mailbox(folded)
    of_mailbox = [UNVERIFIED]
    if notice.purpose != "reset":
        of_mailbox.append(UNVERIFIED_BUT_RESETS)
    if mailbox != folded:
        of_mailbox.append(UNVERIFIED_TAGGED)
    # No item of a mail holds an address, nor what a list of addresses could be tested against.
    hidden = pseudonyms.pseudonym("mailbox", mailbox, clock.timestamp(clock.now()))
    if hidden is None:
        raise UnavailableError
    partition = f"mailbox#{hidden}"
    return (*(replace(bound, of=partition) for bound in of_mailbox), _of_all(notice.cause))


def _of_all(cause: str) -> Bound:
    """The deployment's, as one of the items that share it. So all of them stop a little below it, and none above."""
    most = settings().unverified_mails_per_day
    shards = max(1, min(_MAX_SHARDS, most // _PER_SHARD))
    shard = int.from_bytes(sha256(cause.encode()).digest()[:4]) % shards
    return Bound(UNVERIFIED_OF_ALL, most // shards, _DAY, of=f"unverified-mails#{shard}")
