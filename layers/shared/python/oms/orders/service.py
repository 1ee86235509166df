"""Orders: read, priced and placed. Placing is one transaction, and the order is its own idempotency record."""

import hashlib
from collections.abc import Sequence

from pynamodb.exceptions import CancellationReason, TransactWriteError

from oms.core import clock
from oms.core.dynamodb import batch_get, failed, get_item, transaction
from oms.core.errors import NotFoundError, OmsError, PriceChangedError
from oms.core.idempotency import Written, check_same_request, keyed_id, request_hash, settle
from oms.core.money import to_text
from oms.core.pages import HIGHEST, LOWEST, Entry, Page, Range, merged_page
from oms.core.rate_limits import Window
from oms.core.settings import settings
from oms.identity.models import Slot
from oms.inventory.models import StockItem
from oms.orders.limits import Buyer, BuyerLimits
from oms.orders.models import BY_CREATED, BY_CUSTOMER, OPEN_ORDERS, Order, created_shard, open_shard
from oms.orders.offers import Offer, OfferCache
from oms.orders.pricing import Draft, Priced, Quote, implied_by_settings, merge, price
from oms.orders.rejections import refusal
from oms.orders.schemas import CreateOrderRequest, ListOrdersQuery
from oms.orders.states import OPEN, OrderStatus, stock_effect
from oms.orders.transitions import Origin, cause_of, stock_actions
from oms.orders.views import quote_response

OFFERS = OfferCache()


# ---- reading --------------------------------------------------------------------------------------------------------


def get_order(order_id: str, *, owner: str | None) -> Order:
    """The order, if it is `owner`'s (None: anyone's). Another customer's is not there."""
    order = get_item(Order, order_id)
    if order is None or owner not in (None, order.customer_id):
        raise NotFoundError("There is no such order.")
    return order


def list_orders(query: ListOrdersQuery, *, owner: str | None, after: str | None) -> Page[Order]:
    """A page of `owner`'s orders (None: everyone's), newest first: one Query a partition and one BatchGet."""
    wanted = {OrderStatus(status) for status in query.status or ()}
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
    return Page([it for it in orders if not wanted or OrderStatus(it[1].status) in wanted], page.position)


def quote_order(request: CreateOrderRequest, *, buyer: Buyer) -> Quote:
    """The price of a request, its shortfalls and what is over the buyer's limits, from the stock as it is now.

    Writes nothing.
    """
    merged = merge(request.items)
    stock = {item.product_id: item for item in batch_get(StockItem, [StockItem.key(it) for it in merged]).values()}
    for item in stock.values():
        OFFERS.learn(item)
    on_sale = {product_id: Offer.of(item) for product_id, item in stock.items() if item.status == "active"}
    priced = price(request, on_sale, buyer_role=buyer.role)
    available = {product_id: item.available for product_id, item in stock.items()}
    short = [(draft, available[draft.product_id]) for draft in priced.drafts]
    limits = BuyerLimits.of(buyer)
    excess = limits.excess_of_order(priced.units, priced.subtotal)
    for draft, units in short:
        excess.lines.extend(limits.excess_of_line(draft.product_id, draft.quantity, units))
    return Quote(priced, [(draft, units) for draft, units in short if units < draft.quantity], excess)


# ---- placing --------------------------------------------------------------------------------------------------------


def place_order(request: CreateOrderRequest, *, buyer: Buyer, key: str | None) -> Written[Order]:
    """Stores the order and reserves its stock, all or nothing, once for each key.

    Raises UnknownProductError and IdempotencyKeyReusedError (422), PriceChangedError, TooManyOpenOrdersError,
    OrderLimitError and InsufficientStockError (409), TooManyRequestsError (429), and UnavailableError (503) after
    contention that did not pass. None of them is the answer for an order that exists.
    """
    order_id = keyed_id(buyer.id, "POST /orders", key)
    limits = BuyerLimits.of(buyer)
    # The first entry needs no key of its own: the order's id is drawn from it.
    origin = Origin(buyer, clock.random_id(), request_hash(request, implied=implied_by_settings()))

    def attempt() -> Written[Order]:
        priced = price(request, OFFERS.of(merge(request.items)), buyer_role=buyer.role)
        priced = _within_expected_total(priced, request, buyer)
        limits.check(buyer.open_orders, priced.units, priced.subtotal)
        order = _new_order(order_id, request, priced, origin, verified=limits.verified)
        slots = _slots(limits)
        try:
            _reserve(order, priced.drafts, limits, slots)
        except TransactWriteError as error:
            order_reason, *reasons = error.cancellation_reasons or [None]
            if failed(order_reason):
                return replayed(Order.from_raw_data(order_reason.raw_item or {}))
            if order_reason or not any(failed(reason) for reason in reasons):
                raise  # conflict, throttling or a time-out: the retry wrapper's business
            stock_reasons = reasons[: len(priced.drafts)]
            if slots and not any(failed(reason) for reason in stock_reasons):
                raise slots.refusal() from error
            _learn_offers(stock_reasons)
            raise refusal(zip(priced.drafts, stock_reasons, strict=True), limits) from error
        return Written(order, replayed=False)

    def replayed(stored: Order) -> Written[Order]:
        _check_replay(stored, origin)
        return Written(stored, replayed=key is not None)

    def made_before() -> Written[Order] | None:
        stored = get_item(Order, order_id)
        return replayed(stored) if stored else None

    return settle(attempt, made_before=made_before, keyed=key is not None)


def _check_replay(stored: Order, origin: Origin) -> None:
    if stored.customer_id != origin.actor.id:
        # Ids are hashes over the user's id: this cannot be, and what it would show is somebody else's.
        raise OmsError("The order could not be stored.")
    check_same_request(stored.request_hash, origin.request_hash)


def _slots(limits: BuyerLimits) -> Window | None:
    """The minute in which a buyer with an unverified address may place so many orders."""
    most = limits.orders_per_minute
    return None if most is None else Window("orders", most, int(clock.now().timestamp()))


def _within_expected_total(priced: Priced, request: CreateOrderRequest, buyer: Buyer) -> Priced:
    """The order as priced, if it costs no more than the request expects.

    If it does, the remembered offers may be old, so the present ones are read before it is refused. An order that is
    cheap enough needs no read: its transaction holds only at the offers that it was priced with.
    """
    expected = request.expected_total
    if expected is None or priced.total <= expected:
        return priced
    quote = quote_order(request, buyer=buyer)
    if quote.priced.total <= expected:
        return quote.priced
    now, seen = (f"{to_text(amount)} {settings().currency}" for amount in (quote.priced.total, expected))
    raise PriceChangedError(
        f"The order costs {now} now, and expected_total is {seen}. Show the customer the new quote, and order again "
        "with its total.",
        extra={"quote": quote_response(quote).model_dump(mode="json")},
    )


def _new_order(order_id: str, request: CreateOrderRequest, priced: Priced, origin: Origin, *, verified: bool) -> Order:
    now = clock.now()
    at = clock.timestamp(now)
    shard = int.from_bytes(hashlib.sha256(order_id.encode()).digest()[:4]) % settings().order_shards
    address = request.shipping_address
    hold = settings().hold if verified else settings().unverified_hold
    return Order(
        id=order_id,
        number=f"{clock.day_of(now):%Y%m%d}-{order_id[:10]}",
        customer_id=origin.actor.id,
        status=OrderStatus.PENDING,
        lines=[draft.line() for draft in priced.drafts],
        subtotal=priced.subtotal,
        shipping_cost=priced.shipping_cost,
        total=priced.total,
        currency=settings().currency,
        shipping_address=address.stored() if address else None,
        note=request.note,
        created_at=at,
        updated_at=at,
        expires_at=clock.timestamp(now + hold),
        version=1,
        history=[origin.entry(None, OrderStatus.PENDING, at)],
        request_hash=origin.request_hash.stored,
        created_key=f"{at}#{order_id}",
        shard=created_shard(shard),
        open_shard=open_shard(OrderStatus.PENDING, shard),
    )


def _reserve(order: Order, drafts: Sequence[Draft], limits: BuyerLimits, slots: Window | None) -> None:
    """One transaction: the order if it is new, each product's units if its offer is the same and enough are left, and
    one of the buyer's slots where these are counted.
    """
    cause, effect = cause_of(order, "created"), stock_effect(OrderStatus.PENDING)
    with transaction() as write:
        write.save(order, condition=Order.id.does_not_exist(), return_values="ALL_OLD")
        for draft in drafts:
            write.update(
                StockItem(*StockItem.key(draft.product_id)),
                actions=stock_actions(effect, draft.quantity, cause),
                condition=(StockItem.offer == draft.offer.number)
                & (StockItem.status == "active")
                & (StockItem.available >= limits.stock_needed(draft.quantity)),
                return_values="ALL_OLD",
            )
        if slots:
            slot = Slot.of(slots.policy, order.customer_id, slots.number)
            actions, condition = Slot.taking(slots.limit, order.id, slots.forgotten_at)
            write.update(slot, actions=actions, condition=condition)


def _learn_offers(reasons: Sequence[CancellationReason | None]) -> None:
    for reason in reasons:
        if reason and reason.raw_item:
            OFFERS.learn(StockItem.from_raw_data(reason.raw_item))
