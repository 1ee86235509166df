"""Maps events and internal messages to notifications."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from oms.core import clock
from oms.mail.content import accounts as account_mails
from oms.mail.content import orders as order_mails
from oms.mail.content import reports as report_mails
from oms.mail.content import webhooks as webhook_mails
from oms.mail.messages import Notification

# A mail about an older event is no longer useful. Claims are kept for longer than this, so that an old event that is
# published again does not cause a second mail.
MAX_EVENT_AGE = timedelta(days=7)

type BusMessage = dict[str, Any]


def notification_for(body: str) -> Notification | None:
    """Returns the notification that a message causes, if any.

    Raises KeyError or ValueError for a message of unknown form.
    """
    message = json.loads(body)
    if "request" in message:
        return account_mails.reset(message["request"])
    if "report" in message:
        return report_mails.ready(message["report"], message["user"])
    if "password_of" in message:
        return account_mails.password_changed(message["password_of"], message["version"], message["at"])
    if "email_of" in message:
        return account_mails.email_change(
            message["email_of"], message["change"], epoch=int(message["epoch"]), to=message["to"]
        )
    if clock.instant(message["occurred_at"]) + MAX_EVENT_AGE < clock.now():
        return None
    return _BY_EVENT_TYPE[message["type"]](message, body)


_BY_EVENT_TYPE: dict[str, Callable[[BusMessage, str], Notification | None]] = {
    **dict.fromkeys(order_mails.MAILED, lambda _, body: order_mails.order_moved(body)),
    "user.registered": lambda event, _: account_mails.verification(event["data"]["id"]),
    "user.locked": lambda event, _: account_mails.lock(event["id"], event["data"]["id"], event["data"]["locked_until"]),
    "user.role_changed": lambda event, _: account_mails.role_changed(
        event["id"], event["data"]["id"], event["data"]["role"]
    ),
    "webhook.disabled": lambda event, _: webhook_mails.disabled(event["id"], event["data"]["id"]),
}
