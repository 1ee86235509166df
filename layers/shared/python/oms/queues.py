"""Sending messages to the system's own queues."""

import json
from functools import cache
from typing import Any

import boto3


def send(queue_url: str, message: dict[str, Any]) -> None:
    _sqs().send_message(QueueUrl=queue_url, MessageBody=json.dumps(message, ensure_ascii=False))


@cache
def _sqs() -> Any:
    return boto3.client("sqs")
