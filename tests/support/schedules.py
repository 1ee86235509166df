"""An EventBridge Scheduler in memory: it stores entries by their names, and refuses a second one of a name and the
deletion of a missing one. And the scheduler's function, called with messages of its queues.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from oms.core.dynamodb import put_item, update_item
from oms.identity.models import Claim, User, claim_key, user_key
from oms.schedules import scheduler_entries
from scheduler import handler as scheduler
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.gateway import call
from tests.support.invocation import Answer, Context, Person

SCHEDULES = "/api/v1/reports/schedules"

type Entries = dict[str, dict[str, Any]]


@contextmanager
def entries_kept(plan: Plan = lambda call: call.send()) -> Iterator[Entries]:
    """In this context, the entries are here; `plan` decides every call before them."""
    kept: Entries = {}

    def take(call: Call) -> Any:
        if call.service != "scheduler":
            return call.send()
        name = call.parameters["Name"]
        if call.operation == "CreateSchedule":
            if name in kept:
                raise refusal("ConflictException", call)
            kept[name] = dict(call.parameters)
            return {"ScheduleArn": f"arn:{name}"}
        assert call.operation == "DeleteSchedule"
        if name not in kept:
            raise refusal("ResourceNotFoundException", call)
        assert kept.pop(name)["GroupName"] == call.parameters["GroupName"]
        return {}

    with intercepted(take), intercepted(plan):
        yield kept


def refusal(code: str, call: Call) -> Exception:
    kind = scheduler_entries._scheduler().exceptions.from_code(code)
    error: Exception = kind({"Error": {"Code": code, "Message": "played"}}, call.operation)
    return error


def addressed(who: Person, email: str) -> Person:
    """Stores the user with an address and its uniqueness claim, which the factory of people leaves out."""
    update_item(User(*user_key(who.id)), [User.email.set(email), User.email_folded.set(email)])
    put_item(Claim(*claim_key(email), user_id=who.id))
    return who


def create(by: Person, *recipients: str, report: str = "orders", schedule: str = "cron(0 6 * * ? *)") -> Answer:
    body = {"report": report, "schedule": schedule, "recipients": list(recipients)}
    return call("POST", SCHEDULES, body, token=by.token)


def delete(by: Person, schedule_id: str) -> Answer:
    return call("DELETE", f"{SCHEDULES}/{schedule_id}", token=by.token)


def run_message(schedule_id: str) -> dict[str, Any]:
    return {"schedule": schedule_id}


def due(schedule_id: str, at: datetime | str) -> dict[str, Any]:
    """Returns the time in EventBridge Scheduler's form."""
    return {"schedule": schedule_id, "time": at if isinstance(at, str) else f"{at:%Y-%m-%dT%H:%M:%SZ}"}


def serve(*messages: dict[str, Any] | str, sent_at: datetime | None = None) -> list[str]:
    """Delivers the messages as one batch, and returns the positions of those that failed."""
    sent = str(int(sent_at.timestamp() * 1000)) if sent_at else "0"
    records = [
        {
            "messageId": str(number),
            "receiptHandle": "handle",
            "body": message if isinstance(message, str) else json.dumps(message),
            "attributes": {"SentTimestamp": sent},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:runs",
            "awsRegion": "eu-central-1",
        }
        for number, message in enumerate(messages)
    ]
    answer = scheduler.lambda_handler({"Records": records}, Context())
    return [it["itemIdentifier"] for it in answer["batchItemFailures"]]
