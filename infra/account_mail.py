"""Mails of accounts: the notifier on the identity table's stream, and the address that it may send from."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.data import Data
from infra.functions import Functions
from infra.stages import Stage
from infra.stock_book import MOST_RETRIES, RETRY_HOURS

# New items of these kinds may ask for a mail.
KINDS = ("user", "mail-request")


class AccountMail(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        data: Data,
        functions: Functions,
        alarms: Alarms,
    ) -> None:
        super().__init__(scope, construct_id)
        notifier = functions.notifier
        self.poison = sqs.Queue(self, "Poison", retention_period=cdk.Duration.days(14), enforce_ssl=True)
        acknowledge(self.poison, "AwsSolutions-SQS3", "It is where others' failures end: nothing consumes it.")
        self.poison.grant_send_messages(notifier)
        notifier.add_environment("OMS_POISON_QUEUE_URL", self.poison.queue_url)
        notifier.add_event_source(
            sources.DynamoEventSource(
                data.identity,
                starting_position=lambda_.StartingPosition.TRIM_HORIZON,
                # Few at a time: each is a call to SES, and a batch that fails comes again whole.
                batch_size=10,
                parallelization_factor=4,
                filters=[
                    lambda_.FilterCriteria.filter(
                        {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": [kind]}}}}
                    )
                    for kind in KINDS
                ],
                bisect_batch_on_error=True,
                retry_attempts=MOST_RETRIES,
                max_record_age=cdk.Duration.hours(RETRY_HOURS),
                on_failure=sources.SqsDlq(self.poison),
            )
        )
        if stage.mail_from:
            self._grant_send(notifier, stage.mail_from)
        alarms.on_poison("Notifier", self.poison)
        alarms.on_stream_age("Notifier", notifier)
        for name, why in (
            ("MailUnknown", "Nobody knows whether a mail went out; it is not sent again."),
            ("MailRefused", "SES refused a mail for good: is the sender verified, and the account out of the sandbox?"),
        ):
            metric = cloudwatch.Metric(
                namespace="Oms",
                metric_name=name,
                dimensions_map={"service": "notifier"},
                statistic=cloudwatch.Stats.SUM,
            )
            alarms.on(name, metric, threshold=1, why=why)

    def _grant_send(self, notifier: lambda_.Function, mail_from: str) -> None:
        """SES checks the identity that is verified: the address's own, or its domain's."""
        identities = (mail_from, mail_from.rpartition("@")[2])
        notifier.add_to_role_policy(
            iam.PolicyStatement(
                actions=["ses:SendEmail"],
                resources=[
                    cdk.Stack.of(self).format_arn(service="ses", resource="identity", resource_name=name)
                    for name in identities
                ],
                conditions={"StringEquals": {"ses:FromAddress": mail_from}},
            )
        )
