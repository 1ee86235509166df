"""Row A33: requests to API Gateway's own address, past the CloudFront distribution and its web ACL."""

from collections.abc import Iterator
from typing import Any

import pytest

from oms.core import secret_store
from oms.core.settings import settings
from oms.http import client_address
from tests.support.accounts import PASSWORD
from tests.support.aws_calls import recorded
from tests.support.deployment import deployed_with
from tests.support.gateway import assert_problem
from tests.support.gateway import call as send
from tests.support.invocation import Answer

ORIGIN_SECRET = "the-front-door"
PATHS = ["/health", "/openapi.json", "/unknown", "/api/v1/auth/me", "/api/v1/orders", "/api/v1/inventory/products"]


@pytest.fixture
def front(cloud: None) -> Iterator[None]:
    """A stage with a back office, which accepts only the requests of its distribution."""
    with deployed_with(FRONT_REQUIRED="true"):
        yield
    store(ORIGIN_SECRET)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("secret", [None, "", "guess", f"{ORIGIN_SECRET}x", ORIGIN_SECRET[:-1], ",", "\u00e9"])
def test_a33_a_request_without_the_secret_of_the_front_is_refused(front: None, path: str, secret: str | None) -> None:
    answer = call("GET", path, headers={} if secret is None else {"X-Origin-Secret": secret})

    assert_problem(answer, 403, "direct-request")


def test_a33_it_is_refused_before_anything_is_read_or_written(front: None) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD, "first_name": "Ada"}

    with recorded() as calls:
        answer = call("POST", "/api/v1/auth/register", body)

    assert_problem(answer, 403, "direct-request")
    assert calls == []


def test_a33_requests_of_the_front_are_answered(front: None) -> None:
    headers = {"X-Origin-Secret": ORIGIN_SECRET}

    assert call("GET", "/health", headers=headers).status == 200
    assert_problem(call("GET", "/api/v1/auth/me", headers=headers), 401, "unauthenticated")


def test_a33_a_stage_without_a_front_answers_direct_requests(cloud: None) -> None:
    assert call("GET", "/health").status == 200


@pytest.mark.parametrize("sent", ["the-old", "the-new", "the-old,the-new"])
def test_a33_while_the_secret_is_rotated_the_old_and_the_new_one_are_accepted(front: None, sent: str) -> None:
    store("the-old,the-new")

    assert call("GET", "/health", headers={"X-Origin-Secret": sent}).status == 200
    for wrong in (ORIGIN_SECRET, ",", "the-", "x,y,the-new"):
        assert_problem(call("GET", "/health", headers={"X-Origin-Secret": wrong}), 403, "direct-request")


def test_a33_after_the_rotation_the_old_secret_is_refused(front: None) -> None:
    store("the-new")

    assert call("GET", "/health", headers={"X-Origin-Secret": "the-old,the-new"}).status == 200
    assert_problem(call("GET", "/health", headers={"X-Origin-Secret": "the-old"}), 403, "direct-request")


def call(method: str, path: str, body: Any = None, **options: Any) -> Answer:
    # The document describes the API's own URL, where no client meets this refusal.
    return send(method, path, body, documented=False, **options)


def store(value: str) -> None:
    """Stores a new value, as if the functions had loaded the old one five minutes ago."""
    secret_store.secrets_client().put_secret_value(SecretId=settings().origin_secret, SecretString=value)
    client_address.ORIGIN_SECRET.forget()
