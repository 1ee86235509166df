"""Mail: the notifier with its queues, the sender's address, and the rules and alarms of SES."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ses as ses
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.events import INTERNAL_SOURCE, SOURCE, Events
from infra.functions import NOTIFIER_SECONDS, Functions
from infra.stages import Stage

TYPES = (
    "order.created",
    "order.confirmed",
    "order.shipped",
    "order.cancelled",
    "order.expired",
    "user.registered",
    "user.locked",
    "user.role_changed",
    # A changed password. It is an internal message, since other systems must not receive it.
    "password.mail",
    # A requested change of an address: one message for the new and one for the old address.
    "email-change.mail",
    "webhook.disabled",
    # One message for each recipient of a scheduled report, because the report's event has no recipients.
    "report.mail",
)
REQUESTS = ("mail.requested",)
# One hour in total, since no customer waits longer for a new password.
MAX_TRIES = 10
# Mistyped addresses of customers are fewer, so this number has another cause.
MAX_UNDELIVERABLE_PER_HOUR = 10
# The tag that SES gives each message.
CONFIGURATION_SET = "ses:configuration-set"
# SES reviews an account at these rates. At twice the bounces or five times the complaints, it may stop all mail:
# https://docs.aws.amazon.com/ses/latest/dg/faqs-enforcement.html
BOUNCE_RATE = 0.05
COMPLAINT_RATE = 0.001


class Mail(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        functions: Functions,
        events: Events,
        alarms: Alarms,
    ) -> None:
        super().__init__(scope, construct_id)
        self._functions = functions
        # A separate queue, so that password mails do not wait for the mails of orders. They are rare, so two at once
        # are enough.
        for name, sources, types, concurrency, late_after_seconds in (
            ("Mail", (SOURCE, INTERNAL_SOURCE), TYPES, stage.mail_concurrency, 1800),
            ("MailRequests", (INTERNAL_SOURCE,), REQUESTS, 2, 900),
        ):
            events.to_queue(
                name,
                functions.notifier,
                timeout_seconds=NOTIFIER_SECONDS,
                batch_size=1,  # each failed mail is retried separately
                types=types,
                sources=sources,
                concurrency=concurrency,
                max_tries=MAX_TRIES,
                late_after_seconds=late_after_seconds,
            )
        # Some regions have no SES: https://docs.aws.amazon.com/general/latest/gr/ses.html
        if stage.mail_from:
            name = self._send_from(stage.mail_from, stage)
            _add_alarms(alarms, name)

    def _send_from(self, mail_from: str, stage: Stage) -> str:
        """Adds the configuration set, and returns its name.

        With it, SES sends no mail to an address that bounced or complained, regardless of the account's own setting.
        """
        name = f"oms-{stage.name}"
        configuration_set = ses.ConfigurationSet(
            self,
            "Suppressing",
            configuration_set_name=name,
            suppression_reasons=ses.SuppressionReasons.BOUNCES_AND_COMPLAINTS,
            reputation_metrics=True,
        )
        configuration_set.add_event_destination(
            "Counts",
            destination=ses.EventDestination.cloud_watch_dimensions(
                [
                    ses.CloudWatchDimension(
                        source=ses.CloudWatchDimensionSource.MESSAGE_TAG, name=CONFIGURATION_SET, default_value=name
                    )
                ]
            ),
            events=[ses.EmailSendingEvent.BOUNCE, ses.EmailSendingEvent.COMPLAINT, ses.EmailSendingEvent.REJECT],
        )
        self._functions.notifier.add_environment("OMS_MAIL_CONFIGURATION_SET", configuration_set.configuration_set_name)
        self._grant_send(mail_from, stage)
        return name

    def _grant_send(self, mail_from: str, stage: Stage) -> None:
        """Allows SendEmail on the configuration set and on the verified identity, both of which SES checks.

        The identity is the address, its domain or a parent domain.
        """
        labels = mail_from.rpartition("@")[2].split(".")
        identities = [mail_from, *(".".join(labels[start:]) for start in range(len(labels) - 1))]
        if stage.name == "dev":
            # In the sandbox, SES also checks the identity of the recipient, which can be any verified one.
            identities = ["*"]
            self._acknowledge_any_identity()
        granted = [*(("identity", identity) for identity in identities), ("configuration-set", f"oms-{stage.name}")]
        self._functions.notifier.add_to_role_policy(
            iam.PolicyStatement(
                actions=["ses:SendEmail"],
                resources=[
                    cdk.Stack.of(self).format_arn(service="ses", resource=resource, resource_name=name)
                    for resource, name in granted
                ],
                conditions={"StringEquals": {"ses:FromAddress": mail_from}},
            )
        )

    def _acknowledge_any_identity(self) -> None:
        assert self._functions.notifier.role
        acknowledge(
            self._functions.notifier.role,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ses:<AWS::Region>:<AWS::AccountId>:identity/*]",
            "In the sandbox of SES, each recipient is a verified identity. The sender is the stage's address alone.",
        )


def _add_alarms(alarms: Alarms, configuration_set: str) -> None:
    """Adds the alarms of a stage that sends mail."""
    for name, threshold, why in (
        ("MailUnknown", 1, "SES gave no clear answer to a mail. It may have been sent, so it is not sent again."),
        ("MailRefused", 1, "SES rejects mails. Check that the sender is verified and that SES is out of its sandbox."),
        ("MailUnverifiedAtLimit", 1, "The mails to unverified addresses reached the daily limit of all users."),
        ("MailUndeliverable", MAX_UNDELIVERABLE_PER_HOUR, "SES reported many addresses to which it cannot send mail."),
    ):
        metric = alarms.counted(name, by="notifier")
        within = metric.with_(period=cdk.Duration.hours(1)) if threshold > 1 else metric
        alarms.on(name, within, threshold=threshold, why=why, see="mail")
    for name, metric_name, rate, predicate in (
        ("MailBounces", "Reputation.BounceRate", BOUNCE_RATE, "bounce"),
        ("MailComplaints", "Reputation.ComplaintRate", COMPLAINT_RATE, "are marked as spam by their recipients"),
    ):
        metric = cloudwatch.Metric(
            namespace="AWS/SES",
            metric_name=metric_name,
            dimensions_map={CONFIGURATION_SET: configuration_set},
            statistic=cloudwatch.Stats.MAXIMUM,
            period=cdk.Duration.hours(1),
        )
        why = f"{rate:.1%} of the mails {predicate}. SES stops accounts whose rate does not fall."
        alarms.on(name, metric, threshold=rate, why=why, see="bounces-and-complaints", ends=True)
