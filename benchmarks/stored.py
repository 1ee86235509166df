"""Items of the tables, for the benchmarks and the simulations. They are stored by the caller."""

from datetime import datetime
from typing import Any

from oms.core import clock
from oms.identity.models import User, email_key, user_key
from oms.webhooks import secret_encryption
from oms.webhooks.models import Subscription
from oms.webhooks.signature import new_secret


def new_user(user_id: str, role: str, created_at: datetime, **further: Any) -> User:
    """Returns a user with a verified address."""
    email = f"{user_id.lower()}@shop.example"
    return User(
        *user_key(user_id),
        id=user_id,
        email=email,
        email_folded=email,
        email_key=email_key(email, user_id),
        email_verified=True,
        first_name="Ada",
        role=role,
        created_at=clock.timestamp(created_at),
        **further,
    )


def new_subscription(number: int, url: str, created_at: datetime) -> Subscription:
    """Returns a subscription to all events of orders. Its id follows from its number."""
    name, at = f"S{number:019d}", clock.timestamp(created_at)
    return Subscription(
        *Subscription.key(name),
        id=name,
        url=url,
        events=["order.*"],
        status="active",
        secret=secret_encryption.encrypt(new_secret(), subscription_id=name),
        pace="quick",
        version=1,
        created_at=at,
        updated_at=at,
        created_by="admin",
        updated_by="admin",
        updated_by_role="admin",
    )
