"""Which message asks for which mail."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from oms.core import clock
from oms.mail.content import accounts as account_mails
from oms.mail.content import orders as order_mails
from oms.mail.content import reports as report_mails
from oms.mail.content import webhooks as webhook_mails
from oms.mail.messages import Notice

# Beyond it nobody waits for the mail. What was sent is remembered for longer, so that an event that is published anew
# from an old change is no mail anew.
AWAITED = timedelta(days=7)

type Message = dict[str, Any]


def asked_by(body: str) -> Notice | None:
    """What an event, or an internal message, asks to be mailed. Raises for anything else."""
    message = json.loads(body)
    if "request" in message:
        return account_mails.reset(message["request"])
    if "report" in message:
        return report_mails.ready(message["report"], message["user"])
    if "password_of" in message:
        return account_mails.password_changed(message["password_of"], message["version"], message["at"])
    if clock.instant(message["occurred_at"]) + AWAITED < clock.now():
        return None
    return _ASKING[message["type"]](message, body)


_ASKING: dict[str, Callable[[Message, str], Notice | None]] = {
    **dict.fromkeys(order_mails.MAILED, lambda _, body: order_mails.notice(body)),
    "user.registered": lambda event, _: account_mails.verification(event["data"]["id"]),
    "user.locked": lambda event, _: account_mails.lock(event["id"], event["data"]["id"], event["data"]["locked_until"]),
    "user.role_changed": lambda event, _: account_mails.role_changed(
        event["id"], event["data"]["id"], event["data"]["role"]
    ),
    "webhook.disabled": lambda event, _: webhook_mails.disabled(event["id"], event["data"]["id"]),
}
