"""All corrections of the emulator's IAM checks, which differ from AWS, with their reasons.

With `AUTH=true` the emulator checks the signature of each request and the policies of its caller. A function calls with
its own role. These names of ministack are replaced: `iam_actions.extract_iam_action`,
`iam_actions.extract_resource_arn` and `iam_evaluator.enforce`, which the emulator looks up for each request, and
`lambda_runtime.execution_credentials`, which it looks up for each worker. `tests/unit/test_local_permissions.py` shows
that each correction is needed.
"""

import copy
import json
import re
import secrets
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

from local.access import ACCOUNT, REGION

# Corrected in this module and in the template.
CORRECTED = {
    "sqs:SendMessageBatch": "AWS requires the action for one message, the emulator one with the batch's name",
    "scheduler:*": "the emulator treats each schedule as part of the group `default`",
    "ses:SendEmail": "the emulator knows neither the identity that sends, nor the condition key ses:FromAddress",
    "secretsmanager:*": "in the emulator, a secret's Ref is its name, but the template's grants need its ARN",
    "logs:FilterLogEvents": "AWS's ARN of a log group ends in `:*`, as in the grants; that of the emulator does not",
    "aws:SecureTransport": "the local cloud uses HTTP on loopback, so its guard adds a header as if TLS was used",
}
# The emulator does not check these: only the tests of the template enforce them.
NOT_CHECKED = {
    "dynamodb:LeadingKeys, dynamodb:Attributes, dynamodb:ReturnValues": "the emulator ignores them for writes",
    "iam:PassRole": "at CreateSchedule",
    "ses:SendEmail on a configuration set": "only the identity is checked",
    "s3:TlsVersion": "the local cloud does not use TLS",
    "logs:PutLogEvents, xray:*": "the emulator writes the functions' logs itself; tracing is off",
    "resource policies of functions and queues": "for API Gateway, EventBridge, Scheduler and the event sources",
}

BATCHES = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}
SCHEDULE = re.compile(r"/schedules/([^/]+)/?")
SEND_EMAIL = "/v2/email/outbound-emails"


def correct_template(template: dict[str, Any]) -> dict[str, Any]:
    """Returns the template with policies that name secrets as on AWS: by an ARN that ends in six random characters."""
    template = copy.deepcopy(template)
    arns = {
        logical_id: f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{resource['Properties']['Name']}-??????"
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::SecretsManager::Secret"
    }
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::IAM::Policy":
            continue
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
            named = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            statement["Resource"] = [
                arns.get(resource.get("Ref"), resource) if isinstance(resource, dict) else resource
                for resource in named
            ]
    return template


def correct() -> None:
    """Replaces the functions in the emulator's process, before it serves."""
    from ministack.core import iam_actions, iam_evaluator

    action_of, resource_of, enforce = (
        iam_actions.extract_iam_action,
        iam_actions.extract_resource_arn,
        iam_evaluator.enforce,
    )
    sender: ContextVar[str | None] = ContextVar("sender", default=None)

    def extract_iam_action(*request: Any) -> str | None:
        action: str | None = action_of(*request)
        return BATCHES.get(action, action) if action else action

    def extract_resource_arn(
        service: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str, account: str
    ) -> str:
        sender.set(None)
        if service == "scheduler" and (schedule := SCHEDULE.fullmatch(path)):
            named = _json(body).get("GroupName") or (query.get("groupName") or ["default"])[0]
            return f"arn:aws:scheduler:{region}:{account}:schedule/{named}/{unquote(schedule[1])}"
        if service == "ses" and path.rstrip("/") == SEND_EMAIL:
            address = re.sub(r"^.*<(.*)>$", r"\1", str(_json(body).get("FromEmailAddress", "")))
            sender.set(address)
            return f"arn:aws:ses:{region}:{account}:identity/{address}"
        resource = str(resource_of(service, method, path, headers, body, query, region, account))
        return f"{resource}:*" if ":log-group:" in resource else resource

    def enforce_with_sender(*request: Any, service_context: dict[str, Any] | None = None, **named: Any) -> Any:
        if address := sender.get():
            service_context = {**(service_context or {}), "ses:FromAddress": address}
        return enforce(*request, service_context=service_context, **named)

    iam_actions.extract_iam_action = extract_iam_action
    iam_actions.extract_resource_arn = extract_resource_arn
    iam_evaluator.enforce = enforce_with_sender


def draw_credentials() -> None:
    """Gives functions random credentials, which the emulator would otherwise derive from the functions' names."""
    from ministack.core import lambda_runtime
    from ministack.services import sts

    drawn: dict[tuple[str, str], dict[str, str]] = {}

    def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
        function, role = str(config["FunctionName"]), str(config["Role"]).rpartition("/")[2]
        if (function, role) not in drawn:
            key, secret, token = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(32)
            session = {
                "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{function[:64]}",
                "UserId": f"{role}:{function[:64]}",
                "SecretAccessKey": secret,
                "SessionToken": token,
            }
            sts.register_session(key, session)
            drawn[function, role] = {
                "AWS_ACCESS_KEY_ID": key,
                "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_SESSION_TOKEN": token,
            }
        return drawn[function, role]

    lambda_runtime.execution_credentials = execution_credentials


def _json(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
