"""The subscriptions that receive an event: their patterns match its type, and their creator may see it."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from oms.core.dynamodb import batch_get, query_raw
from oms.core.pages import HIGHEST, LOWEST
from oms.events.patterns import matches
from oms.events.types import EVENT_TYPES
from oms.identity.models import User, user_key
from oms.webhooks.models import Subscription


def all_subscriptions() -> list[Subscription]:
    partition, _ = Subscription.key("")
    return [Subscription.from_raw_data(raw) for raw in query_raw(Subscription, partition, LOWEST, HIGHEST)]


def active_admins(user_ids: Iterable[str]) -> set[str]:
    """Returns the ids of these users that are active admins now."""
    users = batch_get(User, [user_key(user_id) for user_id in set(user_ids)])
    return {user.id for user in users.values() if user.is_active_admin}


class SubscriptionMatcher:
    """A matcher of events with subscriptions. It reads their creators once, for a batch of events."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self._subscriptions = subscriptions

    def of(self, event_type: str) -> list[Subscription]:
        """Returns the subscriptions that receive events of this type."""
        return [
            it
            for it in self._subscriptions
            if matches(map(str, it.events), event_type) and self.may_have(it, event_type)
        ]

    def may_have(self, subscription: Subscription, event_type: str) -> bool:
        """Whether the creator may see events of this type. Events of users are only for active admins."""
        known = EVENT_TYPES.get(event_type)
        is_for_all = known is not None and not known.for_admins
        return is_for_all or subscription.created_by in self._admins

    @cached_property
    def _admins(self) -> set[str]:
        return active_admins(it.created_by for it in self._subscriptions)
