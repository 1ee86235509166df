"""Accounts with cheap password hashes, and a fixed clock, so that no test depends on the second at which it runs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import bcrypt
import pytest

from auth import passwords as password_routes
from oms.audit.models import AuditEntry
from oms.core import clock, email_addresses
from oms.core.dynamodb import client, put_item
from oms.identity import passwords
from oms.identity.models import Claim, User, claim_key, email_key, user_key
from tests.support.invocation import Answer, invoke

PASSWORD = "correct horse battery"


class Clock:
    def __init__(self) -> None:
        # In the past, so that independent verifiers, which read the real clock, accept its tokens.
        self.now = (datetime.now(UTC) - timedelta(minutes=5)).replace(second=10, microsecond=0)

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> Clock:
    frozen = Clock()
    monkeypatch.setattr(clock, "now", lambda: frozen.now)
    return frozen


@pytest.fixture(autouse=True)
def _cheap_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets bcrypt's lowest cost, a hundredth of a second a test, unless the test uses `full_cost`."""
    if "full_cost" not in request.fixturenames:
        monkeypatch.setattr(passwords, "COST", 4)
        monkeypatch.setattr(passwords, "UNKNOWN_HASH", b"$2b$04$" + passwords.UNKNOWN_HASH.removeprefix(b"$2b$12$"))


@pytest.fixture
def full_cost() -> None:
    """For tests of bcrypt's cost."""


@pytest.fixture
def account(cloud: None) -> Callable[..., User]:
    """A factory of accounts with the password PASSWORD, hashed at bcrypt's lowest cost.

    With `email_folded` the account and its claim have the form that a version before `emails.canonical` stored.
    """

    def make(email: str = "ada@example.com", **attributes: Any) -> User:
        user_id, folded = clock.random_id(), attributes.pop("email_folded", email_addresses.fold(email))
        hashed = bcrypt.hashpw(passwords.peppered(PASSWORD, "1"), bcrypt.gensalt(4)).decode()
        values = {
            "first_name": "Ada",
            "role": "customer",
            "password_hash": hashed,
            "pepper_version": "1",
            "password_min_length": 15,
        } | attributes
        user = User(
            *user_key(user_id),
            id=user_id,
            email=email if folded != email_addresses.fold(email) else email_addresses.deliverable(email) or email,
            email_folded=folded,
            email_key=email_key(folded, user_id),
            created_at=clock.timestamp(clock.now()),
            **values,
        )
        put_item(user)
        put_item(Claim(*claim_key(folded), user_id=user_id))
        return user

    return make


def log_in(email: str = "ada@example.com", password: str = PASSWORD, **more: Any) -> Answer:
    """Puts `device_token` and `refresh_token_in` into the body and passes all other arguments to `invoke`."""
    body = {"email": email, "password": password}
    body |= {name: more.pop(name) for name in ("device_token", "refresh_token_in") if name in more}
    return invoke(password_routes, "POST", "/api/v1/auth/login", body, **more)


def audit_entries() -> list[AuditEntry]:
    items = client().scan(TableName="audit")["Items"]
    entries = [AuditEntry.from_raw_data(item) for item in items if item["kind"]["S"] == "entry"]
    return sorted(entries, key=lambda entry: str(entry.sk))
