"""Changes the number of shards over which a product's units are spread.

Each step is safe to repeat and to stop after: no unit is lost or out of reach, since readers and orders count the units
of all stored shards. A repeated request continues.
"""

from pynamodb.expressions.update import Action

from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import in_parallel, is_written, put_item
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.transactions import TransactionError, transaction
from oms.core.versions import ExpectedVersion
from oms.inventory import service, shards
from oms.inventory.models import Adjustment, Cause, ShardUnits, StockItem
from oms.inventory.service import StockedProduct


def set_shards(product_id: str, count: int, *, actor: Actor, expected_version: ExpectedVersion) -> StockedProduct:
    """Sets the number of shards from which orders draw first, and spreads the available units evenly over them.

    Raises NotFoundError and StaleVersionError.
    """

    def attempt() -> int:
        product, main = service.get_product(product_id, include_archived=True)
        expected_version.check(product.version)
        _create_shards(main, count, actor=actor)
        if main.shard_count != count:
            _write_count(main, count, actor=actor)
        return max(main.item_count, count)

    stored_shards = retrying(attempt)
    if stored_shards > 1:
        shards.copy_offer(product_id, stored_shards)
        shards.balance(product_id, stored_shards, actor=actor)
    return service.get_product(product_id, include_archived=True)


def _create_shards(main: StockItem, count: int, *, actor: Actor) -> None:
    """Stores the missing shards, without units. Orders draw from them only after `_write_count`.

    An interrupted request may have stored some, with an older offer. They get the current one here: a process that
    knows only the older offer must not sell from them.
    """
    cause = Cause(
        cause="shard-created",
        actor=actor.id,
        actor_role=actor.role,
        ref=main.product_id,
        ref_version=1,
        at=clock.timestamp(clock.now()),
    )

    def create(shard: int) -> None:
        stock = StockItem(
            *StockItem.key(main.product_id, shard),
            product_id=main.product_id,
            sku=main.sku,
            name=main.name,
            category=main.category,
            price=main.price,
            status=main.status,
            offer=main.offer,
            available=0,
            reserved=0,
            opening=0,
            version=1,
            last=cause,
        )
        if not is_written(lambda: put_item(stock, StockItem.pk.does_not_exist())):
            shards.copy_offer_to(stock, main)

    in_parallel(create, range(main.item_count, count))


def _write_count(main: StockItem, count: int, *, actor: Actor) -> None:
    """Writes the number of shards into shard 0, with a movement in the ledger.

    It changes the offer, so that each process reads the number before its next order. Raises ConcurrentUpdateError if
    the offer has changed meanwhile.
    """
    record = Adjustment(
        id=clock.random_id(),
        product_id=main.product_id,
        adjustment=0,
        parts=[ShardUnits(shard=0, units=0)],
        cause="resharded",
        reason=f"{count} shards",
        actor=actor.id,
        at=clock.timestamp(clock.now()),
        request_hash="",
    ).place()
    actions: list[Action] = [
        StockItem.shards.set(count),
        StockItem.shards_created.set(max(main.item_count, count)),
        StockItem.offer.add(1),
        StockItem.version.add(1),
        StockItem.last.set(shards.cause_of_change(record, actor.role)),
    ]
    if main.unsharded_version is None:
        actions.append(StockItem.unsharded_version.set(StockItem.version))
    try:
        with transaction() as write:
            write.save(record, condition=Adjustment.pk.does_not_exist())
            write.update(StockItem(main.pk, main.sk), actions=actions, condition=StockItem.offer == main.offer)
    except TransactionError as error:
        if error.any_failed:
            raise ConcurrentUpdateError from error
        raise
