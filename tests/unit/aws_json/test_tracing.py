"""Traces of calls, compared with those that the X-Ray SDK makes of botocore's calls."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

# In a separate process, since the SDK replaces methods of botocore. It prints what X-Ray's daemon and AWS get.
CALLS = """
import json, os, sys
import botocore.session
from aws_xray_sdk.core import patch, xray_recorder
from oms.core.aws_json.client import Client
from oms.core.aws_json.tracing import trace_calls
from tests.support.aws_server import ok, refused, serving

class Daemon:
    def send_entity(self, entity):
        print(entity.serialize())

xray_recorder.emitter = Daemon()
xray_recorder.configure(streaming_threshold=0)
patch(["botocore"])
trace_calls()
answers = [ok(b'{"Count":0,"Items":[],"ConsumedCapacity":{"TableName":"t"}}'), refused(400, "ValidationException")]
with serving(answers) as server:
    if sys.argv[1] == "own":
        os.environ["AWS_ENDPOINT_URL"] = server.url
        client = Client("dynamodb", read_seconds=5, max_attempts=1)
    else:
        client = botocore.session.Session().create_client("dynamodb", endpoint_url=server.url)
    for _ in answers:
        try:
            with xray_recorder.in_subsegment("## handler"):
                client.query(TableName="t", Limit=3, KeyConditionExpression="id = :i")
        except client.exceptions.ClientError if sys.argv[1] == "botocore" else Exception:
            pass
    print(json.dumps({"headers": [it.headers["x-amzn-trace-id"] for it in server.requests]}))
"""


def traced(client: str, sampled: int) -> tuple[list[Any], list[str]]:
    """Returns the subsegments of the calls without ids and times, and the headers of the requests."""
    environment = os.environ | {
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "LAMBDA_TASK_ROOT": "/var/task",
        "_X_AMZN_TRACE_ID": f"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled={sampled}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-W", "ignore", "-c", CALLS, client]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    *segments, last = (json.loads(line) for line in ran.stdout.splitlines())
    calls = [it for it in segments if it["name"] == "dynamodb"]
    ids = [it["id"] for it in calls]
    # Each call's service continues the trace below the call's subsegment.
    headers = [it.replace(ids[at], "<call>") if ids else it for at, it in enumerate(last["headers"])]
    return [{name: value for name, value in it.items() if name not in VARIABLE} for it in calls], headers


VARIABLE = {"id", "parent_id", "start_time", "end_time", "cause"}


def test_a_sampled_call_has_the_subsegment_and_the_header_that_botocores_has() -> None:
    subsegments, headers = traced("own", 1)

    assert (subsegments, headers) == traced("botocore", 1)
    assert [it["aws"]["table_name"] for it in subsegments] == ["t", "t"]
    assert headers == ["Root=1-5759e988-bd862e3fe1be46a994272793;Parent=<call>;Sampled=1"] * 2


@pytest.mark.parametrize("client", ["own", "botocore"])
def test_a_call_that_is_not_sampled_is_not_sent_to_xray(client: str) -> None:
    subsegments, headers = traced(client, 0)

    assert subsegments == []
    assert all(it.startswith("Root=1-5759e988-bd862e3fe1be46a994272793;") for it in headers)
    assert all(it.endswith("Sampled=0") for it in headers)
