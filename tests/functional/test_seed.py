"""The demo data of the local stage can be made in each currency."""

from collections.abc import Iterator

import pytest

from local import seed
from oms import settings
from oms.inventory import service as inventory


@pytest.fixture(params=["JPY", "KWD"])
def price(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of product 1, in minor units; with the stage's settings for that currency."""
    monkeypatch.setenv("OMS_CURRENCY", request.param)
    monkeypatch.setenv("OMS_SHIPPING_MAX", "1000")
    settings.settings.cache_clear()
    yield 2490
    settings.settings.cache_clear()


def test_the_demo_data_are_made_in_the_stages_currency(cloud: None, price: int) -> None:
    seed.seed()

    assert inventory.get_product("1", archived_too=False).product.price == price
