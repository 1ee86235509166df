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
from oms.stock_ledger import ledger
from oms.stock_ledger.models import LedgerItem

require("poison_queue_url")

logger = Logger()
metrics = Metrics()


@dataclass(frozen=True)
class StockUpdate:
    """The ledger item, if any, and the contribution to the sums that a change of a stock item causes."""

    ledger_item: LedgerItem | None
    contribution: list[Chunk]


def decode(change: Change) -> StockUpdate | None:
    """None for a restored stock item: its movements are restored too, and an operator rebuilds the sums."""
    if streams.is_restored(change):
        return None
    item = ledger.item_from_change(change)
    if change.new is None or change.keys["sk"]["S"] != StockItem.key("")[1]:
        return None
    return StockUpdate(item, stock_sums.contribution(StockItem.from_raw_data(change.new)))


@observed
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    records = event["Records"]
    metrics.add_metric("StreamRecords", MetricUnit.Count, len(records))
    updates = list(streams.decode_records(records, decode))
    items = [(record, update.ledger_item) for record, update in updates if update.ledger_item]
    written = streams.process_each(items, ledger.write)
    metrics.add_metric("BookEntries", MetricUnit.Count, written)
    streams.process_batch([(record, update.contribution) for record, update in updates], stock_sums.add_up)
    logger.info("wrote the stock ledger", records=len(records), entries=written)
