"""Orders: placed, moved and read. One transaction for each change of state; the order is its own idempotency record."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pynamodb.exceptions import CancellationReason, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms import clock
from oms.dynamodb import ConditionFailedError, TryAgainError, batch_get, failed, get_item, transaction, update_item
from oms.errors import InvalidTransitionError, NotFoundError, OmsError
from oms.idempotency import Written, check_same_request, keyed_id, request_hash, settle
from oms.inventory.models import Cause, StockItem
from oms.orders.models import (
    BY_CREATED,
    BY_CUSTOMER,
    OPEN_ORDERS,
    HistoryEntry,
    Order,
    created_shard,
    open_shard,
    shard_number,
)
from oms.orders.offers import Offer, OfferCache
from oms.orders.pricing import Draft, Priced, Quote, merge, price
from oms.orders.refusals import refusal
from oms.orders.schemas import CreateOrderRequest, ListOrdersQuery
from oms.orders.states import CANCEL, CONFIRM, EXPIRE, OPEN, Move, Status
from oms.pages import HIGHEST, LOWEST, Entry, Page, Range, merged_page
from oms.schemas import NoFields, Request
from oms.settings import settings

_offers = OfferCache()


class Actor(Protocol):
    """Who makes a change: a signed-in user, or the system."""

    @property
    def id(self) -> str: ...
    @property
    def role(self) -> str: ...


@dataclass(frozen=True)
class System:
    """The actor of changes that nobody asked for."""

    id: str = "system"
    role: str = "system"


# ---- reading --------------------------------------------------------------------------------------------------------


def get_order(order_id: str, *, owner: str | None) -> Order:
    """The order, if it is `owner`'s (None: anyone's). Another customer's is not there."""
    order = get_item(Order, order_id)
    if order is None or owner not in (None, order.customer_id):
        raise NotFoundError("There is no such order.")
    return order


def list_orders(query: ListOrdersQuery, *, owner: str | None, after: str | None) -> Page[Order]:
    """A page of `owner`'s orders (None: everyone's), newest first: one Query a partition and one BatchGet."""
    wanted = {Status(status) for status in query.status or ()}
    customer = owner or query.customer_id
    shards = range(settings().order_shards)
    part = Range(query.limit, descending=True, low=query.from_ or LOWEST, high=query.to or HIGHEST, after=after)

    def has_status(entry: Entry) -> bool:
        return entry["status"] in wanted

    if customer is not None:
        page = merged_page(BY_CUSTOMER, [customer], part, keep=has_status if wanted else None)
    elif wanted and wanted <= OPEN:
        partitions = [f"{status}#{number}" for status in sorted(wanted) for number in shards]
        page = merged_page(OPEN_ORDERS, partitions, part)
    else:
        partitions = [created_shard(number) for number in shards]
        page = merged_page(BY_CREATED, partitions, part, keep=has_status if wanted else None)
    found = batch_get(Order, [entry["id"] for entry in page.items])
    orders = [(place, found[entry["id"]]) for place, entry in page.placed if entry["id"] in found]
    # The index lags behind the orders, so the status is looked at again.
    return Page([it for it in orders if not wanted or Status(it[1].status) in wanted], page.position)


def quote_order(request: CreateOrderRequest, *, buyer: Actor) -> Quote:
    """The price of a request and its shortfalls, from the stock as it is now. Writes nothing."""
    merged = merge(request.items)
    stock = {item.product_id: item for item in batch_get(StockItem, [StockItem.key(it) for it in merged]).values()}
    on_sale = {product_id: Offer.of(item) for product_id, item in stock.items() if item.status == "active"}
    priced = price(request, on_sale, buyer_role=buyer.role)
    available = {product_id: item.available for product_id, item in stock.items()}
    short = [(draft, available[draft.product_id]) for draft in priced.drafts]
    return Quote(priced, [(draft, units) for draft, units in short if units < draft.quantity])


# ---- placing --------------------------------------------------------------------------------------------------------


def place_order(request: CreateOrderRequest, *, buyer: Actor, key: str | None) -> Written[Order]:
    """Stores the order and reserves its stock, all or nothing, once for each key.

    Raises UnknownProductError (422), InsufficientStockError (409), IdempotencyKeyReusedError (422), and
    UnavailableError (503) after contention that did not pass. None of them is the answer for an order that exists.
    """
    order_id = keyed_id(buyer.id, "POST /orders", key)
    fingerprint = request_hash(request)

    def attempt() -> Written[Order]:
        priced = price(request, _offers.of(merge(request.items)), buyer_role=buyer.role)
        order = _new_order(order_id, request, priced, buyer=buyer, fingerprint=fingerprint, entry_key=entry_key)
        try:
            _reserve(order, priced.drafts)
        except TransactWriteError as error:
            order_reason, *stock_reasons = error.cancellation_reasons or [None]
            if failed(order_reason):
                return replay(Order.from_raw_data(order_reason.raw_item or {}))
            if order_reason or not any(failed(reason) for reason in stock_reasons):
                raise  # conflict, throttling or a time-out: the retry wrapper's business
            _learn_offers(stock_reasons)
            raise refusal(zip(priced.drafts, stock_reasons, strict=True)) from error
        return Written(order, replayed=False)

    def replay(stored: Order) -> Written[Order]:
        if stored.customer_id != buyer.id:
            # Ids are hashes over the user's id: this cannot be, and what it would show is somebody else's.
            raise OmsError("The order could not be stored.")
        check_same_request(stored.request_hash, fingerprint)
        return Written(stored, replayed=key is not None)

    def made_before() -> Written[Order] | None:
        stored = get_item(Order, order_id)
        return replay(stored) if stored else None

    entry_key = clock.random_id()
    return settle(attempt, made_before=made_before, keyed=key is not None)


def _new_order(
    order_id: str, request: CreateOrderRequest, priced: Priced, *, buyer: Actor, fingerprint: str, entry_key: str
) -> Order:
    now = clock.now()
    at = clock.timestamp(now)
    shard = int.from_bytes(hashlib.sha256(order_id.encode()).digest()[:4]) % settings().order_shards
    address = request.shipping_address
    return Order(
        id=order_id,
        number=f"{now:%Y%m%d}-{order_id[:10]}",
        customer_id=buyer.id,
        status=Status.PENDING,
        lines=[draft.line() for draft in priced.drafts],
        subtotal=priced.subtotal,
        shipping_cost=priced.shipping_cost,
        total=priced.total,
        currency=settings().currency,
        shipping_address=address.model_dump() if address else None,
        note=request.note,
        created_at=at,
        updated_at=at,
        expires_at=clock.timestamp(now + settings().hold),
        version=1,
        history=[_entry(None, Status.PENDING, at, buyer, None, entry_key, fingerprint)],
        request_hash=fingerprint,
        created_key=f"{at}#{order_id}",
        shard=created_shard(shard),
        open_shard=open_shard(Status.PENDING, shard),
    )


def _reserve(order: Order, drafts: Sequence[Draft]) -> None:
    """One transaction: the order if it is new, and each product's units if the offer stands and enough are left."""
    cause = _cause("order-created", order.history[0], order)
    with transaction() as write:
        write.save(order, condition=Order.id.does_not_exist(), return_values="ALL_OLD")
        for draft in drafts:
            write.update(
                StockItem(*StockItem.key(draft.product_id)),
                actions=[
                    StockItem.available.add(-draft.quantity),
                    StockItem.reserved.add(draft.quantity),
                    StockItem.version.add(1),
                    StockItem.last.set(cause),
                ],
                condition=(StockItem.offer == draft.offer.number)
                & (StockItem.status == "active")
                & (StockItem.available >= draft.quantity),
                return_values="ALL_OLD",
            )


def _learn_offers(reasons: Sequence[CancellationReason | None]) -> None:
    for reason in reasons:
        if reason and reason.raw_item:
            _offers.learn(StockItem.from_raw_data(reason.raw_item))


# ---- moving ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A request for a move. `owner` keeps it to that customer's orders; `check` may refuse the order as it is."""

    actor: Actor
    body: Request
    owner: str | None = None
    key: str | None = None
    check: Callable[[Order], None] = lambda _: None


def confirm_order(order_id: str, asked: Asked) -> Written[Order]:
    return _move(order_id, CONFIRM, asked)


def cancel_order(order_id: str, asked: Asked, *, reason: str | None) -> Written[Order]:
    return _move(order_id, CANCEL, asked, reason=reason)


def expire_order(order_id: str, *, now: datetime, seen: Order | None = None) -> Written[Order]:
    """Ends a hold that is due at `now`. A confirm that came first wins: then this is an InvalidTransitionError.

    `seen` is the order as it was read lately; where it has changed since, it is read again.
    """

    def is_due(order: Order) -> None:
        if order.expires_at is None or clock.instant(order.expires_at) > now:
            raise InvalidTransitionError("The order is not due.")

    return _move(order_id, EXPIRE, Asked(System(), NoFields(), check=is_due), seen=seen)


def _move(
    order_id: str, move: Move, asked: Asked, *, reason: str | None = None, seen: Order | None = None
) -> Written[Order]:
    entry_key = keyed_id(asked.actor.id, f"POST /orders/{order_id}/{move.name}", asked.key)
    fingerprint = request_hash(asked.body)

    def made_before(order: Order) -> Written[Order] | None:
        entry = order.entry(entry_key)
        if entry is None:
            return None
        check_same_request(entry.request_hash, fingerprint)
        return Written(order, replayed=asked.key is not None)

    def attempt() -> Written[Order]:
        nonlocal seen
        order, seen = seen or get_order(order_id, owner=asked.owner), None
        earlier = made_before(order)
        if earlier is not None:
            return earlier
        asked.check(order)
        if order.status not in move.sources:
            raise InvalidTransitionError(
                f"An order that is {order.status} cannot become {move.target}.",
                extra={"from": order.status, "to": move.target},
            )
        at = clock.timestamp(clock.now())
        entry = _entry(order.status, move.target, at, asked.actor, reason, entry_key, fingerprint)
        return Written(_write_move(order, move, entry), replayed=False)

    # An attempt starts by reading the order, so only one whose outcome is unknown needs another look.
    return settle(attempt, made_before=lambda: made_before(get_order(order_id, owner=asked.owner)), keyed=False)


def _write_move(order: Order, move: Move, entry: HistoryEntry) -> Order:
    """Writes the transition if the order is still as it was read; TryAgainError if it is not."""
    unchanged = (Order.status == order.status) & (Order.version == order.version)
    actions = _enter(order, move, entry)
    try:
        if move.releases:
            _release(order, actions, unchanged, _cause(f"order-{move.target}", entry, order))
        else:
            update_item(Order(order.id), actions, unchanged)
    except ConditionFailedError as error:
        raise TryAgainError from error
    except TransactWriteError as error:
        order_reason, *stock_reasons = error.cancellation_reasons or [None]
        if failed(order_reason):
            raise TryAgainError from error
        if order_reason is None and any(failed(reason) for reason in stock_reasons):
            raise OmsError("The stock of this order does not add up.") from error
        raise
    return order


def _enter(order: Order, move: Move, entry: HistoryEntry) -> list[Action]:
    """Puts the order into the move's target state, in memory, and returns the actions that do the same in the table."""
    order.status = move.target
    order.version += 1
    order.updated_at = entry.at
    order.history.append(entry)
    order.open_shard = open_shard(move.target, shard_number(order))
    order.expires_at = None
    actions: list[Action] = [
        Order.status.set(order.status),
        Order.version.set(order.version),
        Order.updated_at.set(order.updated_at),
        Order.history.set(Order.history.append([entry])),
        Order.open_shard.set(order.open_shard) if order.open_shard else Order.open_shard.remove(),
        Order.expires_at.remove(),
    ]
    if move is CANCEL and entry.reason is not None:
        order.cancel_reason = entry.reason
        actions.append(Order.cancel_reason.set(entry.reason))
    return actions


def _release(order: Order, actions: list[Action], unchanged: Condition, cause: Cause) -> None:
    """One transaction: the order's transition, and its reserved units back to what is available."""
    with transaction() as write:
        write.update(Order(order.id), actions=actions, condition=unchanged, return_values="ALL_OLD")
        for line in order.lines:
            for draw in line.drawn:
                write.update(
                    StockItem(*StockItem.key(line.product_id, draw.shard)),
                    actions=[
                        StockItem.available.add(draw.quantity),
                        StockItem.reserved.add(-draw.quantity),
                        StockItem.version.add(1),
                        StockItem.last.set(cause),
                    ],
                    condition=StockItem.reserved >= draw.quantity,
                )


def _entry(
    source: str | None, target: str, at: str, actor: Actor, reason: str | None, key: str, fingerprint: str
) -> HistoryEntry:
    return HistoryEntry(
        from_=source,
        to=target,
        at=at,
        actor_id=actor.id,
        actor_role=actor.role,
        reason=reason,
        key=key,
        request_hash=fingerprint,
    )


def _cause(name: str, entry: HistoryEntry, order: Order) -> Cause:
    return Cause(cause=name, actor=entry.actor_id, ref=order.id, ref_version=order.version, at=entry.at)
