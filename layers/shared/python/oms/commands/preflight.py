"""Checks an AWS account before a deployment: `python -m oms.commands.preflight --stage S`. It changes nothing.

Prints a line for each check: ok, warn or FAIL, and what to do. Exits with 1 where one is a FAIL.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from oms.commands import rights, stacks
from oms.commands.closed_pipe import run_until_unread
from oms.core import aws

# What the synthesized stacks ask for; a test compares it with them.
BOOTSTRAP_VERSION = 6
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
# A customer's order wakes some eight functions, and webhooks and exports take more beside them.
ENOUGH_FUNCTIONS = 100
# Lambda lets no reservation take the rest of an account below this.
UNRESERVED_FUNCTIONS = 100
# The setting's default; a test compares it with the stage's.
LAMBDA_CONCURRENCY = 1000
# The setting's value where no one is to be mailed.
NOT_MAILED = "none"
# The first deployment failed: the CDK CLI deletes such a stack and creates it again.
FAILED_FIRST = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS")
DEPLOYABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
WAY_OUT = {
    "UPDATE_ROLLBACK_FAILED": "aws cloudformation continue-update-rollback --stack-name {stack}",
    "UPDATE_FAILED": "aws cloudformation rollback-stack --stack-name {stack}",
}

type Settings = Mapping[str, Any]
type Taken = tuple[str, str]
"""What has a name that the stack needs, and the command that removes it."""


@dataclass(frozen=True)
class Finding:
    level: Literal["ok", "warn", "FAIL"]
    text: str

    def __str__(self) -> str:
        return f"{self.level:<5} {self.text}"


@dataclass(frozen=True)
class Deployment:
    """What is to be deployed, and where."""

    stage: str
    settings: Settings
    region: str
    # Of the caller.
    arn: str
    # As CloudFormation describes it, or with a status that says why it does not; None before the first deployment.
    stack: Any

    @property
    def is_new(self) -> bool:
        return self.stack is None or self.stack["StackStatus"] in FAILED_FIRST


def check_settings(it: Deployment) -> Iterator[Finding]:
    if it.settings.get("public_url"):
        yield Finding("ok", f"Setting public_url: {it.settings['public_url']}")
    else:
        yield Finding(
            "FAIL",
            "Setting public_url: none, and `make admin` needs it. Set it for the stage in cdk.json",
        )
    alarms = it.settings.get("alarm_email")
    if alarms and alarms != NOT_MAILED:
        yield Finding("ok", f"Setting alarm_email: {alarms}")
    else:
        # The synth refuses prod where it is left open.
        level: Literal["warn", "FAIL"] = "FAIL" if it.stage == "prod" and not alarms else "warn"
        yield Finding(level, "Setting alarm_email: none, so no alarm reaches anyone. Set it for the stage in cdk.json")


def check_bootstrap(it: Deployment) -> Iterator[Finding]:
    what = f"CDK bootstrap in {it.region}"
    command = f"Run `make bootstrap STAGE={it.stage}`"
    try:
        parameter = aws.session().client("ssm").get_parameter(Name=BOOTSTRAP_PARAMETER)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        yield Finding("FAIL", f"{what}: none. {command}")
        return
    version = int(parameter["Parameter"]["Value"])
    if version < BOOTSTRAP_VERSION:
        yield Finding("FAIL", f"{what}: version {version}, and {BOOTSTRAP_VERSION} is needed. {command}")
    else:
        yield Finding("ok", f"{what}: version {version}")


def check_functions(it: Deployment) -> Iterator[Finding]:
    """New accounts may run ten functions at once, where one order already wakes eight."""
    limit = aws.session().client("lambda").get_account_settings()["AccountLimit"]
    most, unreserved = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    if most < ENOUGH_FUNCTIONS:
        yield Finding(
            "FAIL" if it.stage == "prod" else "warn",
            f"Lambda concurrency: {most} functions at once, so a few orders at a time make errors. Ask for 1000: "
            f"`aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 "
            f"--desired-value 1000 --region {it.region}`",
        )
    else:
        yield Finding("ok", f"Lambda concurrency: {most} functions at once")
    told = it.settings.get("lambda_concurrency", LAMBDA_CONCURRENCY)
    if told != most:
        yield Finding(
            "warn",
            f"Setting lambda_concurrency: {told}, and the account's quota is {most}. The alarm goes off at 80 % of the "
            f"setting, so never or too early. Set it to {most} for the stage in cdk.json",
        )
    reserved = it.settings.get("passwords_concurrency")
    if reserved and it.is_new and unreserved - reserved < UNRESERVED_FUNCTIONS:
        yield Finding(
            "FAIL",
            f"Setting passwords_concurrency: {reserved} of {unreserved} unreserved functions leave fewer than "
            f"{UNRESERVED_FUNCTIONS}, which Lambda refuses. Leave the setting out, or ask for a higher quota",
        )


def check_mail(it: Deployment) -> Iterator[Finding]:
    if not it.settings.get("mail_from"):
        yield Finding("warn", f"Mail: settings.{it.stage}.mail_from is not set: no mail is sent (docs/operate/mail.md)")
        return
    if not _has_ses(it.region):
        yield Finding("FAIL", f"Mail: SES is not in {it.region}. Choose another region, or leave mail_from out")
        return
    account = aws.session().client("sesv2").get_account()
    if not account["SendingEnabled"]:
        yield Finding("FAIL", "Mail: SES has paused the sending of this account. The SES console says why")
    elif not account["ProductionAccessEnabled"]:
        yield Finding(
            "FAIL" if it.stage == "prod" else "warn",
            "Mail: the account is in SES's sandbox, where mail goes to verified addresses only. Ask for production "
            "access (docs/operate/mail.md)",
        )
    else:
        yield Finding("ok", f"Mail: SES sends {account['SendQuota']['Max24HourSend']:.0f} mails a day")


def check_sender(it: Deployment) -> Iterator[Finding]:
    sender = it.settings.get("mail_from")
    if not sender or not _has_ses(it.region):
        return
    ses = aws.session().client("sesv2")
    domain = sender.partition("@")[2]
    if any(_is_verified(ses, identity) for identity in (sender, domain)):
        yield Finding("ok", f"Mail: the sender {sender} is verified")
    else:
        yield Finding(
            "FAIL",
            f"Mail: neither {sender} nor {domain} is verified in {it.region}. Run "
            f"`aws sesv2 create-email-identity --email-identity {domain}` and add the DNS records that it names",
        )


def _has_ses(region: str) -> bool:
    return region in aws.session().get_available_regions("sesv2")


def _is_verified(ses: Any, identity: str) -> bool:
    try:
        return bool(ses.get_email_identity(EmailIdentity=identity)["VerifiedForSendingStatus"])
    except ses.exceptions.NotFoundException:
        return False


def check_stack(it: Deployment) -> Iterator[Finding]:
    name = stacks.stack_of(it.stage)
    status = it.stack["StackStatus"] if it.stack else None
    what = f"Stack {name}: {status}"
    if status is None:
        yield Finding("ok", f"Stack {name}: not deployed yet")
    elif status in DEPLOYABLE:
        yield Finding("ok", what)
    elif status.startswith("cannot be looked up"):
        yield Finding("warn", what)
    elif status in FAILED_FIRST and not it.stack.get("EnableTerminationProtection"):
        yield Finding("warn", f"{what}: the first deployment failed. `make deploy` deletes the stack and starts again")
    elif status in FAILED_FIRST:
        command = "aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name"
        yield Finding("FAIL", f"{what}, and protected, so CDK cannot create it again. Run `{command} {name}`")
    elif status.endswith("_IN_PROGRESS"):
        yield Finding("FAIL", f"{what}: another deployment is running. Wait for its end")
    else:
        command = WAY_OUT.get(status, "aws cloudformation delete-stack --stack-name {stack}").format(stack=name)
        yield Finding("FAIL", f"{what}: it cannot be updated. Look at its events in the console, then `{command}`")


def check_names(it: Deployment) -> Iterator[Finding]:
    """Names that the stack creates and that only one thing can have."""
    if not it.is_new:
        return
    free = True
    for kind, look in NAMES.items():
        for finding in _answered(f"Names: {kind}", partial(_taken, it, look)):
            free = False
            yield finding
    if free:
        yield Finding("ok", "Names: all that the stack needs are free")


def _taken(it: Deployment, look: Callable[[Deployment], Iterator[Taken]]) -> Iterator[Finding]:
    for what, command in look(it):
        yield Finding("FAIL", f"Names: {what} exists and is not the stack's. Remove it: `{command}`")


def _secrets(it: Deployment) -> Iterator[Taken]:
    """A deleted secret keeps its name for 7 to 30 days."""
    pages = aws.session().client("secretsmanager").get_paginator("list_secrets")
    filters: Any = [{"Key": "name", "Values": [f"oms/{it.stage}/"]}]
    for page in pages.paginate(IncludePlannedDeletion=True, Filters=filters):
        for secret in page["SecretList"]:
            state = " (scheduled for deletion)" if "DeletedDate" in secret else ""
            command = f"aws secretsmanager delete-secret --force-delete-without-recovery --secret-id {secret['Name']}"
            yield f"the secret {secret['Name']}{state}", command


def _event_bus(it: Deployment) -> Iterator[Taken]:
    name = f"oms-{it.stage}"
    if _exists(lambda: aws.session().client("events").describe_event_bus(Name=name)):
        yield f"the event bus {name}", f"aws events delete-event-bus --name {name}"


def _schedule_group(it: Deployment) -> Iterator[Taken]:
    name = f"oms-{it.stage}"
    if _exists(lambda: aws.session().client("scheduler").get_schedule_group(Name=name)):
        yield f"the schedule group {name}", f"aws scheduler delete-schedule-group --name {name}"


def _configuration_set(it: Deployment) -> Iterator[Taken]:
    name = f"oms-{it.stage}"
    if it.settings.get("mail_from") and _exists(
        lambda: aws.session().client("sesv2").get_configuration_set(ConfigurationSetName=name)
    ):
        command = f"aws sesv2 delete-configuration-set --configuration-set-name {name}"
        yield f"the SES configuration set {name}", command


def _backup_vault(it: Deployment) -> Iterator[Taken]:
    name = f"oms-{it.stage}"
    if it.settings.get("backup_days") is None:
        return
    # By the list: to describe a vault that does not exist is answered like a lack of rights.
    pages = aws.session().client("backup").get_paginator("list_backup_vaults").paginate()
    if any(vault["BackupVaultName"] == name for page in pages for vault in page["BackupVaultList"]):
        yield f"the backup vault {name}", f"aws backup delete-backup-vault --backup-vault-name {name}"


NAMES: dict[str, Callable[[Deployment], Iterator[Taken]]] = {
    "secrets": _secrets,
    "event bus": _event_bus,
    "schedule group": _schedule_group,
    "SES configuration set": _configuration_set,
    "backup vault": _backup_vault,
}


def _exists(look: Callable[[], object]) -> bool:
    try:
        look()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFoundException", "NotFoundException"):
            return False
        raise
    return True


def check_rights(it: Deployment) -> Iterator[Finding]:
    try:
        denied = rights.denied(it.arn, region=it.region, stage=it.stage)
    except rights.UnknownError as error:
        yield Finding("warn", f"Rights: cannot be looked up: {error}. docs/operate/deploying.md lists what is needed")
        return
    for action, resource in denied:
        yield Finding("FAIL", f"Rights: {it.arn} may not {action} on {resource} (docs/operate/deploying.md)")
    if not denied:
        yield Finding("ok", "Rights: enough by IAM's simulation, which knows no permissions boundary of the CDK roles")


def check_alarm_mail(it: Deployment) -> Iterator[Finding]:
    """Only after the first deployment: AWS mails a link to confirm the subscription."""
    if it.is_new:
        return
    sns = aws.session().client("sns")
    wanted = it.settings.get("alarm_email")
    for topic in stacks.physical_ids(it.stage, "AWS::SNS::Topic"):
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        listed = [(one["Endpoint"], one["SubscriptionArn"]) for page in pages for one in page["Subscriptions"]]
        # Of one address, a confirmed subscription goes before one that was deleted.
        found = dict(sorted(listed, key=lambda one: one[1].startswith("arn:")))
        if wanted and wanted != NOT_MAILED:
            # SNS forgets an address that is not confirmed within days.
            found.setdefault(wanted, "")
        for address, arn in found.items():
            if arn != "Deleted" or address == wanted:
                yield _subscription(topic, address, arn)


def _subscription(topic: str, address: str, arn: str) -> Finding:
    if arn.startswith("arn:"):
        return Finding("ok", f"Alarm mail: {address} is confirmed")
    command = f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint {address}"
    if arn == "PendingConfirmation":
        todo = f"is not confirmed, so no alarm reaches it. Open the link in AWS's mail; `{command}` sends it again"
    else:
        state = "was unsubscribed" if arn else "is not subscribed"
        todo = f"{state}, so no alarm reaches it. Run `{command}` and open the link in AWS's mail"
    return Finding("warn", f"Alarm mail: {address} {todo}")


CHECKS: dict[str, Callable[[Deployment], Iterator[Finding]]] = {
    "Settings": check_settings,
    "CDK bootstrap": check_bootstrap,
    "Lambda concurrency": check_functions,
    "Mail": check_mail,
    "Mail sender": check_sender,
    "Stack": check_stack,
    "Names": check_names,
    "Rights": check_rights,
    "Alarm mail": check_alarm_mail,
}


def run(it: Deployment) -> Iterator[Finding]:
    """The findings of all checks; a check that AWS refuses to answer is a warning, and does not end the others."""
    for name, check in CHECKS.items():
        yield from _answered(name, partial(check, it))


def _answered(what: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings, and a warning in place of those that AWS refuses to answer."""
    try:
        yield from look()
    except (BotoCoreError, ClientError) as error:
        yield Finding("warn", f"{what}: cannot be looked up: {error}")


def settings_of(stage: str) -> Settings:
    """As the CDK app reads them."""
    committed = json.loads(Path("cdk.json").read_text())["context"]["settings"]
    return dict(committed.get(stage, {}))


def main() -> None:
    parser = stacks.stage_parser("Checks whether a stage can be deployed to this account and region.")
    stage: str = parser.parse_args().stage
    with stacks.acting_on(stage):
        try:
            stack = stacks.find_stack(stage)
        except ClientError as error:
            stack = {"StackStatus": f"cannot be looked up: {error}"}
        it = Deployment(stage, settings_of(stage), region=stacks.region(), arn=stacks.operator(), stack=stack)
        levels = set()
        for finding in run(it):
            print(finding, flush=True)
            levels.add(finding.level)
    if "FAIL" in levels:
        raise SystemExit(1)


if __name__ == "__main__":
    run_until_unread(main)
