"""A simulation of webhooks: a clock that only the test moves, queues that follow it, and subscribers."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from dispatcher import handler as dispatcher
from oms.audit import audit_log as audit
from oms.core import clock
from oms.core.settings import settings
from oms.webhooks import deliveries, replay
from oms.webhooks.models import Delivery, Replay, Subscription
from oms.webhooks.post import NoResponseError, PostResponse
from oms.webhooks.targets import Target
from sender import handler as sender
from sweeper import handler as sweeper
from sweeper import replays
from tests.support import webhooks
from tests.support.database import DATABASE, table
from tests.support.invocation import Context
from tests.support.webhooks import an_event

DISPATCH = "https://sqs.eu-central-1.amazonaws.com/123456789012/dispatch"
QUICK = settings().delivery_queue_url
SLOW = settings().slow_delivery_queue_url
REPLAYS = settings().replay_queue_url
FUNCTIONS: dict[str, ModuleType] = {DISPATCH: dispatcher, QUICK: sender, SLOW: sender, REPLAYS: replays}
VISIBILITY = timedelta(seconds=360)
TRIES = 5


def subscribe(*events: str, **fields: Any) -> Subscription:
    """As `webhooks.subscribe`, each with its own host."""
    return webhooks.subscribe(*events, **({"url": f"https://{clock.random_id().lower()}.example/orders"} | fields))


def host(subscription: Subscription) -> str:
    return str(urlsplit(subscription.url).hostname)


def raw_webhook_items() -> list[dict[str, Any]]:
    return table("webhooks").items()


def deliveries_of(subscription: Subscription) -> list[Delivery]:
    """Returns the deliveries in the order of their events."""
    own = f"sub#{subscription.id}"
    items = [it for it in raw_webhook_items() if f"{it['pk']['S']}#".startswith(f"{own}#")]
    items = [it for it in items if it["kind"]["S"] == "delivery"]
    return sorted((Delivery.from_raw_data(it) for it in items), key=lambda it: it.id)


def delivery_of(subscription: Subscription) -> Delivery:
    (found,) = deliveries_of(subscription)
    return found


@dataclass
class Post:
    """One request to a subscriber."""

    host: str
    at: datetime
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


type Behaviour = Callable[[], PostResponse]


def answering(status: int, *, retry_after: str | None = None, body: bytes = b"") -> Behaviour:
    return lambda: PostResponse(status, retry_after, body)


def silent() -> PostResponse:
    raise NoResponseError("no response within 15 s")


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Behaves in this order, one for each request; the last one stays."""
    left = list(behaviours)
    return lambda: (left.pop(0) if len(left) > 1 else left[0])()


@dataclass
class Message:
    at: datetime
    body: str
    tries: int = 0
    group: str | None = None


_NEVER = datetime.max.replace(tzinfo=UTC)
_LAST = _NEVER - timedelta(days=1)
_NOTHING = Message(_NEVER, "")


@dataclass
class WebhookSimulation:
    """Work is done by `run`, `sweep` and `handle` alone. A message whose function fails or dies is delivered again when
    its visibility ends, five times in total.

    The queues answer below the fault injector, so that its plans see the calls to them.
    """

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    # The time that a subscriber takes to answer, in seconds.
    takes: dict[str, float] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)
    queues: dict[str, list[Message]] = field(default_factory=lambda: defaultdict(list))
    dead: list[Message] = field(default_factory=list)
    # Queues with many waiting messages; or with many in flight, as each of their messages fails.
    deep: set[str] = field(default_factory=set)
    in_flight: set[str] = field(default_factory=set)
    monotonic: float = 0.0
    _swept: datetime = datetime(2025, 1, 1, tzinfo=UTC)

    # ---- for the code under test ------------------------------------------------------------------------------------

    def post(self, target: Target, body: bytes, headers: Mapping[str, str], *, private: bool) -> PostResponse:
        assert not private
        self.posts.append(Post(target.host, self.now, headers, body))
        self.monotonic += self.takes.get(target.host, 0.1)
        return self.behaviours.get(target.host, answering(200))()

    def answer(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Answers as SQS."""
        url = parameters["QueueUrl"]
        if operation == "GetQueueAttributes":
            counts = {
                "ApproximateNumberOfMessages": "991" if url in self.deep else "990",
                "ApproximateNumberOfMessagesNotVisible": "991" if url in self.in_flight else "10",
            }
            return {"Attributes": {name: counts[name] for name in parameters["AttributeNames"]}}
        for entry in parameters.get("Entries", [parameters]):
            at = self.now + timedelta(seconds=entry.get("DelaySeconds", 0))
            self.queues[url].append(Message(at, entry["MessageBody"], group=entry.get("MessageGroupId")))
        return {"Successful": [], "Failed": []}

    # ---- for tests --------------------------------------------------------------------------------------------------

    def publish(self, *events: dict[str, Any]) -> None:
        """Puts events into the dispatcher's queue, as the bus does."""
        for event in events:
            self.queues[DISPATCH].append(Message(self.now, json.dumps(event, ensure_ascii=False)))

    def messages(self, url: str = QUICK) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self.queues[url]]

    def posts_to(self, subscription: Subscription) -> list[Post]:
        return [post for post in self.posts if post.host == host(subscription)]

    def run(self, until: datetime | None = None) -> None:
        """Processes all messages and sweeps at their times, until none is left or until that time."""
        while True:
            sweep = self._next_sweep() or _NEVER
            url, message = min(self._arriving(), key=lambda it: it[1].at, default=("", _NOTHING))
            moment = min(sweep, message.at)
            if moment > (until or _LAST):
                break
            self.now = max(self.now, moment)
            if moment == sweep:
                self._swept = moment
                self.sweep()
            else:
                self._take(url, message)
        if until is not None:
            self.now = until

    def rewinding(self) -> Callable[[], None]:
        """Returns a function that restores the current state, except the behaviour of subscribers, each time it is
        called.
        """
        mark, queues, posts, now, swept = (
            DATABASE.snapshot(),
            deepcopy(self.queues),
            [*self.posts],
            self.now,
            self._swept,
        )

        def rewind() -> None:
            DATABASE.restore(mark)
            self.queues, self.posts, self.now, self._swept = deepcopy(queues), [*posts], now, swept
            self.dead.clear()

        return rewind

    def sweep(self) -> None:
        sweeper.lambda_handler({}, Context())

    def handle(self, url: str, *contents: Any) -> list[str]:
        """Delivers messages to the function of a queue, as one batch; returns the ids (their places) of those that
        failed.
        """
        records = [
            {
                "messageId": str(place),
                "body": it if isinstance(it, str) else json.dumps(it),
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{url.rpartition('/')[2]}",
            }
            for place, it in enumerate(contents)
        ]
        answer = FUNCTIONS[url].lambda_handler({"Records": records}, Context())
        return [it["itemIdentifier"] for it in answer["batchItemFailures"]]

    def _take(self, url: str, message: Message) -> None:
        message.at = self.now + VISIBILITY
        message.tries += 1
        finished = not self.handle(url, message.body)
        if finished or message.tries == TRIES:
            self.queues[url].remove(message)
        if not finished and message.tries == TRIES:
            self.dead.append(message)

    def _arriving(self) -> list[tuple[str, Message]]:
        return [(url, message) for url in FUNCTIONS for message in self.queues[url]]

    def _next_sweep(self) -> datetime | None:
        """Returns the first full minute after the last sweep at which a delivery is more than two minutes overdue."""
        items = table("webhooks").items()
        due = min((int(it["due_at"]["N"]) for it in items if "due_at" in it), default=None)
        if due is None:
            return None
        overdue = datetime.fromtimestamp(due / 1000, UTC) + timedelta(minutes=2)
        start = max(overdue, self._swept)
        return start.replace(second=0, microsecond=0) + timedelta(minutes=1)


def begun(
    simulation: WebhookSimulation, *behaviours: Behaviour, event_type: str = "order.created", **fields: Any
) -> Subscription:
    """Creates a subscription with one delivery that was stored and triggered, but not sent."""
    subscription = subscribe(**fields)
    if behaviours:
        simulation.behaviours[host(subscription)] = in_turn(*behaviours)
    event = an_event(event_type)
    deliveries.send_trigger(
        [
            (
                subscription,
                deliveries.create(
                    subscription,
                    event_id=event["id"],
                    event_type=event["type"],
                    body=json.dumps(event, ensure_ascii=False),
                ),
            )
        ]
    )
    return subscription


def one_attempt(simulation: WebhookSimulation, url: str = QUICK) -> None:
    """Delivers the one trigger of the queue."""
    (message,) = simulation.queues.pop(url)
    simulation.now = max(simulation.now, message.at)
    assert simulation.handle(url, message.body) == []


def start_replay(subscription: Subscription, since: datetime, until: datetime, *, only_failed: bool = False) -> Replay:
    entry = audit.entry("webhook.replayed", actor_id="somebody", address=None, target=f"webhook#{subscription.id}")
    return replay.start(subscription, since=since, until=until, only_failed=only_failed, entry=entry)
