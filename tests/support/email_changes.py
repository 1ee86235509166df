"""Changes of e-mail addresses: their requests, and their mails by way of the table's stream and the notifier."""

from typing import Any, cast

from oms.core.dynamodb import get_item
from oms.identity.events import EMAIL_CHANGE_MAIL
from oms.identity.models import Claim, IdentityItem, User, claim_key, user_key
from tests.support.accounts import PASSWORD
from tests.support.event_bus import entries_of
from tests.support.gateway import call
from tests.support.invocation import Answer
from tests.support.mail import Ses, notify
from tests.support.streams import streamed

EMAIL = "/api/v1/auth/me/email"
clients = iter(f"203.0.{high}.{low}" for high in range(256) for low in range(256))


def request(token: str, new: str, *, password: str = PASSWORD, **options: Any) -> Answer:
    body = {"new_email": new, "current_password": password}
    return call("PUT", EMAIL, body, token=token, **{"address": next(clients)} | options)


def verify(token: str) -> Answer:
    return call("POST", "/api/v1/auth/email/verify", {"token": token})


def take_back(token: str) -> Answer:
    return call("POST", "/api/v1/auth/email/take-back", {"token": token})


def messages_of(token: str, new: str) -> list[str]:
    """Requests the change, and returns the messages that it publishes."""
    with streamed("identity") as records:
        answer = request(token, new)
        assert (answer.status, answer.text) == (202, "")
    found = entries_of(records)
    assert {it["DetailType"] for it in found} == {EMAIL_CHANGE_MAIL}
    assert all(new not in it["Detail"] for it in found), "a message has ids only"
    return [str(it["Detail"]) for it in found]


def requested(token: str, new: str, ses: Ses) -> dict[str, str]:
    """Requests the change, and returns the token of the mail to each address."""
    before = len(ses.sent)
    assert notify(*messages_of(token, new)) == []
    return dict(zip(ses.recipients[before:], ses.tokens()[before:], strict=True))


def user_of(user: User) -> User:
    return cast(User, get_item(IdentityItem, user_key(user.id)))


def claim_of(email: str) -> Claim | None:
    return cast(Claim | None, get_item(IdentityItem, claim_key(email)))
