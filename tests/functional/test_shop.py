"""The settings by which clients show amounts and times as the shop does."""

import pytest

from tests.support.deployment import deployed_with
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person

SHOP = "/api/v1/shop"


@pytest.mark.parametrize(
    ("deployed", "shown"),
    [
        ({}, {"name": None, "currency": "EUR", "time_zone": "UTC"}),
        (
            {"CURRENCY": "JPY", "TIME_ZONE": "Asia/Tokyo", "PUBLIC_URL": "https://shop.example:8443/front"},
            {"name": "shop.example:8443", "currency": "JPY", "time_zone": "Asia/Tokyo"},
        ),
    ],
)
def test_every_user_gets_the_shops_name_currency_and_time_zone(
    customer: Person, manager: Person, deployed: dict[str, str], shown: dict[str, str | None]
) -> None:
    with deployed_with(**deployed):
        for who in (customer, manager):
            answer = call("GET", SHOP, token=who.token)
            assert (answer.status, answer.json) == (200, shown), answer.text
        assert_problem(call("GET", SHOP), 401, "unauthenticated")


def test_a_clients_own_cache_may_keep_the_shop_until_a_setting_changes(customer: Person) -> None:
    def get(tag: str) -> tuple[int, str]:
        answer = call("GET", SHOP, token=customer.token, headers={"If-None-Match": tag})
        assert answer.headers["Cache-Control"] == "private, max-age=300"
        return answer.status, str(answer.headers["ETag"])

    _, tag = get('"none"')

    assert get(tag) == (304, tag)
    with deployed_with(CURRENCY="CHF"):
        status, other = get(tag)
    assert status == 200
    assert other != tag
    assert get(other) == (200, tag)
