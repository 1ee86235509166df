"""The stock book: one movement for each version of a stock item, derived from the table's stream."""

from datetime import UTC, datetime

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, get_item, put_item, retrying
from oms.core.errors import NotFoundError
from oms.core.pages import HIGHEST, Page, Range, table_page
from oms.events.streams import Change, HopelessError
from oms.inventory.models import Product, StockItem
from oms.inventory.stock_levels import Band, band, crossed
from oms.stock_ledger.models import MOVEMENTS, Crossing, LedgerItem, Movement


def entry(change: Change) -> LedgerItem | None:
    """What a change of the inventory table writes into the book: nothing, unless it is a stock item's.

    Pure, and the same for the same change, however often the stream brings it. Raises ValueError for a stock item that
    was removed, since no part of the system does that, and PynamoDB's for one that lacks something.
    """
    written = _entry(change)
    if written is not None:
        written.serialize()  # what lacks something is to be found here, where it is set aside, and not at each write
    return written


def _entry(change: Change) -> LedgerItem | None:
    if change.keys["sk"]["S"] != StockItem.key("")[1]:
        return None
    if change.new is None:
        raise ValueError("a stock item was removed")
    old = StockItem.from_raw_data(change.old) if change.old else None
    new = StockItem.from_raw_data(change.new)
    # A new product begins in its band: that is no crossing.
    crossing = crossed(_band(old), _band(new)) if old else None
    if old is None or old.version != new.version:
        return Movement(
            new.pk,
            Movement.sort_key(new.version),
            version=new.version,
            at=new.last.at,
            cause=new.last.cause,
            actor=new.last.actor,
            ref=new.last.ref,
            ref_version=new.last.ref_version,
            available_before=old.available if old else 0,
            available_after=new.available,
            reserved_before=old.reserved if old else 0,
            reserved_after=new.reserved,
            crossing=crossing,
        )
    if crossing is None:
        return None
    at = clock.timestamp(datetime.fromtimestamp(change.at, UTC))
    return Crossing(new.pk, Crossing.sort_key(change.sequence), at=at, crossing=crossing, sequence=change.sequence)


def _band(stock: StockItem) -> Band:
    return band(stock.available, stock.low_stock_threshold)


def write(written: LedgerItem) -> None:
    """Puts an entry that is not there yet; one that is stays as it was first written.

    Raises HopelessError where that one says something else: a stock item was put back to what it had been, and moves on
    from there under numbers that the book has used. What comes now must not be lost without a word.
    """

    def attempt() -> None:
        try:
            put_item(written, LedgerItem.pk.does_not_exist())
        except ConditionFailedError as error:
            if error.item != written.serialize():
                raise HopelessError("the book has another entry of this version") from error

    retrying(attempt)


def list_movements(product_id: str, *, limit: int, after: str | None) -> Page[Movement]:
    """A page of a product's movements, newest first; they lag behind the stock by seconds. Raises NotFoundError."""
    part = Range(limit, descending=True, low=MOVEMENTS, high=MOVEMENTS + HIGHEST, after=after)
    page = table_page(Movement, StockItem.key(product_id)[0], part)
    if not page.placed and get_item(Product, Product.key(product_id)) is None:
        raise NotFoundError("There is no such product.")
    return page
