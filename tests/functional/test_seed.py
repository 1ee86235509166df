"""The demo data of the local stage: it can be created in each currency, at sensible prices."""

import pytest

from infra.stages import DECIMALS, Stage
from local import demo, seed
from oms.core.money import from_text
from oms.inventory import service as inventory
from tests.support.deployment import deployed_locally, deployed_with
from tests.support.shop import orders_stored


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


@pytest.mark.parametrize("currency", DECIMALS)
def test_every_demo_amount_is_an_amount_of_every_currency(currency: str) -> None:
    prices = [product.price for products in demo.CATALOGUE.values() for product in products]
    shipping = [cost for _, _, cost, _ in seed.ORDERS]

    with deployed_with(CURRENCY=currency):
        made = [from_text(demo.amount_in(currency, DECIMALS[currency], euros)) for euros in (*prices, *shipping)]

    assert all(amount > 0 for amount in made)
    assert len(set(made[: len(prices)])) == len(set(prices)), "none is rounded to another one"
