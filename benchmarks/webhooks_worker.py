"""A worker of the benchmark of webhooks: the sender or the dispatcher, called with the events of their queues."""

import argparse
import itertools
import json
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmarks.oms_worker import ROOT, Context
from benchmarks.turns import Prepare, protocol, serve

if TYPE_CHECKING:
    from oms.webhooks.models import Delivery, Subscription

BATCH = 10  # of the dispatcher's queue, in the template
_SAMPLE = ROOT / "events" / "order.created.sample.json"


def new_event(number: int) -> dict[str, Any]:
    """Returns an event of the current time, of an order of two products: the sample of `events/` with one more."""
    from oms.core import clock
    from oms.events.envelope import event_id

    event: dict[str, Any] = json.loads(_SAMPLE.read_text())
    event["occurred_at"] = clock.timestamp(clock.now())
    event["id"] = event_id(event["type"], event["occurred_at"], f"order-{number}", 1)
    event["data"]["items"] *= 2
    return event


def batch(queue: str, bodies: Sequence[str]) -> dict[str, Any]:
    """Returns the event of a batch of messages, as Lambda receives it from SQS."""
    return {
        "Records": [
            {
                "messageId": f"059f36b4-87a3-44ab-83d2-{number:012d}",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a" * 4,
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1545082649183",
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": "1545082649185",
                },
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{queue}",
                "awsRegion": "eu-central-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def invocation(handler: ModuleType, event: dict[str, Any]) -> Callable[[], None]:
    """Returns a call that sends the event to the function, all of whose messages must succeed."""

    def invoke() -> None:
        assert handler.lambda_handler(event, Context()) == {"batchItemFailures": []}

    return invoke


def subscribe(number: int, url: str) -> "Subscription":
    """Stores a subscription, the same for each number."""
    from benchmarks.stored import new_subscription
    from oms.core import clock
    from oms.core.dynamodb import put_item

    subscription = new_subscription(number, url, clock.now())
    put_item(subscription)
    return subscription


class Sending:
    """The operations of the sender: an attempt at a new delivery to one URL each."""

    def __init__(self, urls: Sequence[str]) -> None:
        from sender import handler

        self._handler = handler
        self._numbers = itertools.count()
        self._sent: list[Delivery] = []
        self.operations: dict[str, Prepare] = {
            url: self._attempts_of(subscribe(number, url)) for number, url in enumerate(urls)
        }

    def _attempts_of(self, subscription: "Subscription") -> Prepare:
        def prepare(number: int) -> list[Callable[[], None]]:
            self._check_sent()
            self._sent = [self._new_delivery(subscription) for _ in range(number)]
            return [invocation(self._handler, batch("delivery", [self._trigger(it)])) for it in self._sent]

        return prepare

    def _new_delivery(self, subscription: "Subscription") -> "Delivery":
        from oms.webhooks import deliveries

        event = new_event(next(self._numbers))
        return deliveries.create(
            subscription, event_id=event["id"], event_type=event["type"], body=json.dumps(event, ensure_ascii=False)
        )

    def _trigger(self, delivery: "Delivery") -> str:
        from oms.core import clock
        from oms.webhooks.deliveries import Trigger

        return json.dumps(Trigger.of(delivery).message(clock.now()).content)

    def _check_sent(self) -> None:
        """Checks the deliveries of the block before: each was delivered at its only attempt."""
        from oms.core.dynamodb import get_item
        from oms.webhooks.models import Delivery

        for sent in self._sent:
            stored = get_item(Delivery, (sent.pk, sent.sk))
            assert stored, sent.id
            assert (stored.status, stored.attempt_count) == ("delivered", 1), stored.attempts[-1].error


class Dispatching:
    """The operations of the dispatcher: a full batch of events, each for that number of subscriptions."""

    def __init__(self, numbers: Sequence[int]) -> None:
        from dispatcher import handler

        self._handler = handler
        self._numbers = itertools.count()
        self._stored: list[Subscription] = []
        self.operations: dict[str, Prepare] = {f"{number}": self._batches_for(number) for number in numbers}

    def _batches_for(self, subscriptions: int) -> Prepare:
        def prepare(number: int) -> list[Callable[[], None]]:
            self._store(subscriptions)
            return [invocation(self._handler, batch("dispatch", self._events())) for _ in range(number)]

        return prepare

    def _store(self, number: int) -> None:
        from oms.core.dynamodb import delete_item

        for surplus in self._stored[number:]:
            delete_item(surplus)
        del self._stored[number:]
        for missing in range(len(self._stored), number):
            self._stored.append(subscribe(missing, "https://hooks.example/orders"))

    def _events(self) -> list[str]:
        return [json.dumps(new_event(next(self._numbers)), ensure_ascii=False) for _ in range(BATCH)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", nargs="+", default=[], help="send to these receivers")
    parser.add_argument("--subscriptions", nargs="+", type=int, default=[], help="dispatch to that many, each")
    arguments = parser.parse_args()
    pipe = protocol()
    from oms.core.secret_store import secrets_client
    from oms.core.settings import settings
    from tests.support.tables import create_tables

    create_tables()
    secrets_client().put_secret_value(SecretId=settings().webhook_keys_secret, SecretString=json.dumps({"1": "w" * 64}))
    serve(
        pipe, Sending(arguments.urls).operations if arguments.urls else Dispatching(arguments.subscriptions).operations
    )


if __name__ == "__main__":
    main()
