"""Writes the stock ledger from the inventory table's stream, and updates the sums of the stock report."""

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.core.settings import require
from oms.events import streams
from oms.events.consumers import observed
from oms.events.streams import Change
from oms.inventory.models import StockItem
from oms.reports import stock_sums
from oms.reports.sums import Chunk
from oms.stock_ledger import ledger, levels
from oms.stock_ledger.levels import LevelUpdate
from oms.stock_ledger.models import LedgerItem, ProductLevel

require("poison_queue_url")

logger = Logger()
metrics = Metrics()


@dataclass(frozen=True)
class StockUpdate:
    """The effects of a change of a stock item or a stock level: the ledger item, the contribution to the sums, and the
    update of the level of a product with several shards.
    """

    contribution: list[Chunk]
    ledger_item: LedgerItem | None = None
    level: LevelUpdate | None = None


def decode(change: Change) -> StockUpdate | None:
    """Returns the update. None for a restored stock item: its movements are also restored, and an operator rebuilds the
    sums.
    """
    if streams.is_restored(change):
        return None
    item = ledger.item_from_change(change)
    if change.new is None:
        return None
    if change.keys["sk"]["S"] == ProductLevel.key("")[1]:
        return StockUpdate(stock_sums.contribution_of_level(ProductLevel.from_raw_data(change.new)))
    if change.keys["sk"]["S"] != StockItem.key("")[1]:
        return None
    contribution = stock_sums.contribution(StockItem.from_raw_data(change.new))
    return StockUpdate(contribution, item, levels.update_from_change(change))


@observed
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    records = event["Records"]
    metrics.add_metric("StreamRecords", MetricUnit.Count, len(records))
    updates = list(streams.decode_records(records, decode))
    items = [(record, update.ledger_item) for record, update in updates if update.ledger_item]
    written = streams.process_each(items, ledger.write)
    metrics.add_metric("BookEntries", MetricUnit.Count, written)
    streams.process_each(levels.latest((it, update.level) for it, update in updates if update.level), levels.apply)
    streams.process_batch([(record, update.contribution) for record, update in updates], stock_sums.add_up)
    logger.info("wrote the stock ledger", records=len(records), entries=written)
