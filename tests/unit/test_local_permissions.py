"""Corrections of the emulator's permission checks: each is needed and has its effect."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.emulator.permissions import CORRECTED, NOT_CHECKED, correct_template

ROOT = Path(__file__).parents[2]
SCHEDULES = "arn:aws:scheduler:us-east-1:000000000000:schedule"
SENDER = "arn:aws:ses:us-east-1:000000000000:identity/shop@example.com"

# In a separate process, since it changes the emulator's modules.
SCRIPT = """
import json
from ministack.core import iam_actions, iam_evaluator
from local.emulator import permissions

seen = []
iam_evaluator.enforce = lambda *request, **named: seen.append(named)

def decisions():
    def action(service, method, path, target="", body=b""):
        return iam_actions.extract_iam_action(service, method, path, {"x-amz-target": target}, body, {})

    def resource(service, method, path, body=b"", query=None):
        return iam_actions.extract_resource_arn(
            service, method, path, {}, body, query or {}, "us-east-1", "000000000000")

    group, sender = b'{"GroupName": "oms-local"}', b'{"FromEmailAddress": "Shop <shop@example.com>"}'
    answers = {
        "batch": action("sqs", "POST", "/", "AmazonSQS.SendMessageBatch"),
        "one": action("sqs", "POST", "/", "AmazonSQS.SendMessage"),
        "create": resource("scheduler", "POST", "/schedules/daily%3A1", group),
        "delete": resource("scheduler", "DELETE", "/schedules/daily", query={"groupName": ["oms-local"]}),
        "group": resource("scheduler", "POST", "/schedule-groups/oms-local"),
        "logs": resource("logs", "POST", "/", b'{"logGroupName": "requests"}'),
        "sender": resource("ses", "POST", "/v2/email/outbound-emails", sender),
    }
    iam_evaluator.enforce("key", "ses:SendEmail", "ses", "us-east-1", service_context={"a": 1})
    answers["context"] = seen.pop()["service_context"]
    resource("sqs", "POST", "/")
    iam_evaluator.enforce("key", "sqs:SendMessage", "sqs", "us-east-1", service_context=None)
    answers["later"] = seen.pop()["service_context"]
    return answers

before = decisions()
permissions.correct()
after = decisions()

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import sts

app.AUTH = True
config = {
    "FunctionName": "orders",
    "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:orders",
    "Role": "arn:aws:iam::000000000000:role/orders-role",
}
for answers in (before, after):
    given = lambda_runtime.execution_credentials(config)
    again = lambda_runtime.execution_credentials(config | {"Timeout": 3})
    key, secret, token = given.values()
    kept = sts._sessions[key]
    answers["credentials"] = key
    answers["stable"] = given == again
    answers["session"] = [kept["Arn"], kept["UserId"], kept["SecretAccessKey"] == secret, kept["SessionToken"] == token]
    permissions.draw_credentials()
print(json.dumps([before, after]))
"""


@pytest.fixture(scope="module")
def decisions() -> Any:
    """Gives the decisions by case: (of the emulator, after the correction)."""
    result = subprocess.run([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, check=True, cwd=ROOT)
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("what", "right"),
    [
        ("batch", "sqs:SendMessage"),
        ("create", f"{SCHEDULES}/oms-local/daily:1"),
        ("delete", f"{SCHEDULES}/oms-local/daily"),
        ("sender", SENDER),
        ("logs", "arn:aws:logs:us-east-1:000000000000:log-group:requests:*"),
        ("context", {"a": 1, "ses:FromAddress": "shop@example.com"}),
    ],
)
def test_a_correction_is_needed_and_right(decisions: Any, what: str, right: object) -> None:
    before, after = decisions

    assert before[what] != right, "the emulator no longer needs it: remove it"
    assert after[what] == right


def test_the_credentials_of_a_function_cannot_be_guessed(decisions: Any) -> None:
    before, after = decisions
    digest = hashlib.sha256(
        b"arn:aws:lambda:us-east-1:000000000000:function:orders:arn:aws:iam::000000000000:role/orders-role"
    ).hexdigest()

    assert before["credentials"] == f"ASIA{digest[:16].upper()}", "the emulator's decision: by the names alone"
    assert after["credentials"] != before["credentials"]


@pytest.mark.parametrize("what", ["one", "group", "later", "stable", "session"])
def test_everything_else_is_decided_as_before(decisions: Any, what: str) -> None:
    before, after = decisions

    assert after[what] == before[what]


def test_grants_name_a_secret_by_its_arn() -> None:
    granted = [{"Ref": "Pepper"}, {"Fn::GetAtt": ["Orders", "Arn"]}, "*"]
    document = {"Statement": [{"Resource": granted}, {"Resource": {"Ref": "Pepper"}}]}
    template = {
        "Resources": {
            "Pepper": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "oms/local/pepper"}},
            "Policy": {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": document}},
        }
    }

    statements = correct_template(template)["Resources"]["Policy"]["Properties"]["PolicyDocument"]["Statement"]

    arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:oms/local/pepper-??????"
    assert statements == [{"Resource": [arn, *granted[1:]]}, {"Resource": [arn]}]


def test_the_document_names_each_correction_and_the_unchecked_actions() -> None:
    document = (ROOT / "docs/develop/local-cloud.md").read_text()

    assert [name for name in (*CORRECTED, *NOT_CHECKED) if f"`{name}`" not in document] == []
