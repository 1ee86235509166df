"""The aggregator, called by hand: it counts the open orders of a shop by their events."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

from aggregator import handler as aggregator
from oms.core.dynamodb import get_item, update_item
from oms.events.envelope import Event
from oms.events.streams import Change
from oms.identity.models import IdentityItem, User, user_key
from oms.orders.states import OPEN
from oms.publishing import registry
from tests.support.database import table
from tests.support.invocation import Context, Person
from tests.support.shop import orders_stored
from tests.support.streams import Record

type QueuedEvent = dict[str, Any]
"""An event, as it is in the queue."""


def order_events(records: Sequence[Record]) -> list[QueuedEvent]:
    """Returns the events of the orders in these records of a stream."""
    events = [event for record in records for event in registry.events_from_change(Change.of(record))]
    return [json.loads(event.text()) for event in events if isinstance(event, Event)]


def aggregate(events: Iterable[Any]) -> list[str]:
    """Delivers these as one batch, and returns the positions of those that failed."""
    records = [
        {"messageId": str(place), "body": it if isinstance(it, str) else json.dumps(it), "eventSource": "aws:sqs"}
        for place, it in enumerate(events)
    ]
    answer = aggregator.lambda_handler({"Records": records}, Context())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def user_of(person: Person) -> User:
    return cast(User, get_item(IdentityItem, user_key(person.id)))


def counted(person: Person) -> int:
    return user_of(person).open_orders


def open_now(person: Person) -> int:
    """Counts the customer's open orders in the table."""
    return sum(order.customer_id == person.id and order.status in OPEN for order in orders_stored())


def forget(*people: Person) -> None:
    """Sets the sums and the counts back to the state before the first event."""
    table("reports").clear()
    for person in people:
        set_count(person, 0)


def set_count(person: Person, number: int) -> None:
    update_item(User(*user_key(person.id)), [User.open_orders.set(number)])
