"""Checks an AWS account before a deployment: `python -m oms.commands.preflight --stage S`. It changes nothing.

Prints a line for each check, with ok, warn or FAIL and the action to take. Exits with 1 if a check fails.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from oms.commands import console, rights, stacks
from oms.commands.closed_pipe import run_until_unread
from oms.commands.deployments import FAILED_FIRST, PlannedDeployment, settings_of
from oms.commands.taken_names import NAMES, TakenName
from oms.core import aws

# The version that the synthesized stacks require. A test compares both.
BOOTSTRAP_VERSION = 6
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
# One order runs about eight functions. Webhooks and exports run more.
MIN_CONCURRENT_FUNCTIONS = 100
# Lambda refuses a reservation that leaves less unreserved concurrency.
MIN_UNRESERVED_FUNCTIONS = 100
# The setting's default. A test compares it with the stage's.
LAMBDA_CONCURRENCY = 1000
# The value of alarm_email that sends no mail.
NOT_MAILED = "none"
DEPLOYABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
RECOVERY_COMMANDS = {
    "UPDATE_ROLLBACK_FAILED": "aws cloudformation continue-update-rollback --stack-name {stack}",
    "UPDATE_FAILED": "aws cloudformation rollback-stack --stack-name {stack}",
}


@dataclass(frozen=True)
class PreflightResult:
    """The result of a check: one line of the output."""

    level: Literal["ok", "warn", "FAIL"]
    text: str

    def __str__(self) -> str:
        return f"{self.level:<5} {self.text}"


def check_settings(deployment: PlannedDeployment) -> Iterator[PreflightResult]:
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
        # Synthesis refuses prod without this setting.
        level: Literal["warn", "FAIL"] = "FAIL" if deployment.stage == "prod" and not alarms else "warn"
        yield PreflightResult(
            level, "Setting alarm_email: none, so no alarm reaches anyone. Set it for the stage in cdk.json"
        )


def check_bootstrap(deployment: PlannedDeployment) -> Iterator[PreflightResult]:
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


def check_functions(deployment: PlannedDeployment) -> Iterator[PreflightResult]:
    """Checks the quota of concurrent functions. New accounts may run ten, but one order already runs eight."""
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
            f"Setting lambda_concurrency: {configured}, but the account's quota is {quota}. The alarm is raised at "
            f"80 % of the setting, so never or too early. Set it to {quota} for the stage in cdk.json",
        )
    reserved = deployment.settings.get("passwords_concurrency")
    if reserved and deployment.is_new and unreserved - reserved < MIN_UNRESERVED_FUNCTIONS:
        yield PreflightResult(
            "FAIL",
            f"Setting passwords_concurrency: {reserved} of {unreserved} unreserved functions leave fewer than "
            f"{MIN_UNRESERVED_FUNCTIONS}, which Lambda refuses. Remove the setting, or request a higher quota",
        )


def check_mail(deployment: PlannedDeployment) -> Iterator[PreflightResult]:
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
        yield PreflightResult(
            "FAIL", "Mail: SES has paused sending for this account. Read the reason in the SES console"
        )
    elif not account["ProductionAccessEnabled"]:
        yield PreflightResult(
            "FAIL" if deployment.stage == "prod" else "warn",
            "Mail: the account is in SES's sandbox, which sends to verified addresses only. Request production "
            "access (docs/operate/mail.md)",
        )
    else:
        yield PreflightResult("ok", f"Mail: SES sends {account['SendQuota']['Max24HourSend']:.0f} mails a day")


def check_sender(deployment: PlannedDeployment) -> Iterator[PreflightResult]:
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


def check_console(deployment: PlannedDeployment) -> Iterator[PreflightResult]:
    """Checks that the back office is built, and that the certificate of its domain is issued."""
    if not deployment.settings.get("console"):
        return
    try:
        console.files_of(console.BUILD)
        yield PreflightResult("ok", f"Back office: built in {console.BUILD}/")
    except SystemExit as missing:
        yield PreflightResult("FAIL", f"Back office: {missing}")
    arn, domain = (deployment.settings.get(f"console_{name}") for name in ("certificate_arn", "domain"))
    if not arn or not domain:
        return
    acm = aws.session().client("acm", region_name=console.CERTIFICATES_REGION)
    try:
        certificate = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    except acm.exceptions.ResourceNotFoundException:
        yield PreflightResult("FAIL", f"Back office: the certificate {arn} does not exist. Request one in us-east-1")
        return
    status = certificate["Status"]
    if status == "ISSUED":
        yield PreflightResult("ok", f"Back office: the certificate of {domain} is issued")
    else:
        yield PreflightResult(
            "FAIL",
            f"Back office: the certificate of {domain} is {status}. Add the DNS records that "
            f"`aws acm describe-certificate --region us-east-1 --certificate-arn {arn}` prints, and wait until it is "
            "ISSUED",
        )


def check_stack(deployment: PlannedDeployment) -> Iterator[PreflightResult]:
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


def check_names(deployment: PlannedDeployment) -> Iterator[PreflightResult]:
    """Checks that the names that the stack needs, and that must be unique, are free."""
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
    deployment: PlannedDeployment, find_taken: Callable[[PlannedDeployment], Iterator[TakenName]]
) -> Iterator[PreflightResult]:
    for resource, command in find_taken(deployment):
        yield PreflightResult("FAIL", f"Names: {resource} exists outside the stack. Remove it: `{command}`")


def check_rights(deployment: PlannedDeployment) -> Iterator[PreflightResult]:
    account = stacks.account_of(deployment.arn)
    needed = rights.needed(account=account, region=deployment.region, stage=deployment.stage)
    if deployment.settings.get("console"):
        needed += rights.needed_for_console(account=account, stage=deployment.stage)
    try:
        denied = rights.denied(deployment.arn, needed)
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


def check_alarm_mail(deployment: PlannedDeployment) -> Iterator[PreflightResult]:
    """Checks the subscriptions of alarm mails. They exist after the first deployment, when AWS mails a link to confirm
    each.
    """
    if deployment.is_new:
        return
    sns = aws.session().client("sns")
    configured = deployment.settings.get("alarm_email")
    for topic in stacks.physical_ids(deployment.stage, "AWS::SNS::Topic"):
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        listed = [(one["Endpoint"], one["SubscriptionArn"]) for page in pages for one in page["Subscriptions"]]
        # An address may have several subscriptions: a confirmed one takes precedence over a deleted one.
        found = dict(sorted(listed, key=lambda one: one[1].startswith("arn:")))
        if configured and configured != NOT_MAILED:
            # SNS removes a subscription that is not confirmed within some days.
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


CHECKS: dict[str, Callable[[PlannedDeployment], Iterator[PreflightResult]]] = {
    "Settings": check_settings,
    "CDK bootstrap": check_bootstrap,
    "Lambda concurrency": check_functions,
    "Mail": check_mail,
    "Mail sender": check_sender,
    "Back office": check_console,
    "Stack": check_stack,
    "Names": check_names,
    "Rights": check_rights,
    "Alarm mail": check_alarm_mail,
}


def run(deployment: PlannedDeployment) -> Iterator[PreflightResult]:
    """Yields the results of all checks. If AWS refuses a check, its result is a warning, and the others continue."""
    for name, check in CHECKS.items():
        yield from _answered(name, partial(check, deployment))


def _answered(name: str, check: Callable[[], Iterator[PreflightResult]]) -> Iterator[PreflightResult]:
    """Yields the results of a check, and a warning if AWS refuses it."""
    try:
        yield from check()
    except (BotoCoreError, ClientError) as error:
        yield PreflightResult("warn", f"{name}: cannot be looked up: {error}")


def main() -> None:
    parser = stacks.stage_parser("Checks whether a stage can be deployed to this account and region.")
    stage: str = parser.parse_args().stage
    with stacks.acting_on(stage):
        try:
            stack = stacks.find_stack(stage)
        except ClientError as error:
            stack = {"StackStatus": f"cannot be looked up: {error}"}
        deployment = PlannedDeployment(
            stage, settings_of(stage), region=stacks.region(), arn=stacks.operator(), stack=stack
        )
        levels = set()
        for result in run(deployment):
            print(result, flush=True)
            levels.add(result.level)
    if "FAIL" in levels:
        raise SystemExit(1)


if __name__ == "__main__":
    run_until_unread(main)
