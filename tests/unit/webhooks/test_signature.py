"""A22: an independent verifier accepts the system's signatures."""

import base64
import json
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from oms.webhooks.signature import new_secret, signed_headers

BODY = '{"type":"order.created","note":"Grüße, 你好"}'.encode()


def signed(*secrets: str) -> dict[str, str]:
    """Returns the headers of a request sent now: the verifier checks the time."""
    return signed_headers("EVENT1", int(datetime.now(UTC).timestamp()), BODY, secrets)


def test_a22_the_golden_vector_of_the_standard() -> None:
    """https://github.com/standard-webhooks/standard-webhooks, the reference libraries' test of signing."""
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a22_the_independent_verifier_accepts_the_signatures() -> None:
    secret = new_secret()

    headers = signed(secret)

    assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)
    assert headers["webhook-id"] == "EVENT1"


@pytest.mark.parametrize("seconds", [1, -1, -3600])
def test_a22_another_time_is_refused(seconds: int) -> None:
    secret = new_secret()
    headers = signed(secret)

    later = {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + seconds)}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, headers | later)


@pytest.mark.parametrize(
    "change", [{"webhook-id": "EVENT2"}, {"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()}]
)
def test_a22_a_tampered_request_is_refused(change: dict[str, str]) -> None:
    secret = new_secret()

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, signed(secret) | change)


def test_a22_a_changed_body_is_refused() -> None:
    secret = new_secret()

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", signed(secret))


def test_a22_while_a_secret_is_rotated_either_verifies() -> None:
    new, old, stranger = (new_secret() for _ in range(3))
    headers = signed(new, old)

    assert all(Webhook(it).verify(BODY, headers) for it in (new, old))
    with pytest.raises(WebhookVerificationError):
        Webhook(stranger).verify(BODY, headers)


def test_a_secret_is_32_random_bytes() -> None:
    first, second = new_secret(), new_secret()

    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32
    assert first != second
