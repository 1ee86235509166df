"""Finds products by their SKUs."""

from collections.abc import Iterable

from oms.core.dynamodb import Key, batch_get_raw
from oms.inventory.models import SkuClaim


def ids_of(skus: Iterable[str]) -> dict[str, str]:
    """Returns the ids of the products that exist, by the case-folded SKU. One call reads 100 claims."""
    keys: dict[Key, str] = {SkuClaim.key(sku): sku.casefold() for sku in skus}
    found = batch_get_raw(SkuClaim, keys, only=("pk", "sk", "product_id")) if keys else {}
    return {keys[key]: raw["product_id"]["S"] for key, raw in found.items()}
