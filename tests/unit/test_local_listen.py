"""What `make listen` makes of what it is sent."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from local import listen
from oms.webhooks.signature import new_secret, signed_headers

SECRET = new_secret()
WEBHOOK = Webhook(SECRET)
NOW = int(datetime.now(UTC).timestamp())


def event(event_type: str = "order.created", **data: Any) -> bytes:
    content = {"id": "EVENT1", "type": event_type, "version": 1, "sequence": 3, "data": {"id": "THING1"} | data}
    return json.dumps(content).encode()


def signed(body: bytes, *, secret: str = SECRET, at: int = NOW) -> dict[str, str]:
    return signed_headers("EVENT1", at, body, [secret])


@pytest.mark.parametrize(
    ("body", "thing"),
    [
        (event(number="20261122-ABC"), "order 20261122-ABC"),
        (event("stock.low", sku="COF-1", product_id="1"), "stock COF-1"),
        (event("webhook.disabled", url="https://a.example/"), "webhook https://a.example/"),
        (event("user.registered"), "user THING1"),
    ],
)
def test_what_verifies_is_one_line_and_taken(body: bytes, thing: str) -> None:
    status, line = listen.verdict(WEBHOOK, signed(body), body)

    name = json.loads(body)["type"]
    assert status == 204
    assert line.split() == [name, "EVENT1", "sequence", "3", *thing.split(), "verified"]


def test_the_names_of_headers_have_no_case() -> None:
    body = event()

    assert listen.verdict(WEBHOOK, {name.title(): it for name, it in signed(body).items()}, body)[0] == 204


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (signed(event()), event(number="other")),
        (signed(event(), secret=new_secret()), event()),
        (signed(event(), at=NOW - 3600), event()),
        (signed(event()) | {"webhook-id": "EVENT2"}, event()),
        (signed(event()) | {"webhook-signature": "v1"}, event()),
        (signed(event()) | {"webhook-signature": "v1,x"}, event()),
        (signed(event()) | {"webhook-timestamp": "soon"}, event()),
        ({}, event()),
        (signed(b"\xff"), b"\xff"),
    ],
)
def test_what_does_not_verify_is_refused(headers: dict[str, str], body: bytes) -> None:
    status, line = listen.verdict(WEBHOOK, headers, body)

    assert status == 401
    assert line.startswith("refused: ")


def test_what_a_subscriber_is_sent_does_not_move_the_cursor() -> None:
    body = event(number="\x1b[2J\nverified")

    _, line = listen.verdict(WEBHOOK, signed(body), body)

    assert "\x1b" not in line
    assert "\n" not in line
