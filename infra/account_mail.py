"""Mails of accounts: the notifier on the identity table's stream, and the address that it may send from."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.data import Data
from infra.functions import Functions
from infra.stages import Stage
from infra.streams import Stream, StreamConsumer

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
        StreamConsumer(
            self,
            "Notifier",
            streams=[
                Stream(
                    data.identity,
                    filters=[
                        {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": [kind]}}}} for kind in KINDS
                    ],
                )
            ],
            function=notifier,
            # Few at a time: each is a call to SES, and a batch that fails comes again whole.
            batch_size=10,
            alarms=alarms,
        )
        if stage.mail_from:
            self._grant_send(notifier, stage.mail_from)
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
        """SES checks the identity that is verified (the address, its domain or one above that) and the configuration
        set that it may have by default.
        """
        labels = mail_from.rpartition("@")[2].split(".")
        domains = [".".join(labels[start:]) for start in range(len(labels) - 1)]
        granted = [("identity", name) for name in (mail_from, *domains)] + [("configuration-set", "*")]
        notifier.add_to_role_policy(
            iam.PolicyStatement(
                actions=["ses:SendEmail"],
                resources=[
                    cdk.Stack.of(self).format_arn(service="ses", resource=resource, resource_name=name)
                    for resource, name in granted
                ],
                conditions={"StringEquals": {"ses:FromAddress": mail_from}},
            )
        )
        assert notifier.role is not None  # it was given one
        acknowledge(
            notifier.role,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ses:<AWS::Region>:<AWS::AccountId>:configuration-set/*]",
            "An operator may give the identity any configuration set of the account; the sender is fixed by condition.",
        )
