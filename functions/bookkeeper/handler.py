"""Writes the stock book from the inventory table's stream, and adds up the stock."""

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
class Changed:
    """What a change of a stock item writes into the book, if anything, and adds to the sums."""

    entry: LedgerItem | None
    contribution: list[Chunk]


def understand(change: Change) -> Changed | None:
    """Nothing of a stock item that was restored: its movements are restored with it, and the sums rebuilt."""
    if streams.is_restored(change):
        return None
    entry = ledger.entry(change)
    if change.new is None or change.keys["sk"]["S"] != StockItem.key("")[1]:
        return None
    return Changed(entry, stock_sums.contribution(StockItem.from_raw_data(change.new)))


@observed
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    metrics.add_metric("StreamRecords", MetricUnit.Count, len(event["Records"]))
    understood = list(streams.understood(event["Records"], understand))
    written = streams.carry_out([(record, it.entry) for record, it in understood if it.entry], ledger.write)
    metrics.add_metric("BookEntries", MetricUnit.Count, written)
    streams.carry_out_together([(record, it.contribution) for record, it in understood], stock_sums.add_up)
    logger.info("written into the stock book", records=len(event["Records"]), entries=written)
