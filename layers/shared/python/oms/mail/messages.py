"""Mails before they are sent: the notification, the values of its templates, its limits, and the rendered text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from oms.core.dynamodb import StoredItem
from oms.identity.models import User


@dataclass(frozen=True)
class Content:
    """The values of a purpose's templates, which may include a token.

    `to` is the recipient's address if it is not the user's own. `is_verified` says whether that address is.

    `stored` has the items on which the text depends. The transaction that claims the mail writes them.
    """

    values: Mapping[str, Any] = field(repr=False)
    stored: tuple[StoredItem, ...] = field(default=(), repr=False)
    to: str | None = field(default=None, repr=False)
    is_verified: bool = False


@dataclass(frozen=True)
class MailLimit:
    """A limit of `max_mails` mails that count under `name`, in each period of `period_seconds` since the epoch.

    The counter is in `partition`; None means the partition of the mail's user.
    """

    name: str
    max_mails: int
    period_seconds: int
    partition: str | None = None


@dataclass(frozen=True)
class Notification:
    """A mail to one user, or to the contact of the order `order_id`, sent once for each `cause`.

    The notifier calls `content` with the stored recipient when it sends the mail. If the result is None, no mail is
    sent.
    """

    cause: str
    purpose: str
    user_id: str | None
    content: Callable[[User], Content | None] = field(repr=False)
    limits: tuple[MailLimit, ...] = ()
    order_id: str | None = None


@dataclass(frozen=True)
class RenderedMail:
    """A mail with its recipient and its text, ready to send. `user_id` is None for a contact without an account."""

    user_id: str | None
    purpose: str
    to: str
    subject: str
    text: str
    html: str
    stored: tuple[StoredItem, ...] = ()
    limits: tuple[MailLimit, ...] = ()

    def __repr__(self) -> str:
        """Omits the address and the text, which may include a token."""
        return f"RenderedMail({self.purpose} for user {self.user_id})"
