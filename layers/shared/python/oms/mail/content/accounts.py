"""The mails of an account: who gets one, and what it says.

The token of a mail is made here, as the mail is sent, and stands nowhere else but in its text.
"""

from datetime import timedelta
from typing import cast

from oms.core import clock
from oms.core.dynamodb import get_item
from oms.core.settings import settings
from oms.identity.mailed_tokens import Purpose, link, mint
from oms.identity.models import Claim, IdentityItem, MailRequest, User, claim_key, mail_request_key
from oms.mail.messages import Bound, Content, Notice

RESETS = Bound("reset", 3, 3600)
LOCKS = Bound("locked", 1, 24 * 3600)
PASSWORDS = Bound("password", 5, 24 * 3600)
# Later, a mail about what nobody remembers asking for would only alarm.
_RESET_IS_AWAITED = timedelta(hours=1)


def verification(user_id: str) -> Notice:
    """For a new user, until the address is verified."""
    return Notice(
        f"verify#{user_id}",
        "verify",
        user_id,
        content=lambda user: None if user.email_verified else _with_link(user, "verify"),
    )


def reset(request_id: str) -> Notice | None:
    """For who has an account with the address of a request. None where there is none, or nobody waits any more."""
    request = cast(MailRequest | None, get_item(IdentityItem, mail_request_key(request_id)))
    if request is None or request.email_folded is None or _is_late(request):
        return None
    claim = cast(Claim | None, get_item(IdentityItem, claim_key(request.email_folded)))
    if claim is None:
        return None
    return Notice(
        f"reset#{request.id}",
        "reset",
        claim.user_id,
        content=lambda user: _with_link(user, "reset"),
        bounds=(RESETS,),
    )


def _is_late(request: MailRequest) -> bool:
    return clock.instant(request.at) + _RESET_IS_AWAITED < clock.now()


def lock(event_id: str, user_id: str, locked_until: str) -> Notice:
    """For who cannot sign in, while it lasts."""

    def content(_user: User) -> Content | None:
        is_over = clock.instant(locked_until) <= clock.now()
        return None if is_over else Content({"locked_until": locked_until})

    return Notice(event_id, "locked", user_id, content, bounds=(LOCKS,))


def password_changed(user_id: str, version: str, at: str) -> Notice:
    """For a user whose password is another one since `at`: by a change or a reset, which may not have been theirs."""
    return Notice(
        f"password#{user_id}#{version}",
        "password.changed",
        user_id,
        content=lambda _: Content({"at": at}),
        bounds=(PASSWORDS,),
    )


def role_changed(event_id: str, user_id: str, role: str) -> Notice:
    """For a user who has another role, and perhaps no password any more: the new role needs a longer one."""

    def content(user: User) -> Content | None:
        if user.role != role:
            return None  # it has changed again, and that is another mail
        return Content({"role": role, "has_password": user.password_hash is not None})

    return Notice(event_id, "role.changed", user_id, content)


def _with_link(user: User, purpose: Purpose) -> Content:
    """With a new token in the link."""
    stored, token = mint(user, purpose)
    return Content({"link": link(settings().public_url, purpose, token)}, stored=(stored,))
