"""Mails about an account.

The token of a mail is created when the mail is sent, and exists only in its text.
"""

from datetime import timedelta
from typing import cast

from oms.core import clock
from oms.core.dynamodb import get_item
from oms.core.settings import settings
from oms.identity.email_state import former_email, pending_change
from oms.identity.mailed_tokens import Purpose, link, mint
from oms.identity.models import Claim, IdentityItem, MailRequest, User, claim_key, mail_request_key
from oms.mail.messages import Content, MailLimit, Notification

RESETS = MailLimit("reset", 3, 3600)
LOCKS = MailLimit("locked", 1, 24 * 3600)
PASSWORDS = MailLimit("password", 5, 24 * 3600)
EMAIL_CHANGES = MailLimit("email-change", 3, 24 * 3600)
# More than those, so that the old address gets a mail about each change. The links of one day have the same effect.
EMAIL_NOTICES = MailLimit("email-notice", 5, 24 * 3600)
# Users would take a later mail for an attack, because they may not remember the request.
_MAX_RESET_AGE = timedelta(hours=1)


def verification(user_id: str) -> Notification:
    """Returns the mail to a new user, which is sent only until the address is verified."""
    return Notification(
        f"verify#{user_id}",
        "verify",
        user_id,
        content=lambda user: None if user.email_verified else _with_link(user, "verify"),
    )


def reset(request_id: str) -> Notification | None:
    """Returns the mail to the account with a request's address.

    None if no account has it, or if the request is too old.
    """
    request = cast(MailRequest | None, get_item(IdentityItem, mail_request_key(request_id)))
    if request is None or request.email_folded is None or _is_late(request):
        return None
    claim = cast(Claim | None, get_item(IdentityItem, claim_key(request.email_folded)))
    if claim is None or claim.reserved_until is not None:
        return None
    return Notification(
        f"reset#{request.id}",
        "reset",
        claim.user_id,
        content=lambda user: _with_link(user, "reset"),
        limits=(RESETS,),
    )


def _is_late(request: MailRequest) -> bool:
    return clock.instant(request.at) + _MAX_RESET_AGE < clock.now()


def lock(event_id: str, user_id: str, locked_until: str) -> Notification:
    """Returns the mail to a user whose account is locked, which is sent only until the lock ends."""

    def content(_user: User) -> Content | None:
        is_over = clock.instant(locked_until) <= clock.now()
        return None if is_over else Content({"locked_until": locked_until})

    return Notification(event_id, "locked", user_id, content, limits=(LOCKS,))


def password_changed(user_id: str, version: str, at: str) -> Notification:
    """Returns the mail to a user whose password was changed or reset at `at`, possibly by another person."""
    return Notification(
        f"password#{user_id}#{version}",
        "password.changed",
        user_id,
        content=lambda _: Content({"at": at}),
        limits=(PASSWORDS,),
    )


def email_change(user_id: str, change_id: str, *, epoch: int, to: str) -> Notification:
    """Returns a mail about a requested change of the address: to the `new` one, to confirm it, or to the `old` one.

    `epoch` is the user's `email_epoch` at the request.
    """
    if to == "new":
        return Notification(
            f"email-change#{change_id}",
            "email.change",
            user_id,
            content=lambda user: _new_address(user, change_id),
            limits=(EMAIL_CHANGES,),
        )
    return Notification(
        f"email-take-back#{change_id}",
        "email.take-back",
        user_id,
        content=lambda user: _old_address(user, epoch),
        limits=(EMAIL_NOTICES,),
    )


def _new_address(user: User, change_id: str) -> Content | None:
    """Returns None if the change is not the latest one, or if the address has another account.

    Then no mail is sent, so that the request does not reveal the account.
    """
    change = pending_change(user, change_id)
    if change is None:
        return None
    claim = cast(Claim | None, get_item(IdentityItem, claim_key(change["email_folded"])))
    now = clock.now().timestamp()
    if claim and claim.user_id != user.id and (claim.reserved_until is None or claim.reserved_until > now):
        return None
    stored, token = mint(user, "change", epoch=user.email_epoch, change_id=change_id)
    text = link(settings().public_url, "change", token)
    return Content({"link": text}, stored=(stored,), to=change["email"])


def _old_address(user: User, epoch: int) -> Content | None:
    """Returns None if the user can no longer take the address back."""
    email = user.email if user.email_epoch == epoch else former_email(user, epoch)
    if email is None:
        return None
    stored, token = mint(user, "take-back", epoch=epoch)
    text = link(settings().public_url, "take-back", token)
    return Content({"link": text}, stored=(stored,), to=email, is_verified=True)


def role_changed(event_id: str, user_id: str, role: str) -> Notification:
    """Returns the mail to a user with a new role.

    If the role needs a longer password, the account no longer has one.
    """

    def content(user: User) -> Content | None:
        if user.role != role:
            return None  # the role has changed again, which causes another mail
        return Content({"role": role, "has_password": user.password_hash is not None})

    return Notification(event_id, "role.changed", user_id, content)


def _with_link(user: User, purpose: Purpose) -> Content:
    """Creates a token, and returns content with the link."""
    stored, token = mint(user, purpose)
    return Content({"link": link(settings().public_url, purpose, token)}, stored=(stored,))
