"""The mails of an account: which changes ask for one, who gets it, and what it says.

The token of a mail is made here, as the mail is written, and stands nowhere else but in its text.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from oms import clock
from oms.dynamodb import get_item
from oms.identity.mailed_tokens import Purpose, link, mint
from oms.identity.models import Claim, IdentityItem, MailRequest, User, claim_key, user_key
from oms.mail.models import Bound, Letter
from oms.settings import settings
from oms.streams import Change

RESETS = Bound("reset", 3, 3600)
# Whoever an address belongs to that nobody has verified did not ask for any of it.
UNVERIFIED = Bound("unverified", 5, 24 * 3600)
# Later, a mail about what nobody remembers asking for would only alarm.
_RESET_IS_AWAITED = timedelta(hours=1)
_SUBJECTS: dict[Purpose, str] = {"reset": "Set a new password", "verify": "Confirm your e-mail address"}
_TEXTS: dict[Purpose, str] = {
    "reset": """Somebody, probably you, asked for a new password for the account with this address.
With this link you can set one within 30 minutes:

{link}

It ends all sessions and lifts a lock. If it was not you, there is nothing to do: your password stays as it is.
""",
    "verify": """An account was opened with this address. With this link you confirm, within 7 days, that it is yours:

{link}

If it was not you, there is nothing to do.
""",
}


@dataclass(frozen=True)
class Wanted:
    """A mail that a change asks for, to a user or to whoever has an address. One mail for each `cause`.

    After `until` nobody waits for it any more.
    """

    purpose: Purpose
    cause: str
    user_id: str | None = None
    email_folded: str | None = None
    until: datetime | None = None


def wanted(change: Change) -> Wanted | None:
    """The mail that a write to the identity table asks for, if it does."""
    if change.old is not None or change.new is None:
        return None
    match change.new["kind"]["S"]:
        case "user":
            user = User.from_raw_data(change.new)
            return None if user.email_verified else Wanted("verify", f"verify#{user.id}", user_id=user.id)
        case "mail-request":
            request = MailRequest.from_raw_data(change.new)
            if request.email_folded is None:
                return None
            until = clock.instant(request.at) + _RESET_IS_AWAITED
            return Wanted("reset", f"reset#{request.id}", email_folded=request.email_folded, until=until)
        case _:
            return None


def recipient(mail: Wanted) -> User | None:
    """The user as they are now; None where nobody is to get the mail."""
    if mail.until is not None and mail.until < clock.now():
        return None
    user_id = mail.user_id
    if mail.email_folded is not None:
        claim = cast(Claim | None, get_item(IdentityItem, claim_key(mail.email_folded)))
        user_id = claim.user_id if claim else None
    user = cast(User | None, get_item(IdentityItem, user_key(user_id))) if user_id else None
    if user is None or user.status != "active" or (mail.purpose == "verify" and user.email_verified):
        return None
    return user


def bounds(user: User, purpose: Purpose) -> list[Bound]:
    return [*([RESETS] if purpose == "reset" else []), *([] if user.email_verified else [UNVERIFIED])]


def letter(user: User, purpose: Purpose) -> Letter:
    """A mail with a new token in its link."""
    stored, token = mint(user, purpose)
    text = _TEXTS[purpose].format(link=link(settings().public_url, purpose, token))
    return Letter(
        user_id=user.id, purpose=purpose, to=user.email, subject=_SUBJECTS[purpose], text=text, stored=(stored,)
    )
