"""Reads, prices and places orders. An order is placed in one transaction, and is its own idempotency record."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import batch_get, get_item
from oms.core.errors import ExternalRefTakenError, NotFoundError, OmsError, PriceChangedError
from oms.core.idempotency import IdempotentResult, check_same_request, keyed_id, request_hash, run_idempotent
from oms.core.money import to_text
from oms.core.pages import HIGHEST, LOWEST, Index, KeyRange, Page, merged_page
from oms.core.retries import ShardConflictError
from oms.core.settings import settings
from oms.core.shown_items import shown_items
from oms.core.transactions import TransactionError, transaction
from oms.inventory import shards
from oms.inventory.models import StockItem
from oms.orders.buyers import Buyer, OrderingUser, find_buyer
from oms.orders.drawing import Drawing
from oms.orders.limits import BuyerLimits
from oms.orders.models import (
    BY_CREATED,
    BY_CUSTOMER,
    BY_CUSTOMER_STATUS,
    BY_STATUS,
    ExternalRef,
    Order,
    created_shard,
    customer_status,
    status_keys,
    status_shard,
)
from oms.orders.offers import Offer, OfferCache
from oms.orders.order_windows import OrderCounter, counters_of
from oms.orders.pricing import PricedOrder, Quote, implied_by_settings, merge, price
from oms.orders.rejections import rejection
from oms.orders.schemas import CreateOrderRequest, ListOrdersQuery
from oms.orders.states import OrderStatus, stock_effect
from oms.orders.transitions import RequestOrigin, cause_of, stock_actions
from oms.orders.views import VIEW_ATTRIBUTES, View, quote_response
from oms.orders.visibility import Visibility

OFFERS = OfferCache()


# ---- reading --------------------------------------------------------------------------------------------------------


def get_order(order_id: str, *, visibility: Visibility) -> Order:
    """Returns an order.

    Raises NotFoundError, also for an order that the caller may not see, so that its existence stays unknown.
    """
    order = get_item(Order, order_id)
    if order is None or not visibility.includes(order):
        raise NotFoundError("Order not found.")
    return order


def list_orders(query: ListOrdersQuery, *, visibility: Visibility, after: str | None) -> Page[Order]:
    """Returns a page of the visible orders, newest first: one Query for each partition, and one BatchGet.

    Every filter is part of a key of the index, so no filter reads orders and drops them.
    """
    statuses = frozenset(OrderStatus(status) for status in query.status or OrderStatus)
    index, partitions = list_partitions(visibility.customer_id or query.customer_id, statuses)
    part = KeyRange(query.limit, descending=True, low=query.from_ or LOWEST, high=query.to or HIGHEST, after=after)
    page = merged_page(index, partitions, part)
    found = shown_items(Order, [entry["id"] for entry in page.items], VIEW_ATTRIBUTES)
    orders = [(place, found[entry["id"]]) for place, entry in page.placed if entry["id"] in found]
    # The index lags behind the orders, so the status of each order is compared again.
    matching = [(place, order) for place, order in orders if OrderStatus(order.status) in statuses]
    return Page(matching, page.position)


def list_partitions(customer_id: str | None, statuses: frozenset[OrderStatus]) -> tuple[Index, list[str]]:
    """Returns the index and its partitions that together have the orders of these statuses, of one customer or all."""
    shards = range(settings().order_shards)
    if len(statuses) == len(OrderStatus):
        if customer_id is None:
            return BY_CREATED, [created_shard(number) for number in shards]
        return BY_CUSTOMER, [customer_id]
    if customer_id is None:
        return BY_STATUS, [status_shard(status, number) for status in sorted(statuses) for number in shards]
    return BY_CUSTOMER_STATUS, [customer_status(customer_id, status) for status in sorted(statuses)]


def quote_order(request: CreateOrderRequest, *, actor: Actor, account: OrderingUser | None = None) -> Quote:
    """Returns the current price of a request, with its shortfalls and its excess over the limits of an order.

    Writes nothing.
    """
    merged = merge(request.items)
    stock = {
        item.product_id: item
        for item in batch_get(StockItem, [StockItem.key(product_id) for product_id in merged]).values()
    }
    for item in stock.values():
        OFFERS.learn(item)
    shards.add_up(stock.values())
    on_sale = {product_id: Offer.of(item) for product_id, item in stock.items() if item.status == "active"}
    priced = price(request, on_sale, buyer_role=actor.role)
    available = {product_id: item.available for product_id, item in stock.items()}
    short = [(line, available[line.product_id]) for line in priced.lines]
    limits = BuyerLimits.of(actor, account)
    excess = limits.excess_of_order(priced.units, priced.subtotal)
    for line, units in short:
        excess.lines.extend(limits.excess_of_line(line.product_id, line.quantity, units))
    return Quote(priced, [(line, units) for line, units in short if units < line.quantity], excess)


# ---- placing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Placement:
    """A request to place an order. The id is derived from its external reference or its idempotency key, so that a
    retry finds the same order.

    `account` is that of the actor, if it can be the buyer. The caller shows the order in `view`. `guest_address` is the
    client address of a guest.
    """

    order_id: str
    request: CreateOrderRequest
    actor: Actor
    account: OrderingUser | None
    limits: BuyerLimits
    origin: RequestOrigin
    keyed: bool
    view: View | None
    guest_address: str | None
    drawing: Drawing = field(default_factory=Drawing)


def external_order_id(channel: str, external_id: str) -> str:
    """Returns the id of the order with an external reference, whether the order exists or not."""
    return keyed_id("external", channel, external_id)


def place_order(
    request: CreateOrderRequest,
    *,
    actor: Actor,
    key: str | None,
    account: OrderingUser | None = None,
    view: View | None = None,
    guest_address: str | None = None,
    entry_key: str | None = None,
) -> IdempotentResult[Order]:
    """Stores the order and reserves its stock, all or nothing, once for each external reference or key.

    The actor sends it. The buyer is the customer that the request names, else `account`. The caller has checked that
    the actor may name a customer and a reference. Without `account`, the request must name a customer. `entry_key` is
    the key of the first history entry, by which the sender finds out whether this request placed the order.

    Raises InvalidRequestError, UnknownCustomerError, UnknownProductError and IdempotencyKeyReusedError (422),
    ExternalRefTakenError, PriceChangedError, TooManyOpenOrdersError, OrderLimitError and InsufficientStockError (409),
    TooManyRequestsError (429), and UnavailableError (503) after lasting contention. None of them is raised if the
    request has stored its order.
    """
    ref = request.external_ref
    placement = Placement(
        order_id=external_order_id(ref.channel, ref.id) if ref else keyed_id(actor.id, "POST /orders", key),
        request=request,
        actor=actor,
        account=account,
        limits=BuyerLimits.of(actor, account),
        # The first history entry needs no key: the order's id identifies the request.
        origin=RequestOrigin(
            actor, entry_key or clock.random_id(), request_hash(request, implied=implied_by_settings())
        ),
        keyed=ref is not None or key is not None,
        view=view,
        guest_address=guest_address,
    )
    return run_idempotent(
        lambda: _try_to_place(placement), find_previous=lambda: _find_placed(placement), keyed=placement.keyed
    )


def _try_to_place(placement: Placement) -> IdempotentResult[Order]:
    """Tries once. Raises ConcurrentUpdateError if an offer has changed meanwhile, and the errors of `place_order`."""
    buyer = find_buyer(placement.request.customer, placement.account)
    if buyer.user is not None and placement.view is not None:
        placement.view.add_customer(buyer.user)
    priced = placement.drawing.choose_shards(_price(placement))
    # The orders of a contact are counted by the transaction, so here only a limit of 0 refuses them.
    placement.limits.check_open_orders(buyer.open_orders, buyer.open_orders_limit)
    placement.limits.check(priced.units, priced.subtotal)
    order = _new_order(placement, buyer, priced)
    counters = counters_of(
        placement.limits, sender_id=placement.actor.id, contact=buyer.contact, guest_address=placement.guest_address
    )
    try:
        _reserve(order, priced, placement.limits, counters)
    except TransactionError as error:
        if error.failed(order):
            return _replayed(Order.from_raw_data(error.stored(order)), placement)
        if error.has_reason(order) or not error.any_failed:
            if not error.has_reason(order) and placement.drawing.can_avoid_conflict(error, priced, placement.limits):
                raise ShardConflictError from error
            raise  # a conflict, throttling or a time-out: `retrying` decides
        if not error.failed(*(item for line in priced.lines for item in line.stock_items)):
            reached = next(counted for counted in counters if error.failed(counted.counter))
            raise reached.window.refusal() from error
        _learn_offers(error, priced)
        failed = placement.drawing.stock_of_failed(error, priced, placement.limits, OFFERS)
        raise rejection(failed, placement.limits) from error
    return IdempotentResult(order, replayed=False)


def _find_placed(placement: Placement) -> IdempotentResult[Order] | None:
    stored = get_item(Order, placement.order_id)
    return _replayed(stored, placement) if stored else None


def _replayed(stored: Order, placement: Placement) -> IdempotentResult[Order]:
    """Returns the order that an earlier request stored.

    Raises ExternalRefTakenError or IdempotencyKeyReusedError if that request was different.
    """
    origin = placement.origin
    if placement.request.external_ref is not None:
        # The reference identifies the order, for all senders. The hash has no customer if it is the sender.
        own_id = placement.account.id if placement.account else None
        is_same_customer = placement.request.customer is not None or stored.customer_id == own_id
        if not is_same_customer or not origin.request_hash.matches(stored.request_hash):
            raise ExternalRefTakenError(stored.id)
    elif stored.history[0].actor_id != origin.actor.id:
        # The id is a hash that includes the actor's id. A match would show the order of another sender.
        raise OmsError("The order could not be stored.")
    else:
        check_same_request(stored.request_hash, origin.request_hash)
    return IdempotentResult(stored, replayed=placement.keyed)


def _price(placement: Placement) -> PricedOrder:
    """Prices the order. Raises PriceChangedError if it costs more than the request expects.

    Cached offers may be stale, so an order that seems too expensive is priced again from the stored offers. Other
    orders need no read, since their transaction fails if an offer has changed.
    """
    request, actor = placement.request, placement.actor
    priced = price(request, OFFERS.of(merge(request.items)), buyer_role=actor.role)
    expected = request.expected_total
    if expected is None or priced.total <= expected:
        return priced
    quote = quote_order(request, actor=actor, account=placement.account)
    if quote.priced.total <= expected:
        return quote.priced
    now, seen = (f"{to_text(amount)} {settings().currency}" for amount in (quote.priced.total, expected))
    raise PriceChangedError(
        f"The order costs {now} now, but its expected_total is {seen}. Show the customer the new quote, then order "
        "again with its total.",
        extra={"quote": quote_response(quote).model_dump(mode="json")},
    )


def _new_order(placement: Placement, buyer: Buyer, priced: PricedOrder) -> Order:
    order_id, request, origin = placement.order_id, placement.request, placement.origin
    now = clock.now()
    at = clock.timestamp(now)
    shard = int.from_bytes(hashlib.sha256(order_id.encode()).digest()[:4]) % settings().order_shards
    ref = request.external_ref
    hold = settings().hold if placement.limits.verified else settings().unverified_hold
    return Order(
        id=order_id,
        number=f"{clock.day_of(now):%Y%m%d}-{order_id[:10]}",
        customer_id=buyer.customer_id,
        contact=buyer.contact,
        external_ref=ExternalRef(channel=ref.channel, id=ref.id) if ref else None,
        status=OrderStatus.PENDING,
        lines=[line.stored() for line in priced.lines],
        subtotal=priced.subtotal,
        shipping_cost=priced.shipping_cost,
        total=priced.total,
        currency=settings().currency,
        **request.stored_contents(),
        created_at=at,
        updated_at=at,
        expires_at=clock.timestamp(now + hold),
        version=1,
        history=[origin.entry(None, OrderStatus.PENDING, at)],
        request_hash=origin.request_hash.stored,
        created_key=f"{at}#{order_id}",
        shard=created_shard(shard),
        **status_keys(customer_id=buyer.customer_id, status=OrderStatus.PENDING, shard=shard),
    )


def _reserve(order: Order, priced: PricedOrder, limits: BuyerLimits, counters: Sequence[OrderCounter]) -> None:
    """Stores the order and reserves its units in one transaction, which also counts the order.

    Its conditions: the order is new, each offer is unchanged, enough units are available, and no counter is at its
    limit.
    """
    cause, effect = cause_of(order, "created"), stock_effect(OrderStatus.PENDING)
    with transaction() as write:
        write.save(order, condition=Order.id.does_not_exist(), return_values="ALL_OLD")
        for line, draw in priced.draws:
            write.update(
                line.stock_item(draw),
                actions=stock_actions(effect, draw.quantity, cause),
                condition=(StockItem.offer == line.offer.number)
                & (StockItem.status == "active")
                & (StockItem.available >= (draw.quantity if line.planned else limits.stock_needed(draw.quantity))),
                return_values="ALL_OLD",
            )
        for counted in counters:
            write.update(counted.counter, *counted.counter.increment_once(counted.window.limit, order.id))


def _learn_offers(error: TransactionError, priced: PricedOrder) -> None:
    """Caches the offers of the stock items that the response contains for failed conditions, of shard 0 only."""
    for line in priced.lines:
        if raw := error.stored(StockItem(*StockItem.key(line.product_id))):
            OFFERS.learn(StockItem.from_raw_data(raw))
