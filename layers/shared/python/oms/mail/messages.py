"""A mail on its way: that a user is to get it, what fills its templates, how often it may be sent, and its text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from oms.core.dynamodb import StoredItem
from oms.identity.models import User


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
