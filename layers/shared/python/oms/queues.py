"""Sending messages to the system's own queues."""

import json
from functools import cache
from typing import Any

import boto3


def send(queue_url: str, message: dict[str, Any]) -> None:
    body = json.dumps(message, ensure_ascii=False)
    for noncharacter in ("\ufffe", "\uffff"):  # the two that JSON may hold as they are and a message may not
        body = body.replace(noncharacter, f"\\u{ord(noncharacter):x}")
    _sqs().send_message(QueueUrl=queue_url, MessageBody=body)


@cache
def _sqs() -> Any:
    return boto3.client("sqs")
