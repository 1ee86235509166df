"""The demo data of the local stage: it can be created in each currency, at sensible prices."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from infra.stages import DECIMALS, Stage
from local import demo, seed
from oms.core.money import from_text
from oms.inventory import service as inventory
from oms.orders.models import Order
from oms.service_keys.scopes import SCOPES
from tests.support.aws_calls import intercepted
from tests.support.deployment import deployed_locally, deployed_with
from tests.support.gateway import call
from tests.support.service_keys import stored
from tests.support.shop import orders_stored

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("currency", "price", "total"),
    [
        ("EUR", "24.90", "74.30"),
        ("JPY", "2490", "7430"),
        ("KWD", "24.900", "74.300"),
        ("IDR", "249000.00", "743000.00"),
    ],
)
def test_the_demo_data_are_made_in_the_stages_currency(
    cloud: None, monkeypatch: pytest.MonkeyPatch, currency: str, price: str, total: str
) -> None:
    # The demo accounts' password is short: only the local cloud accepts it.
    monkeypatch.setattr(demo, "PASSWORD", "a password that is long enough")
    most = Stage.named("local", {"currency": currency}).shipping_bound
    with deployed_locally(CURRENCY=currency, SHIPPING_MAX=most or ""):
        seed.seed()

        assert inventory.get_product("1", include_archived=False).product.price == from_text(price)
        assert from_text(total) in {order.total for order in orders_stored()}, (
            "two of it, one of 14.50, 10.00 of shipping"
        )


def by_key(orders: Iterable[Order]) -> list[Order]:
    return [order for order in orders if order.history[0].actor_role == "service"]


def test_the_key_of_the_demo_shop_has_all_scopes_in_the_local_stage_and_none_elsewhere(
    cloud: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "PASSWORD", "a password that is long enough")
    with deployed_locally():
        users = seed.seed()

    assert sorted((it.external_ref.channel, bool(it.contact), len(it.tags)) for it in by_key(orders_stored())) == [
        ("erp", False, 1),
        ("marketplace", True, 2),
    ]
    with intercepted() as made:
        assert call("GET", "/api/v1/orders?limit=1", token=demo.SERVICE_KEY).json["items"]
    assert made
    assert {tuple(sorted(key.scopes)) for key in stored(demo.SERVICE_KEY.split("_")[2])} == {tuple(sorted(SCOPES))}
    with deployed_with(STAGE="prod"), intercepted() as made:
        assert call("GET", "/api/v1/orders", token=demo.SERVICE_KEY).status == 401
        with pytest.raises(ValueError, match="another stage"):
            seed._service_key(users["admin@demo.example"])
    assert made == []


def test_each_example_with_a_key_has_that_of_the_demo_shop() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "clients").rglob("*.md")]
    keys = {key for page in pages for key in re.findall(r"oms_local_\w{40,}", page.read_text())}

    assert keys == {demo.SERVICE_KEY}


@pytest.mark.parametrize("currency", DECIMALS)
def test_every_demo_amount_is_an_amount_of_every_currency(currency: str) -> None:
    prices = [product.price for products in demo.CATALOGUE.values() for product in products]
    shipping = [order.shipping_cost for order in seed.ORDERS if order.shipping_cost != "0"]

    with deployed_with(CURRENCY=currency):
        made = [from_text(demo.amount_in(currency, DECIMALS[currency], euros)) for euros in (*prices, *shipping)]

    assert all(amount > 0 for amount in made)
    assert len(set(made[: len(prices)])) == len(set(prices)), "none is rounded to another one"
