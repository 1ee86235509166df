"""Checks an AWS account before a deployment: `python -m oms.commands.preflight --stage S`. It changes nothing.

Prints a line for each check: ok, warn or FAIL, and the action to take. Exits with 1 if there is a FAIL.
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

# The version that the synthesized stacks require; a test compares them.
BOOTSTRAP_VERSION = 6
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
# One order runs about eight functions, and webhooks and exports run more.
MIN_CONCURRENT_FUNCTIONS = 100
# Lambda refuses a reservation that leaves less unreserved concurrency.
MIN_UNRESERVED_FUNCTIONS = 100
# The setting's default; a test compares it with the stage's.
LAMBDA_CONCURRENCY = 1000
# The value of alarm_email that sends no mail.
NOT_MAILED = "none"
# States after a failed first deployment: the CDK CLI deletes such a stack and creates it again.
FAILED_FIRST = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS")
DEPLOYABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
RECOVERY_COMMANDS = {
    "UPDATE_ROLLBACK_FAILED": "aws cloudformation continue-update-rollback --stack-name {stack}",
    "UPDATE_FAILED": "aws cloudformation rollback-stack --stack-name {stack}",
}

type Settings = Mapping[str, Any]
type TakenName = tuple[str, str]
"""An existing resource whose name the stack needs, and the command that removes it."""


@dataclass(frozen=True)
class PreflightResult:
    """One line of the output."""

    level: Literal["ok", "warn", "FAIL"]
    text: str

    def __str__(self) -> str:
        return f"{self.level:<5} {self.text}"


@dataclass(frozen=True)
class Deployment:
    """The stage to deploy, its settings, and the account and region."""

    stage: str
    settings: Settings
    region: str
    # The ARN of the caller.
    arn: str
    # As CloudFormation describes it, or with its refusal as the status; None before the first deployment.
    stack: Any

    @property
    def is_new(self) -> bool:
        return self.stack is None or self.stack["StackStatus"] in FAILED_FIRST


def check_settings(deployment: Deployment) -> Iterator[PreflightResult]:
    if deployment.settings.get("public_url"):
        yield PreflightResult("ok", f"Setting public_url: {deployment.settings['public_url']}")
    else:
        yield PreflightResult(
            "FAIL",
            "Setting public_url: none, and `make admin` needs it. Set it for the stage in cdk.json",
        )
    alarms = deployment.settings.get("alarm_email")
    if alarms and alarms != NOT_MAILED:
        yield PreflightResult("ok", f"Setting alarm_email: {alarms}")
    else:
        # The synthesis refuses prod without this setting.
        level: Literal["warn", "FAIL"] = "FAIL" if deployment.stage == "prod" and not alarms else "warn"
        yield PreflightResult(
            level, "Setting alarm_email: none, so no alarm reaches anyone. Set it for the stage in cdk.json"
        )


def check_bootstrap(deployment: Deployment) -> Iterator[PreflightResult]:
    name = f"CDK bootstrap in {deployment.region}"
    command = f"Run `make bootstrap STAGE={deployment.stage}`"
    try:
        parameter = aws.session().client("ssm").get_parameter(Name=BOOTSTRAP_PARAMETER)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        yield PreflightResult("FAIL", f"{name}: none. {command}")
        return
    version = int(parameter["Parameter"]["Value"])
    if version < BOOTSTRAP_VERSION:
        yield PreflightResult(
            "FAIL", f"{name}: version {version}, but version {BOOTSTRAP_VERSION} is needed. {command}"
        )
    else:
        yield PreflightResult("ok", f"{name}: version {version}")


def check_functions(deployment: Deployment) -> Iterator[PreflightResult]:
    """New accounts may run ten functions at once, but one order already runs eight."""
    limit = aws.session().client("lambda").get_account_settings()["AccountLimit"]
    quota, unreserved = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    if quota < MIN_CONCURRENT_FUNCTIONS:
        yield PreflightResult(
            "FAIL" if deployment.stage == "prod" else "warn",
            f"Lambda concurrency: {quota} functions at once, so a few concurrent orders cause errors. Request 1000: "
            f"`aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 "
            f"--desired-value 1000 --region {deployment.region}`",
        )
    else:
        yield PreflightResult("ok", f"Lambda concurrency: {quota} functions at once")
    configured = deployment.settings.get("lambda_concurrency", LAMBDA_CONCURRENCY)
    if configured != quota:
        yield PreflightResult(
            "warn",
            f"Setting lambda_concurrency: {configured}, but the account's quota is {quota}. The alarm goes off at 80 % "
            f"of the setting, so never or too early. Set it to {quota} for the stage in cdk.json",
        )
    reserved = deployment.settings.get("passwords_concurrency")
    if reserved and deployment.is_new and unreserved - reserved < MIN_UNRESERVED_FUNCTIONS:
        yield PreflightResult(
            "FAIL",
            f"Setting passwords_concurrency: {reserved} of {unreserved} unreserved functions leave fewer than "
            f"{MIN_UNRESERVED_FUNCTIONS}, which Lambda refuses. Remove the setting, or request a higher quota",
        )


def check_mail(deployment: Deployment) -> Iterator[PreflightResult]:
    if not deployment.settings.get("mail_from"):
        yield PreflightResult(
            "warn", f"Mail: settings.{deployment.stage}.mail_from is not set: no mail is sent (docs/operate/mail.md)"
        )
        return
    if not _has_ses(deployment.region):
        yield PreflightResult(
            "FAIL", f"Mail: SES is not in {deployment.region}. Choose another region, or remove mail_from"
        )
        return
    account = aws.session().client("sesv2").get_account()
    if not account["SendingEnabled"]:
        yield PreflightResult("FAIL", "Mail: SES has paused sending for this account. The SES console shows the reason")
    elif not account["ProductionAccessEnabled"]:
        yield PreflightResult(
            "FAIL" if deployment.stage == "prod" else "warn",
            "Mail: the account is in SES's sandbox, which sends to verified addresses only. Request production "
            "access (docs/operate/mail.md)",
        )
    else:
        yield PreflightResult("ok", f"Mail: SES sends {account['SendQuota']['Max24HourSend']:.0f} mails a day")


def check_sender(deployment: Deployment) -> Iterator[PreflightResult]:
    sender = deployment.settings.get("mail_from")
    if not sender or not _has_ses(deployment.region):
        return
    ses = aws.session().client("sesv2")
    domain = sender.partition("@")[2]
    if any(_is_verified(ses, identity) for identity in (sender, domain)):
        yield PreflightResult("ok", f"Mail: the sender {sender} is verified")
    else:
        yield PreflightResult(
            "FAIL",
            f"Mail: neither {sender} nor {domain} is verified in {deployment.region}. Run "
            f"`aws sesv2 create-email-identity --email-identity {domain}` and add the DNS records that it prints",
        )


def _has_ses(region: str) -> bool:
    return region in aws.session().get_available_regions("sesv2")


def _is_verified(ses: Any, identity: str) -> bool:
    try:
        return bool(ses.get_email_identity(EmailIdentity=identity)["VerifiedForSendingStatus"])
    except ses.exceptions.NotFoundException:
        return False


def check_stack(deployment: Deployment) -> Iterator[PreflightResult]:
    name = stacks.stack_of(deployment.stage)
    status = deployment.stack["StackStatus"] if deployment.stack else None
    found = f"Stack {name}: {status}"
    if status is None:
        yield PreflightResult("ok", f"Stack {name}: not deployed yet")
    elif status in DEPLOYABLE:
        yield PreflightResult("ok", found)
    elif status.startswith("cannot be looked up"):
        yield PreflightResult("warn", found)
    elif status in FAILED_FIRST and not deployment.stack.get("EnableTerminationProtection"):
        yield PreflightResult(
            "warn", f"{found}: the first deployment failed. `make deploy` deletes the stack and starts again"
        )
    elif status in FAILED_FIRST:
        command = "aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name"
        yield PreflightResult("FAIL", f"{found}, and protected, so CDK cannot create it again. Run `{command} {name}`")
    elif status.endswith("_IN_PROGRESS"):
        yield PreflightResult("FAIL", f"{found}: another deployment is running. Wait for its end")
    else:
        command = RECOVERY_COMMANDS.get(status, "aws cloudformation delete-stack --stack-name {stack}").format(
            stack=name
        )
        yield PreflightResult(
            "FAIL", f"{found}: it cannot be updated. Read its events in the console, then run `{command}`"
        )


def check_names(deployment: Deployment) -> Iterator[PreflightResult]:
    """The names that only one resource can have and that the stack needs."""
    if not deployment.is_new:
        return
    free = True
    for kind, find_taken in NAMES.items():
        for result in _answered(f"Names: {kind}", partial(_taken, deployment, find_taken)):
            free = False
            yield result
    if free:
        yield PreflightResult("ok", "Names: all that the stack needs are free")


def _taken(
    deployment: Deployment, find_taken: Callable[[Deployment], Iterator[TakenName]]
) -> Iterator[PreflightResult]:
    for resource, command in find_taken(deployment):
        yield PreflightResult("FAIL", f"Names: {resource} exists outside the stack. Remove it: `{command}`")


def _secrets(deployment: Deployment) -> Iterator[TakenName]:
    """A deleted secret keeps its name for 7 to 30 days."""
    pages = aws.session().client("secretsmanager").get_paginator("list_secrets")
    filters: Any = [{"Key": "name", "Values": [f"oms/{deployment.stage}/"]}]
    for page in pages.paginate(IncludePlannedDeletion=True, Filters=filters):
        for secret in page["SecretList"]:
            state = " (scheduled for deletion)" if "DeletedDate" in secret else ""
            command = f"aws secretsmanager delete-secret --force-delete-without-recovery --secret-id {secret['Name']}"
            yield f"the secret {secret['Name']}{state}", command


def _event_bus(deployment: Deployment) -> Iterator[TakenName]:
    name = f"oms-{deployment.stage}"
    if _exists(lambda: aws.session().client("events").describe_event_bus(Name=name)):
        yield f"the event bus {name}", f"aws events delete-event-bus --name {name}"


def _schedule_group(deployment: Deployment) -> Iterator[TakenName]:
    name = f"oms-{deployment.stage}"
    if _exists(lambda: aws.session().client("scheduler").get_schedule_group(Name=name)):
        yield f"the schedule group {name}", f"aws scheduler delete-schedule-group --name {name}"


def _configuration_set(deployment: Deployment) -> Iterator[TakenName]:
    name = f"oms-{deployment.stage}"
    if deployment.settings.get("mail_from") and _exists(
        lambda: aws.session().client("sesv2").get_configuration_set(ConfigurationSetName=name)
    ):
        command = f"aws sesv2 delete-configuration-set --configuration-set-name {name}"
        yield f"the SES configuration set {name}", command


def _backup_vault(deployment: Deployment) -> Iterator[TakenName]:
    name = f"oms-{deployment.stage}"
    if deployment.settings.get("backup_days") is None:
        return
    # By the list: for a vault that does not exist, DescribeBackupVault answers as if rights were missing.
    pages = aws.session().client("backup").get_paginator("list_backup_vaults").paginate()
    if any(vault["BackupVaultName"] == name for page in pages for vault in page["BackupVaultList"]):
        yield f"the backup vault {name}", f"aws backup delete-backup-vault --backup-vault-name {name}"


NAMES: dict[str, Callable[[Deployment], Iterator[TakenName]]] = {
    "secrets": _secrets,
    "event bus": _event_bus,
    "schedule group": _schedule_group,
    "SES configuration set": _configuration_set,
    "backup vault": _backup_vault,
}


def _exists(describe: Callable[[], object]) -> bool:
    try:
        describe()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFoundException", "NotFoundException"):
            return False
        raise
    return True


def check_rights(deployment: Deployment) -> Iterator[PreflightResult]:
    try:
        denied = rights.denied(deployment.arn, region=deployment.region, stage=deployment.stage)
    except rights.UnknownError as error:
        yield PreflightResult(
            "warn", f"Rights: cannot be looked up: {error}. docs/operate/deploying.md lists the needed ones"
        )
        return
    for action, resource in denied:
        yield PreflightResult(
            "FAIL", f"Rights: {deployment.arn} may not {action} on {resource} (docs/operate/deploying.md)"
        )
    if not denied:
        yield PreflightResult(
            "ok", "Rights: enough by IAM's simulation, which ignores permissions boundaries of the CDK roles"
        )


def check_alarm_mail(deployment: Deployment) -> Iterator[PreflightResult]:
    """Only after the first deployment, when AWS mails a link to confirm the subscription."""
    if deployment.is_new:
        return
    sns = aws.session().client("sns")
    configured = deployment.settings.get("alarm_email")
    for topic in stacks.physical_ids(deployment.stage, "AWS::SNS::Topic"):
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        listed = [(one["Endpoint"], one["SubscriptionArn"]) for page in pages for one in page["Subscriptions"]]
        # An address may have several: a confirmed subscription wins over a deleted one.
        found = dict(sorted(listed, key=lambda one: one[1].startswith("arn:")))
        if configured and configured != NOT_MAILED:
            # SNS removes an address that is not confirmed within days.
            found.setdefault(configured, "")
        for address, arn in found.items():
            if arn != "Deleted" or address == configured:
                yield _subscription(topic, address, arn)


def _subscription(topic: str, address: str, arn: str) -> PreflightResult:
    if arn.startswith("arn:"):
        return PreflightResult("ok", f"Alarm mail: {address} is confirmed")
    command = f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint {address}"
    if arn == "PendingConfirmation":
        problem = f"is not confirmed, so no alarm reaches it. Open the link in AWS's mail; `{command}` sends it again"
    else:
        state = "was unsubscribed" if arn else "is not subscribed"
        problem = f"{state}, so no alarm reaches it. Run `{command}` and open the link in AWS's mail"
    return PreflightResult("warn", f"Alarm mail: {address} {problem}")


CHECKS: dict[str, Callable[[Deployment], Iterator[PreflightResult]]] = {
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


def run(deployment: Deployment) -> Iterator[PreflightResult]:
    """The results of all checks. If AWS refuses a check, its result is a warning, and the others continue."""
    for name, check in CHECKS.items():
        yield from _answered(name, partial(check, deployment))


def _answered(name: str, check: Callable[[], Iterator[PreflightResult]]) -> Iterator[PreflightResult]:
    """The results of a check, and a warning if AWS refuses it."""
    try:
        yield from check()
    except (BotoCoreError, ClientError) as error:
        yield PreflightResult("warn", f"{name}: cannot be looked up: {error}")


def settings_of(stage: str) -> Settings:
    """The settings of a stage, as the CDK app reads them."""
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
        deployment = Deployment(stage, settings_of(stage), region=stacks.region(), arn=stacks.operator(), stack=stack)
        levels = set()
        for result in run(deployment):
            print(result, flush=True)
            levels.add(result.level)
    if "FAIL" in levels:
        raise SystemExit(1)


if __name__ == "__main__":
    run_until_unread(main)
