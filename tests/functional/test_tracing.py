"""What X-Ray gets to know of a mail: nothing that SES says of it, which may name whom it was for."""

import json
import os
import subprocess
import sys
from typing import Any

# In a process of its own: tracing patches what the others use. What would go to X-Ray's daemon is printed.
TRACED = """
import io, sys
from botocore.awsrequest import AWSResponse
from aws_xray_sdk.core import xray_recorder

class Daemon:
    def send_entity(self, entity):
        print(entity.serialize())

xray_recorder._emitter = Daemon()

from notifier import handler
from oms.mail import service

class Refusal(io.BytesIO):
    def stream(self):
        yield b'{"message": "Email address is not verified: ada@example.com"}'

def refuse(request, **_):
    return AWSResponse(request.url, 400, {"x-amzn-ErrorType": "MessageRejected"}, Refusal())

ses = service.ses_client()
ses.meta.events.register("before-send.sesv2.SendEmail", refuse)
destination = {"ToAddresses": ["ada@example.com"]}
handler.notifications.notification_for = lambda _: ses.send_email(Content={}, Destination=destination)
record = {"messageId": "1", "body": "{}", "eventSource": "aws:sqs"}
context = type("Context", (), {"function_name": "notifier", "get_remaining_time_in_millis": lambda _: 1000})()
answer = handler.lambda_handler({"Records": [record]}, context)
assert answer["batchItemFailures"], answer
"""


def test_a29_what_ses_says_of_an_address_is_in_no_trace() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "POWERTOOLS_TRACE_DISABLED"} | {
        "LAMBDA_TASK_ROOT": "/var/task",
        "AWS_XRAY_CONTEXT_MISSING": "RUNTIME_ERROR",
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRACED], capture_output=True, text=True, env=environment, check=True
    )

    lines: list[Any] = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    traced = [line for line in lines if "trace_id" in line]
    assert "## lambda_handler" in [it["name"] for it in traced], "it is traced, as far as that goes"
    assert "a mail was not sent" in ran.stdout, "it is logged, also by a function without a logger of its own"
    assert "ada@example.com" not in ran.stdout
