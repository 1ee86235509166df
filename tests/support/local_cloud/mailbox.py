"""The mails that the emulated SES has accepted, and a search for content that only mails may have."""

import json
import re
from typing import Any

from local.mail import SentMail, sent
from local.system import LocalSystem
from tests.support.local_cloud.shop import wait_until

OVERHEARD = "overheard"


def mails_to(system: LocalSystem, email: str) -> list[SentMail]:
    """Returns the mails to an address, oldest first."""
    return sent(system.access, to=email)


def mailed_token(system: LocalSystem, email: str, page: str) -> str:
    """Returns the token of the latest mail to an address whose link leads to `page`."""

    def tokens() -> list[str]:
        texts = [mail["BodyText"] for mail in mails_to(system, email)]
        return [token for text in texts for token in re.findall(rf"/{page}#token=(\S+)", text)]

    found = wait_until(tokens, bool)
    assert found, f"no mail with {page} for {email}"
    return found[-1]


def all_tokens(system: LocalSystem) -> set[str]:
    """Returns the tokens of all links in all mails."""
    return {token for mail in sent(system.access) for token in re.findall(r"#token=(\S+)", mail["BodyText"])}


def places_of(system: LocalSystem, text: str) -> set[str]:
    return {name for name, written in everything_but_mails(system).items() if text in written}


def everything_but_mails(system: LocalSystem) -> dict[str, str]:
    """Returns the content of each table, queue and log group, with messages that are being processed."""
    tables = {f"table {name}": items for name, items in _tables(system)}
    queues = {f"queue {name}": bodies for name, bodies in _queues(system)}
    return tables | queues | {f"log {name}": "\n".join(system.logs(name)) for name in system.deployment.functions}


def overhear(system: LocalSystem) -> None:
    """Creates a queue that stores all later events of the bus."""
    events, sqs = system.client("events"), system.client("sqs")
    url = sqs.create_queue(QueueName=OVERHEARD)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = system.environment("Publisher")["OMS_EVENT_BUS"]
    events.put_rule(Name=OVERHEARD, EventBusName=bus, EventPattern='{"source": [{"prefix": "oms"}]}')
    events.put_targets(Rule=OVERHEARD, EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])


def _tables(system: LocalSystem) -> list[tuple[str, str]]:
    dynamodb = system.client("dynamodb")
    scanned = []
    for table in dynamodb.list_tables()["TableNames"]:
        pages = dynamodb.get_paginator("scan").paginate(TableName=table)
        scanned.append((table, "".join(str(page["Items"]) for page in pages)))
    return scanned


def _queues(system: LocalSystem) -> list[tuple[str, str]]:
    """Reads the queues by the emulator's own API, which takes no message from a consumer."""
    accounts: dict[str, Any] = system.access.read("/_ministack/sqs/messages")["messages"]
    return [
        (url.rpartition("/")[2], json.dumps(messages))
        for regions in accounts.values()
        for queues in regions.values()
        for url, messages in queues.items()
    ]
