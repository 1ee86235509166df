"""Row A13: clients that forge another address. The integration tests cover both paths of a deployment."""

from typing import Any

import pytest

from auth import passwords as password_routes
from oms.core.dynamodb import client
from tests.support.accounts import PASSWORD
from tests.support.aws_calls import recorded
from tests.support.deployment import deployed_with
from tests.support.invocation import invoke

ORIGIN_SECRET = "the-front-door"


def registrations_until_refused(**options: Any) -> int:
    for number in range(8):
        body = {"email": f"u{number}@example.com", "password": PASSWORD, "first_name": "U"}
        headers = {name: value.format(number=number) for name, value in options.get("headers", {}).items()}
        address = options.get("address", "198.51.100.1").format(number=number)
        answer = invoke(password_routes, "POST", "/api/v1/auth/register", body, headers=headers, address=address)
        if answer.status == 429:
            return number
    return 8


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.{number}"},
        {"Forwarded": "for=203.0.113.{number}"},
        {"X-Real-IP": "203.0.113.{number}"},
        {"CloudFront-Viewer-Address": "203.0.113.{number}:443"},
        {"CloudFront-Viewer-Address": "203.0.113.{number}:443", "X-Origin-Secret": "guess"},
        {"CloudFront-Viewer-Address": "203.0.113.{number}:443", "X-Origin-Secret": ""},
        {"CloudFront-Viewer-Address": "203.0.113.{number}:443", "X-Origin-Secret": ORIGIN_SECRET + "x"},
        {"CloudFront-Viewer-Address": "203.0.113.{number}:443", "X-Origin-Secret": "gu\u00e9ss"},
        {"True-Client-IP": "203.0.113.{number}", "X-Origin-Secret": ORIGIN_SECRET},
        {"CloudFront-Viewer-Address": "nonsense {number}", "X-Origin-Secret": ORIGIN_SECRET},
        {
            "CloudFront-Viewer-Address": "203.0.113.7:{number}443",
            "X-Origin-Secret": ORIGIN_SECRET,
            "X-Forwarded-For": "203.0.113.{number}",
        },
    ],
)
def test_a13_forged_addresses_count_for_the_same_client(cloud: None, headers: dict[str, str]) -> None:
    assert registrations_until_refused(headers=headers) == 5


def test_a13_behind_the_front_each_viewer_counts_alone(cloud: None) -> None:
    headers = {"CloudFront-Viewer-Address": "203.0.113.{number}:443", "X-Origin-Secret": ORIGIN_SECRET}

    assert registrations_until_refused(headers=headers) == 8


@pytest.mark.parametrize(
    ("header", "allowed"),
    [("True-Client-IP", 8), ("CloudFront-Viewer-Address", 5), ("X-Forwarded-For", 5), ("X-Real-IP", 5)],
)
def test_a13_behind_the_stacks_own_front_only_the_header_that_it_writes_counts(
    cloud: None, header: str, allowed: int
) -> None:
    headers = {"X-Origin-Secret": ORIGIN_SECRET, header: "203.0.113.{number}"}

    with deployed_with(FRONT_REQUIRED="true"):
        assert registrations_until_refused(headers=headers) == allowed


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("2001:db8:1:2::{number}", 5), ("2001:db8:1:{number}::1", 8), ("::ffff:198.51.100.1{number}", 8)],
)
def test_a13_an_ipv6_client_counts_by_its_64(cloud: None, address: str, allowed: int) -> None:
    assert registrations_until_refused(address=address) == allowed


def test_a13_the_origin_secret_is_not_fetched_for_requests_without_one(cloud: None) -> None:
    with recorded() as calls:
        registrations_until_refused(headers={"CloudFront-Viewer-Address": "203.0.113.{number}:443"})

    assert not [call for call in calls if call.startswith("secretsmanager")]
    assert client().scan(TableName="identity")["Count"] > 0
