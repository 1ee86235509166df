"""Mail: the notifier behind its queue, the address that it may send from, and what SES is to keep to."""

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
    # That a password is another one: no event, since no other system is to hear of it.
    "password.mail",
    "webhook.disabled",
    # To each recipient of a scheduled report: the event of it names none.
    "report.mail",
)
REQUESTS = ("mail.requested",)
# An hour: no customer waits longer for a new password.
TRIES = 10
# Customers mistype their addresses now and then; this number in an hour has another cause.
UNDELIVERABLE_AN_HOUR = 10
# The tag that SES itself gives each message.
CONFIGURATION_SET = "ses:configuration-set"
# Where SES looks at an account; at the double of bounces, or five times the complaints, it may stop all mail:
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
        # A new password does not wait behind the mails of a day's orders. They are seldom asked for: two at once do.
        for name, source, types, concurrency, late_after in (
            ("Mail", (SOURCE, INTERNAL_SOURCE), TYPES, stage.mail_concurrency, 1800),
            ("MailRequests", (INTERNAL_SOURCE,), REQUESTS, 2, 900),
        ):
            events.to_queue(
                name,
                functions.notifier,
                seconds=NOTIFIER_SECONDS,
                batch_size=1,  # what fails comes again by its own time
                types=types,
                of=source,
                concurrency=concurrency,
                tries=TRIES,
                late_after=late_after,
            )
        # Some regions have no SES: https://docs.aws.amazon.com/general/latest/gr/ses.html
        if stage.mail_from:
            name = self._send_from(stage.mail_from, stage)
            _add_alarms(alarms, name)

    def _send_from(self, mail_from: str, stage: Stage) -> str:
        """The name of the configuration set, by which an address that bounced or complained gets no more mail,
        whatever the account's own list says.
        """
        name = f"oms-{stage.name}"
        kept_to = ses.ConfigurationSet(
            self,
            "Suppressing",
            configuration_set_name=name,
            suppression_reasons=ses.SuppressionReasons.BOUNCES_AND_COMPLAINTS,
            reputation_metrics=True,
        )
        kept_to.add_event_destination(
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
        self._functions.notifier.add_environment("OMS_MAIL_CONFIGURATION_SET", kept_to.configuration_set_name)
        self._grant_send(mail_from, stage)
        return name

    def _grant_send(self, mail_from: str, stage: Stage) -> None:
        """SES checks the identity that is verified (the address, its domain or one above that) and the set."""
        labels = mail_from.rpartition("@")[2].split(".")
        identities = [mail_from, *(".".join(labels[start:]) for start in range(len(labels) - 1))]
        if stage.name == "dev":
            # In the sandbox it also checks the identity of the recipient, which has to be verified: any of them.
            identities = ["*"]
            self._acknowledge_any_identity()
        granted = [*(("identity", it) for it in identities), ("configuration-set", f"oms-{stage.name}")]
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
            "Recipients in the sandbox of SES, each verified there; the sender is the stage's address alone.",
        )


def _add_alarms(alarms: Alarms, configuration_set: str) -> None:
    """Only where mail is sent: a stage without `mail_from` has chosen to send none."""
    for name, threshold, why in (
        ("MailUnknown", 1, "SES gave no clear answer to a mail, so it may have gone out; it is not sent again."),
        ("MailRefused", 1, "SES refuses mails: is the sender verified, and the account out of the sandbox?"),
        ("MailUnverifiedAtLimit", 1, "Mails to addresses that are not verified reached the day's limit of all users."),
        ("MailUndeliverable", UNDELIVERABLE_AN_HOUR, "SES says of many addresses that they take no mail."),
    ):
        metric = alarms.counted(name, by="notifier")
        within = metric.with_(period=cdk.Duration.hours(1)) if threshold > 1 else metric
        alarms.on(name, within, threshold=threshold, why=why, see="mail")
    for name, metric_name, rate, what in (
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
        why = f"{rate:.1%} of the mails {what}. SES stops accounts that go on so."
        alarms.on(name, metric, threshold=rate, why=why, see="bounces-and-complaints", ends=True)
