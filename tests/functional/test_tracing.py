"""Traces of calls by botocore. X-Ray gets no answer of SES, since that may name the recipient."""

import json
import os
import subprocess
import sys
from typing import Any

# In a separate process, since tracing patches shared modules. It prints the segments for X-Ray's daemon.
DAEMON = """
import io, sys
from aws_xray_sdk.core import xray_recorder

class Daemon:
    def send_entity(self, entity):
        print(entity.serialize())

xray_recorder._emitter = Daemon()
"""
MAIL = """
from botocore.awsrequest import AWSResponse
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
SCHEDULE = """
from oms.core import aws
from oms.events.consumers import observed

assert "botocore.client" not in sys.modules, "the tracer imports it"

class Absent(io.BytesIO):
    def stream(self):
        yield b'{"Message": "The schedule was not found."}'

def refuse(request, **_):
    from botocore.awsrequest import AWSResponse
    return AWSResponse(request.url, 404, {"x-amzn-ErrorType": "ResourceNotFoundException"}, Absent())

def handler(event, context):
    entries = aws.botocore_client("scheduler")
    entries.meta.events.register("before-send.scheduler.GetSchedule", refuse)
    try:
        entries.get_schedule(Name="daily")
    except entries.exceptions.ResourceNotFoundException:
        pass

context = type("Context", (), {"function_name": "scheduler"})()
observed(handler, private=sys.argv[1] == "private")({}, context)
"""


def traced(script: str, *arguments: str) -> tuple[list[Any], str]:
    """Runs a script with tracing. Returns the segments, and all that it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "POWERTOOLS_TRACE_DISABLED"} | {
        "LAMBDA_TASK_ROOT": "/var/task",
        "AWS_XRAY_CONTEXT_MISSING": "RUNTIME_ERROR",
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-W", "ignore", "-c", DAEMON + script, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    lines: list[Any] = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    return [line for line in lines if "trace_id" in line], ran.stdout


def test_a29_the_answer_of_ses_about_an_address_is_in_no_trace() -> None:
    segments, printed = traced(MAIL)

    assert "## lambda_handler" in [it["name"] for it in segments], "it is traced, without the answer"
    assert "a mail was not sent" in printed, "it is logged, also by a function without a logger of its own"
    assert "ada@example.com" not in printed


def test_a_client_of_botocore_is_traced_from_its_first_call() -> None:
    segments, _ = traced(SCHEDULE, "open")

    (call,) = [it for it in segments if it["name"] == "scheduler"]
    assert call["namespace"] == "aws"
    assert call["aws"]["operation"] == "GetSchedule"
    assert call["http"]["response"]["status"] == 404


def test_a_private_function_has_no_calls_in_its_trace() -> None:
    segments, _ = traced(SCHEDULE, "private")

    assert [it["name"] for it in segments] == ["## handler"]
