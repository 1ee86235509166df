"""The output of `make listen` for the requests that it gets."""

import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from local import listen
from local.errors import LocalCloudError
from oms.webhooks.signature import new_secret, signed_headers

SECRET = new_secret()
WEBHOOK = Webhook(SECRET)


def event(event_type: str = "order.created", **data: Any) -> bytes:
    content = {"id": "EVENT1", "type": event_type, "version": 1, "sequence": 3, "data": {"id": "THING1"} | data}
    return json.dumps(content).encode()


def signed(body: bytes, *, secret: str = SECRET, seconds: int = 0) -> dict[str, str]:
    """Returns the headers of a request sent this number of seconds from now."""
    return signed_headers("EVENT1", int(datetime.now(UTC).timestamp()) + seconds, body, [secret])


@pytest.mark.parametrize(
    ("body", "resource"),
    [
        (event(number="20261122-ABC"), "order 20261122-ABC"),
        (event("stock.low", sku="COF-1", product_id="1"), "stock COF-1"),
        (event("webhook.disabled", host="a.example"), "webhook a.example"),
        (event("user.registered"), "user THING1"),
    ],
)
def test_a_verified_request_is_one_line_and_accepted(body: bytes, resource: str) -> None:
    status, line = listen.verdict(WEBHOOK, signed(body), body)

    name = json.loads(body)["type"]
    assert status == 204
    assert line.split() == [name, "EVENT1", "sequence", "3", *resource.split(), "verified"]


def test_the_names_of_headers_have_no_case() -> None:
    body = event()

    assert listen.verdict(WEBHOOK, {name.title(): it for name, it in signed(body).items()}, body)[0] == 204


@pytest.mark.parametrize("secret", [SECRET, SECRET.rstrip("=")], ids=["padded", "without padding"])
def test_a_secret_is_the_base64_of_the_key(secret: str) -> None:
    body = event()

    assert listen.verdict(Webhook(listen.signing_key(secret)), signed(body), body)[0] == 204


@pytest.mark.parametrize(
    "secret",
    ["whsec_!!!", "whsec_", SECRET.removeprefix("whsec_"), f"{SECRET}!", f"whsec_ {SECRET[6:]}", "whsec_c2hvcnQ=", "é"],
    ids=["no base64", "empty", "no prefix", "a mark behind", "a blank within", "short", "not ASCII"],
)
def test_an_invalid_secret_is_refused(secret: str) -> None:
    with pytest.raises(LocalCloudError, match="SECRET is not a webhook secret"):
        listen.signing_key(secret)


type Sent = tuple[dict[str, str], bytes]


@pytest.mark.parametrize(
    "send",
    [
        lambda: (signed(event()), event(number="other")),
        lambda: (signed(event(), secret=new_secret()), event()),
        lambda: (signed(event(), seconds=-3600), event()),
        lambda: (signed(event()) | {"webhook-id": "EVENT2"}, event()),
        lambda: (signed(event()) | {"webhook-signature": "v1"}, event()),
        lambda: (signed(event()) | {"webhook-signature": "v1,x"}, event()),
        lambda: (signed(event()) | {"webhook-timestamp": "soon"}, event()),
        lambda: ({}, event()),
        lambda: (signed(b"\xff"), b"\xff"),
    ],
    ids=["body", "secret", "old", "id", "no base64", "other base64", "time", "no headers", "no text"],
)
def test_a_request_that_does_not_verify_is_refused(send: Callable[[], Sent]) -> None:
    headers, body = send()

    status, line = listen.verdict(WEBHOOK, headers, body)

    assert status == 401
    assert line.startswith("rejected: ")


def test_data_of_an_event_does_not_move_the_cursor_of_the_terminal() -> None:
    body = event(number="\x1b[2J\nverified")

    _, line = listen.verdict(WEBHOOK, signed(body), body)

    assert "\x1b" not in line
    assert "\n" not in line


def test_a_line_is_one_write_so_that_lines_of_two_threads_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[str] = []

    class Output(io.StringIO):
        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stdout", Output())
    listen._say("order.created")

    assert writes == ["order.created\n"]
