"""The API's view of a repair."""

from oms.inventory.schemas import UnitsChange
from oms.stock_ledger.repair import Repair
from oms.stock_ledger.schemas import StockRepairResponse


def repair_response(repair: Repair, *, dry_run: bool) -> StockRepairResponse:
    return StockRepairResponse(
        product_id=repair.product_id,
        shard=repair.shard,
        check_id=repair.run_id,
        dry_run=dry_run,
        version=repair.version,
        available=UnitsChange(before=repair.before.available, after=repair.after.available),
        reserved=UnitsChange(before=repair.before.reserved, after=repair.after.reserved),
        repaired_at=repair.repaired_at,
    )
