"""The aggregator, which adds up the sums of reports, and its queue of events of orders and users."""

from aws_cdk import aws_events
from constructs import Construct

from infra.data import Data, grant, grant_in
from infra.events import Events
from infra.functions import AGGREGATOR_SECONDS, USERS, Functions
from infra.stages import Stage


class Aggregates(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, data: Data, functions: Functions, events: Events
    ) -> None:
        super().__init__(scope, construct_id)
        aggregator = functions.aggregator
        events.to_queue(
            "Aggregates",
            aggregator,
            timeout_seconds=AGGREGATOR_SECONDS,
            batch_size=100,
            concurrency=stage.aggregate_concurrency,
            late_after_seconds=3600,
            types=aws_events.Match.any_of(aws_events.Match.prefix("order."), ["user.registered", "user.role_changed"]),
        )
        # The aggregator counts open orders in one attribute of existing users.
        grant_in(data.identity, aggregator, ["UpdateItem"], partitions=[USERS], attributes=["pk", "sk", "open_orders"])
        grant(data.reports, aggregator, "BatchGetItem", "PutItem", "UpdateItem")
