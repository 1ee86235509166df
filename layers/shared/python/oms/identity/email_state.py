"""The fields of a user item for changes of its e-mail address: the latest request, and the addresses before.

- `email_change`: the latest request: `id`, `email`, `email_folded`, `until` (epoch seconds), `session`, and
  `auth_epoch`, which a new password raises.
- `former_emails`: the verified addresses that the user can take back, oldest first, each with `epoch` (the last one in
  which it was the user's), `email`, `email_folded`, `until` and the `change` that ended its use.

Apart from `email_change`, so that the function that sends mails does not import the check of passwords.
"""

from typing import Any, cast

from oms.core import clock
from oms.identity.models import User

type EmailState = dict[str, Any]


def pending_change(user: User, change_id: str | None) -> EmailState | None:
    """Returns the user's requested change, if it is this one and has not expired.

    A higher `auth_epoch` ends it, as it ends sessions: a person who has lost the account may have requested it.
    """
    change = cast(EmailState | None, user.email_change)
    if change is None or change["id"] != change_id or change["auth_epoch"] != user.auth_epoch:
        return None
    return change if clock.now().timestamp() < change["until"] else None


def former_email(user: User, epoch: int) -> str | None:
    """Returns the address of this epoch, if the user can still take it back."""
    return next((it["email"] for it in takeable(user, clock.now().timestamp()) if it["epoch"] == epoch), None)


def takeable(user: User, now: float) -> list[EmailState]:
    """Returns the addresses that the user can take back at this time in epoch seconds, oldest first."""
    return [it for it in user.former_emails or [] if it["until"] > now]
