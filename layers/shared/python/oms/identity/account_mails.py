"""The mails of an account: which changes ask for one, who gets it, and what it says.

The token of a mail is made here, as the mail is written, and stands nowhere else but in its text.
"""

from dataclasses import dataclass
from typing import cast

from oms.dynamodb import get_item
from oms.identity.mailed_tokens import Purpose, link, mint
from oms.identity.models import Claim, IdentityItem, MailRequest, User, claim_key, user_key
from oms.mail.models import Letter
from oms.settings import settings
from oms.streams import Change

# Of one kind to one account.
RESETS_PER_HOUR = 3
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
    """A mail that a change asks for, to a user or to whoever has an address. One mail for each `cause`."""

    purpose: Purpose
    cause: str
    user_id: str | None = None
    email_folded: str | None = None

    @property
    def hourly(self) -> int | None:
        return RESETS_PER_HOUR if self.purpose == "reset" else None


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
            return Wanted("reset", f"reset#{request.id}", email_folded=request.email_folded)
        case _:
            return None


def recipient(mail: Wanted) -> User | None:
    """The user as they are now; None where nobody is to get the mail."""
    user_id = mail.user_id
    if mail.email_folded is not None:
        claim = cast(Claim | None, get_item(IdentityItem, claim_key(mail.email_folded)))
        user_id = claim.user_id if claim else None
    user = cast(User | None, get_item(IdentityItem, user_key(user_id))) if user_id else None
    if user is None or user.status != "active" or (mail.purpose == "verify" and user.email_verified):
        return None
    return user


def letter(user: User, purpose: Purpose) -> Letter:
    """A mail with a new token in its link."""
    stored, token = mint(user, purpose)
    text = _TEXTS[purpose].format(link=link(settings().public_url, purpose, token))
    return Letter(
        user_id=user.id, purpose=purpose, to=user.email, subject=_SUBJECTS[purpose], text=text, stored=(stored,)
    )
