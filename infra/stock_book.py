"""The stock book: the bookkeeper on the inventory table's stream."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.data import Data
from infra.functions import Functions

# The stream keeps a record for 24 hours: until shortly before, a batch that fails comes again.
RETRY_HOURS = 23
MOST_RETRIES = 10_000


class StockBook(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, data: Data, functions: Functions, alarms: Alarms
    ) -> None:
        super().__init__(scope, construct_id)
        bookkeeper = functions.bookkeeper
        self.poison = sqs.Queue(self, "Poison", retention_period=cdk.Duration.days(14), enforce_ssl=True)
        acknowledge(self.poison, "AwsSolutions-SQS3", "It is where others' failures end: nothing consumes it.")
        self.poison.grant_send_messages(bookkeeper)
        bookkeeper.add_environment("OMS_POISON_QUEUE_URL", self.poison.queue_url)
        stock_items = {"dynamodb": {"Keys": {"sk": {"S": lambda_.FilterRule.is_equal("stock")}}}}
        bookkeeper.add_event_source(
            sources.DynamoEventSource(
                data.inventory,
                # From the first record: what was written before the mapping was there belongs to the book too.
                starting_position=lambda_.StartingPosition.TRIM_HORIZON,
                batch_size=100,
                # Several batches of a shard at once; those of one stock item stay in order.
                parallelization_factor=4,
                filters=[lambda_.FilterCriteria.filter(stock_items)],
                bisect_batch_on_error=True,
                retry_attempts=MOST_RETRIES,
                max_record_age=cdk.Duration.hours(RETRY_HOURS),
                # After the last retry. What the function sets aside itself goes there with its images.
                on_failure=sources.SqsDlq(self.poison),
            )
        )
        alarms.on_poison("Bookkeeper", self.poison)
        alarms.on_stream_age("Bookkeeper", bookkeeper)
