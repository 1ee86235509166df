"""Webhooks: the queues and permissions of the dispatcher, the sender and the replayer.

Deliveries to slow subscribers have a separate queue.
"""

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

MAX_TRIES = 5


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
            timeout_seconds=DISPATCHER_SECONDS,
            batch_size=10,
            concurrency=stage.dispatch_concurrency,
        )
        concurrency = stage.delivery_concurrency
        deliveries = self._queue("Deliveries", functions.sender, SENDER_SECONDS, concurrency, late_after_seconds=900)
        # This queue can have a long backlog, if many subscribers are slow or one of them has many events.
        slow = self._queue("SlowDeliveries", functions.sender, SENDER_SECONDS, concurrency, late_after_seconds=4 * 3600)
        replays = self._queue(
            "Replays", functions.replayer, REPLAYER_SECONDS, stage.replay_concurrency, late_after_seconds=1800
        )
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
        # The sweeper triggers fewer deliveries when the backlog is long.
        for queue in (deliveries, slow):
            queue.grant(functions.sweeper, "sqs:GetQueueAttributes")
        _grant(functions, data, keys)
        alarms.on(
            "WebhookSecretUnopened",
            alarms.counted("WebhookSecretUnopened", by="sender"),
            threshold=1,
            why="A webhook gets no deliveries: webhook-keys no longer has the key that encrypted the webhook's secret.",
            see="secret-of-a-webhook",
        )

    def _queue(
        self, name: str, function: lambda_.Function, timeout_seconds: int, concurrency: int, *, late_after_seconds: int
    ) -> sqs.Queue:
        """Returns a queue of triggers. The function processes each trigger alone, up to `concurrency` at once."""
        queue, _ = queue_with_dead_letters(
            self,
            name,
            timeout_seconds=timeout_seconds,
            max_tries=MAX_TRIES,
            # A lost trigger has no data, and the sweep sends another one.
            retention_days=1,
            late_after_seconds=late_after_seconds,
            alarms=self._alarms,
        )
        live(function).add_event_source(
            sources.SqsEventSource(queue, batch_size=1, max_concurrency=concurrency, report_batch_item_failures=True)
        )
        return queue


def _grant(functions: Functions, data: Data, keys: Keys) -> None:
    # A delivery is looked up in the shards in which it may be.
    grant(data.webhooks, functions.dispatcher, "Query", "PutItem", "BatchGetItem")
    grant(data.webhooks, functions.sender, "GetItem", "UpdateItem")
    # The transaction in which the system disables a subscription adds an audit entry.
    grant_append(data.audit, functions.sender, ["PutItem"])
    grant(data.webhooks, functions.replayer, "GetItem", "Query", "UpdateItem", "DeleteItem")
    # The sweeper deletes replays that failed at every attempt.
    grant(data.webhooks, functions.sweeper, "Query", "DeleteItem")
    # The functions check that a subscription's creator may still read events of users.
    for function in (functions.dispatcher, functions.sender):
        grant_in(data.identity, function, ["BatchGetItem"], partitions=[USERS])
    keys.grant(keys.webhooks, functions.sender)


def _let_send(function: lambda_.Function, setting: str, queue: sqs.Queue) -> None:
    queue.grant(function, "sqs:SendMessage")
    function.add_environment(setting, queue.queue_url)
