"""What is known of each mail: that it was asked for, and what became of it. Kept in the identity table.

No item holds what a mail says, or where it went.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute

from oms.dynamodb import IntegerAttribute, StoredItem
from oms.identity.models import User
from oms.settings import settings


@dataclass(frozen=True)
class Content:
    """What the templates of a purpose are to be filled with; it may hold a token.

    `stored` is put when, and only when, the mail is claimed: what its text relies on.
    """

    values: Mapping[str, Any] = field(repr=False)
    stored: tuple[StoredItem, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Bound:
    """At most `most` mails, of those that count under `name`, in each period of `seconds` since the epoch.

    They are counted in the partition `of`; None: in the user's, so they are mails to one user.
    """

    name: str
    most: int
    seconds: int
    of: str | None = None


@dataclass(frozen=True)
class Notice:
    """That a user is to be told something by mail, once for each `cause`.

    `content` is asked for as the mail is sent, with the user as they are then; None: they are not to get it.
    """

    cause: str
    purpose: str
    user_id: str
    content: Callable[[User], Content | None] = field(repr=False)
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True)
class Letter:
    """A mail as it goes out."""

    user_id: str
    purpose: str
    to: str
    subject: str
    text: str
    html: str
    stored: tuple[StoredItem, ...] = ()
    bounds: tuple[Bound, ...] = ()

    def __repr__(self) -> str:
        """Without the address and the text, which may hold a token."""
        return f"Letter({self.purpose} for user {self.user_id})"


class MailItem(StoredItem):
    class Meta:
        table_name = settings().identity_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Mail(MailItem, discriminator="mail"):
    """The claim to send one mail. `state`: claimed, then sent, undeliverable or unknown.

    `attempt` names who claimed it, so that a claim whose answer was lost is found to be one's own.
    """

    attempt = UnicodeAttribute()
    user_id = UnicodeAttribute()
    purpose = UnicodeAttribute()
    state = UnicodeAttribute(default="claimed")
    at = UnicodeAttribute()
    message_id = UnicodeAttribute(null=True)
    expires_at = IntegerAttribute(attr_name="ttl")


class MailCount(MailItem, discriminator="mail-count"):
    """How many mails were sent in one period of a bound."""

    n = IntegerAttribute(default=0)
    expires_at = IntegerAttribute(attr_name="ttl")


def mail_key(cause: str) -> tuple[str, str]:
    """One mail for each cause."""
    return f"mail#{cause}", "mail"


def mail_count_key(partition: str, bound: str, period: int) -> tuple[str, str]:
    return partition, f"mails#{bound}#{period}"
