"""Counts of orders, which a queue updates seconds after an order changes."""

from typing import Any

from local.system import LocalSystem
from tests.support.local_cloud.shop import wait_until


def open_orders(system: LocalSystem, user_id: str) -> int:
    """Returns the count on the user's item, which limits their next order."""
    item = _item(system, "OMS_IDENTITY_TABLE", f"user#{user_id}", "user")
    return int(item.get("open_orders", {"N": "0"})["N"])


def wait_until_counted(system: LocalSystem, order_id: str, version: int) -> None:
    """Waits until an order is counted as of this version, or a later one."""

    def counted() -> int:
        return int(_item(system, "OMS_REPORTS_TABLE", f"order#{order_id}", "applied#0").get("version", {"N": "0"})["N"])

    found = wait_until(counted, lambda it: it >= version)
    assert found >= version, f"order {order_id} is counted as of version {found}"


def _item(system: LocalSystem, table: str, pk: str, sk: str) -> dict[str, Any]:
    found = system.client("dynamodb").get_item(
        TableName=system.environment("Orders")[table], Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
    )
    return dict(found.get("Item", {}))
