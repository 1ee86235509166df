"""Webhooks: events become deliveries, and deliveries are attempted, those of slow subscribers apart from the others."""

from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.data import Data, grant, grant_append, grant_in
from infra.events import Events
from infra.functions import DISPATCHER_SECONDS, REPLAYER_SECONDS, SENDER_SECONDS, USERS, Functions
from infra.keys import Keys
from infra.live import live
from infra.queues import queue_with_dead_letters
from infra.stages import Stage

TRIES = 5


class Webhooks(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        data: Data,
        keys: Keys,
        functions: Functions,
        events: Events,
        alarms: Alarms,
    ) -> None:
        super().__init__(scope, construct_id)
        self._alarms = alarms
        events.to_queue(
            "Dispatch",
            functions.dispatcher,
            seconds=DISPATCHER_SECONDS,
            batch_size=10,
            concurrency=stage.dispatch_concurrency,
        )
        at_once, replayed = stage.delivery_concurrency, stage.replay_concurrency
        deliveries = self._queue("Deliveries", functions.sender, SENDER_SECONDS, at_once, late_after=900)
        # It may be long: too many subscribers are slow, or one has too many events.
        slow = self._queue("SlowDeliveries", functions.sender, SENDER_SECONDS, at_once, late_after=4 * 3600)
        replays = self._queue("Replays", functions.replayer, REPLAYER_SECONDS, replayed, late_after=1800)
        for function in (
            functions.webhooks,
            functions.dispatcher,
            functions.sender,
            functions.replayer,
            functions.sweeper,
        ):
            _let_send(function, "OMS_DELIVERY_QUEUE_URL", deliveries)
            _let_send(function, "OMS_SLOW_DELIVERY_QUEUE_URL", slow)
        for function in (functions.webhooks, functions.replayer, functions.sweeper):
            _let_send(function, "OMS_REPLAY_QUEUE_URL", replays)
        # How much waits already: the sweeper holds back then.
        for queue in (deliveries, slow):
            queue.grant(functions.sweeper, "sqs:GetQueueAttributes")
        _grant(functions, data, keys)
        alarms.on(
            "WebhookSecretUnopened",
            alarms.counted("WebhookSecretUnopened", by="sender"),
            threshold=1,
            why="A webhook is sent nothing: the key that encrypted its secret is gone from the secret webhook-keys.",
            see="secret-of-a-webhook",
        )

    def _queue(
        self, name: str, function: lambda_.Function, seconds: int, concurrency: int, *, late_after: int
    ) -> sqs.Queue:
        """A queue of nudges, and `concurrency` of the function at once that it feeds, with one message each."""
        # A message only says "look now"; the sweep says it again.
        queue, _ = queue_with_dead_letters(
            self, name, seconds=seconds, tries=TRIES, days=1, late_after=late_after, alarms=self._alarms
        )
        live(function).add_event_source(
            sources.SqsEventSource(queue, batch_size=1, max_concurrency=concurrency, report_batch_item_failures=True)
        )
        return queue


def _grant(functions: Functions, data: Data, keys: Keys) -> None:
    grant(data.webhooks, functions.dispatcher, "Query", "PutItem")
    grant(data.webhooks, functions.sender, "GetItem", "UpdateItem")
    # An end that the system makes of a subscription has its entry, in its transaction.
    grant_append(data.audit, functions.sender, ["PutItem"])
    grant(data.webhooks, functions.replayer, "GetItem", "Query", "UpdateItem", "DeleteItem")
    # It takes away replays that fail at every try.
    grant(data.webhooks, functions.sweeper, "Query", "DeleteItem")
    # Whether a subscription's creator may see events of users.
    for function in (functions.dispatcher, functions.sender):
        grant_in(data.identity, function, ["BatchGetItem"], partitions=[USERS])
    keys.grant(keys.webhooks, functions.sender)


def _let_send(function: lambda_.Function, setting: str, queue: sqs.Queue) -> None:
    queue.grant(function, "sqs:SendMessage")
    function.add_environment(setting, queue.queue_url)
