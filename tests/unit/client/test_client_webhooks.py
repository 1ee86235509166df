"""The client's verification of webhooks, compared with the package of Standard Webhooks."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from oms_client import webhooks
from oms_client.webhooks import WebhookVerificationError, signed_headers, verify

SECRET, OTHER = ("whsec_" + base64.b64encode(bytes([it]) * 32).decode() for it in (1, 2))
EVENT = {"id": "e1", "type": "order.created", "version": 1, "occurred_at": "2026-01-31T09:30:00.000Z", "sequence": 1}
BODY = json.dumps(EVENT | {"actor": {"id": "u", "role": "customer"}, "data": {"total": "9.90"}}).encode()
NOW = 1_770_000_000


def headers(secret: str = SECRET, body: bytes = BODY, now: float = NOW) -> dict[str, str]:
    return signed_headers(secret, "e1", body, now=now)


def check(body: bytes = BODY, secrets: Any = SECRET, now: float = NOW, **changed: str) -> Any:
    sent = headers() | {name.replace("_", "-"): value for name, value in changed.items()}
    return verify(body, sent, secrets, now=now)


def test_an_event_with_a_valid_signature_is_returned() -> None:
    event = check()

    assert (event.id, event.type, event.data["total"]) == ("e1", "order.created", "9.90")


def test_the_names_of_headers_may_be_in_any_case() -> None:
    assert verify(BODY, {it.title(): value for it, value in headers().items()}, SECRET, now=NOW).id == "e1"


def test_signatures_agree_with_the_package_of_the_standard() -> None:
    signed = Webhook(SECRET).sign("e1", datetime.fromtimestamp(NOW, UTC), BODY.decode())

    assert headers()["webhook-signature"] == signed


@pytest.mark.parametrize("secrets", [[OTHER, SECRET], [SECRET, OTHER]])
def test_one_of_several_secrets_and_signatures_suffices(secrets: list[str]) -> None:
    both = f"v1a,x {headers(OTHER)['webhook-signature']} {headers()['webhook-signature']}"

    assert check(secrets=secrets).id == "e1"
    assert check(webhook_signature=both).id == "e1"


@pytest.mark.parametrize(
    "changed",
    [
        {"body": BODY + b" "},
        {"secrets": OTHER},
        {"secrets": []},
        {"webhook_id": "e2"},
        {"webhook_timestamp": str(NOW + 1)},
        {"webhook_timestamp": "x"},
        {"webhook_signature": ""},
        {"webhook_signature": "v1,é"},
        {"now": NOW + 301},
        {"now": NOW - 301},
    ],
)
def test_any_other_request_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(WebhookVerificationError):
        check(**changed)


def test_a_missing_header_is_refused() -> None:
    for name in headers():
        with pytest.raises(WebhookVerificationError):
            verify(BODY, {it: value for it, value in headers().items() if it != name}, SECRET, now=NOW)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!!!!", "whsec_" + base64.b64encode(b"short").decode()])
def test_a_malformed_secret_is_an_error_of_the_caller(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        verify(BODY, headers(), secret, now=NOW)


def test_the_tolerance_is_five_minutes() -> None:
    assert webhooks.TOLERANCE_SECONDS == 300
    assert check(now=NOW + 300).id == check(now=NOW - 300).id == "e1"
