"""Products and their stock: created, edited and adjusted by conditional writes, listed from indexes."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import ConcurrentUpdateError, batch_get, failed, get_item, transaction
from oms.core.errors import InsufficientStockError, InvalidRequestError, NotFoundError, SkuTakenError
from oms.core.idempotency import IdempotentResult, check_same_request, keyed_id, request_hash, run_idempotent
from oms.core.money import to_text
from oms.core.pages import Page, merged_page
from oms.core.versions import ExpectedVersion
from oms.inventory.categories import count_products, remove_if_empty
from oms.inventory.listings import listing
from oms.inventory.models import Adjustment, Cause, Edit, InventoryItem, Product, SkuClaim, StockItem
from oms.inventory.schemas import (
    AdjustStockRequest,
    CreateProductRequest,
    ListProductsQuery,
    ProductText,
    ReplaceProductRequest,
    UpdateProductRequest,
)


class Stocked(NamedTuple):
    """A product with its stock."""

    product: Product
    stock: StockItem


# ---- reading --------------------------------------------------------------------------------------------------------


def get_product(product_id: str, *, archived_too: bool) -> Stocked:
    found = _read([product_id]).get(product_id)
    if found is None or (found.product.status != "active" and not archived_too):
        raise NotFoundError("There is no such product.")
    return found


def list_products(query: ListProductsQuery, *, after: str | None) -> Page[Stocked]:
    """A page of the products that match now: one Query a partition and one BatchGet for each 50 products."""
    plan = listing(query, after=after)
    page = merged_page(plan.index, plan.partitions, plan.part)
    ids = [entry["pk"].removeprefix("product#") for entry in page.items]
    found = _read(ids)
    products = [
        (place, found[product_id])
        for (place, _), product_id in zip(page.placed, ids, strict=True)
        if product_id in found
    ]
    # The index lags behind the items: what has moved out of the list meanwhile is left out here.
    listed = [it for it in products if plan.holds(it[1].product.attribute_values)]
    return Page([it for it in listed if _wanted(it[1].stock, query)], page.position)


def _wanted(stock: StockItem, query: ListProductsQuery) -> bool:
    in_stock = stock.available > 0
    low = stock.low_stock_threshold is not None and stock.available <= stock.low_stock_threshold
    return query.in_stock in (None, in_stock) and query.low_stock in (None, low)


def _read(product_ids: Iterable[str]) -> dict[str, Stocked]:
    ids = list(product_ids)
    keys = [key for product_id in ids for key in (Product.key(product_id), StockItem.key(product_id))]
    items = batch_get(InventoryItem, keys)
    found = {}
    for product_id in ids:
        product, stock = items.get(Product.key(product_id)), items.get(StockItem.key(product_id))
        if isinstance(product, Product) and isinstance(stock, StockItem):
            found[product_id] = Stocked(product, stock)
    return found


# ---- products -------------------------------------------------------------------------------------------------------


def create_product(request: CreateProductRequest, *, actor: Actor, key: str | None) -> IdempotentResult[Stocked]:
    """A new product with its first stock, in one transaction with the claim on its SKU. Raises SkuTakenError."""
    product_id = keyed_id(actor.id, "POST /inventory/products", key)
    fingerprint = request_hash(request)
    product, stock = new_product(product_id, request, actor=actor, fingerprint=fingerprint.stored)

    def attempt() -> IdempotentResult[Stocked]:
        try:
            put_new_product(product, stock)
        except TransactWriteError as error:
            product_reason, claim_reason, *_ = (*error.cancellation_reasons, None, None)
            if failed(product_reason):
                return replay(Product.from_raw_data(product_reason.raw_item or {}))
            if product_reason is None and failed(claim_reason):
                raise SkuTakenError(f"The SKU {request.sku} belongs to another product.") from error
            raise
        return IdempotentResult(Stocked(product, stock), replayed=False)

    def replay(stored: Product) -> IdempotentResult[Stocked]:
        check_same_request(stored.request_hash, fingerprint)
        # Product and stock are stored together, and neither is ever deleted.
        return IdempotentResult(_read([product_id])[product_id], replayed=key is not None)

    def find_previous() -> IdempotentResult[Stocked] | None:
        stored = get_item(Product, Product.key(product_id))
        return replay(stored) if stored else None

    return run_idempotent(attempt, find_previous=find_previous, keyed=key is not None)


def new_product(product_id: str, request: CreateProductRequest, *, actor: Actor, fingerprint: str) -> Stocked:
    """The items of a product that does not exist yet."""
    at = clock.timestamp(clock.now())
    product = Product(
        id=product_id,
        sku=request.sku,
        status="active",
        version=1,
        created_at=at,
        created_by=actor.id,
        change=product_id,
        request_hash=fingerprint,
    )
    _write_text(product, request, actor=actor, at=at)
    stock = StockItem(
        *StockItem.key(product_id),
        product_id=product_id,
        sku=request.sku,
        name=request.name,
        category=request.category,
        price=request.price,
        status="active",
        offer=1,
        available=request.stock,
        reserved=0,
        opening=request.stock,
        low_stock_threshold=request.low_stock_threshold,
        version=1,
        last=Cause(
            cause="product-created", actor=actor.id, actor_role=actor.role, ref=product_id, ref_version=1, at=at
        ),
    )
    return Stocked(product, stock)


def _write_text(product: Product, text: ProductText, *, actor: Actor, at: str) -> None:
    product.name = text.name
    product.description = text.description
    product.category = text.category
    product.price = text.price
    product.attributes = dict(text.attributes)
    product.updated_at = at
    product.updated_by, product.updated_by_role = actor.id, actor.role
    product.place()


def put_new_product(product: Product, stock: StockItem) -> None:
    """One transaction: the product, the claim on its SKU, its stock, and one more in its category."""
    with transaction() as write:
        write.save(product, condition=Product.pk.does_not_exist(), return_values="ALL_OLD")
        claim = SkuClaim(*SkuClaim.key(product.sku), product_id=product.id)
        write.save(claim, condition=SkuClaim.pk.does_not_exist())
        write.save(stock, condition=StockItem.pk.does_not_exist())
        count_products(write, product.category, 1)


def replace_product(
    product_id: str, request: ReplaceProductRequest, *, actor: Actor, address: str, expected_version: ExpectedVersion
) -> Stocked:
    """The product with its editable fields replaced; the offer moves on when what orders are computed with changes.

    Raises NotFoundError, StaleVersionError, and InvalidRequestError when the SKU would change.
    """

    def replacement(stored: Stocked) -> ReplaceProductRequest:
        if request.sku != stored.product.sku:
            raise InvalidRequestError.at("cannot be changed", pointer="#/sku")
        return request

    return _edit(
        product_id, replacement, sets_threshold=True, actor=actor, address=address, expected_version=expected_version
    )


def update_product(
    product_id: str, request: UpdateProductRequest, *, actor: Actor, address: str, expected_version: ExpectedVersion
) -> Stocked:
    """As `replace_product`, with what the product has in the place of the fields that the request leaves out."""
    changes = {name: getattr(request, name) for name in request.model_fields_set}
    if changes.get("attributes", {}) is None:
        changes["attributes"] = {}

    def replacement(stored: Stocked) -> ReplaceProductRequest:
        names = ReplaceProductRequest.model_fields.keys() - {"low_stock_threshold"}
        current = {name: getattr(stored.product, name) for name in names}
        current["low_stock_threshold"] = stored.stock.low_stock_threshold
        # What is stored is not validated: the limits of a request may have changed since.
        return ReplaceProductRequest.model_construct(**current | changes)

    sets_threshold = "low_stock_threshold" in changes
    return _edit(
        product_id,
        replacement,
        sets_threshold=sets_threshold,
        actor=actor,
        address=address,
        expected_version=expected_version,
    )


def _edit(
    product_id: str,
    replacement: Callable[[Stocked], ReplaceProductRequest],
    *,
    sets_threshold: bool,
    actor: Actor,
    address: str,
    expected_version: ExpectedVersion,
) -> Stocked:
    change = clock.random_id()

    def attempt() -> Stocked:
        stored = get_product(product_id, archived_too=True)
        if stored.product.change == change:
            return stored  # an attempt whose answer was lost
        wanted = replacement(stored)
        expected_version.check(stored.product.version)
        try:
            entry = _price_entry(stored.product, wanted, actor=actor, address=address)
            return _put_replacement(
                stored, wanted, sets_threshold=sets_threshold, actor=actor, change=change, entry=entry
            )
        except TransactWriteError as error:
            product_reason, *_ = (*error.cancellation_reasons, None)
            if failed(product_reason):
                raise ConcurrentUpdateError from error
            raise

    def find_previous() -> Stocked | None:
        stored = get_product(product_id, archived_too=True)
        return stored if stored.product.change == change else None

    return run_idempotent(attempt, find_previous=find_previous, keyed=False)


def _price_entry(product: Product, request: ReplaceProductRequest, *, actor: Actor, address: str) -> AuditEntry | None:
    """For the audit log, where the price changes: a price may be lowered for one order, and put back."""
    if product.price == request.price:
        return None
    return audit_log.entry(
        "product.price_changed",
        actor_id=actor.id,
        actor_role=actor.role,
        address=address,
        target=f"product#{product.id}",
        details={"old": to_text(product.price), "new": to_text(request.price)},
    )


def _put_replacement(
    stored: Stocked,
    request: ReplaceProductRequest,
    *,
    sets_threshold: bool,
    actor: Actor,
    change: str,
    entry: AuditEntry | None,
) -> Stocked:
    """Without `sets_threshold` the threshold stays: the stock item, which alone has it, may have been read earlier."""
    product, stock = stored
    read_version, left = product.version, _counted_in(product)
    # Compared with the product, whose version the write depends on; the stock item may have been read a moment earlier.
    offered = (product.name, product.category, product.price, product.status)
    changes_offer = offered != (request.name, request.category, request.price, request.status)
    product.status = request.status
    product.version = read_version + 1
    product.change = change
    _write_text(product, request, actor=actor, at=clock.timestamp(clock.now()))
    entered = _counted_in(product)
    # Only what the stock item repeats of the product: its units, `version` and `last` stay as they are.
    actions: list[Action] = [
        StockItem.name.set(request.name),
        StockItem.category.set(request.category),
        StockItem.price.set(request.price),
        StockItem.status.set(request.status),
        StockItem.edits.add(1),
        StockItem.edited.set(Edit(actor=actor.id, actor_role=actor.role, at=product.updated_at)),
    ]
    if changes_offer:
        actions.append(StockItem.offer.add(1))
    if sets_threshold:
        threshold = request.low_stock_threshold
        attribute = StockItem.low_stock_threshold
        actions.append(attribute.remove() if threshold is None else attribute.set(threshold))
    with transaction() as write:
        write.save(product, condition=Product.version == read_version)
        if entry:
            write.save(entry)
        write.update(stock, actions=actions, condition=StockItem.pk.exists())
        if left != entered:
            for category, units in ((left, -1), (entered, 1)):
                if category is not None:
                    count_products(write, category, units)
    if left is not None and left != entered:
        remove_if_empty(left)
    stock.low_stock_threshold = request.low_stock_threshold
    return stored


def _counted_in(product: Product) -> str | None:
    """The category whose count the product is part of."""
    return product.category if product.status == "active" else None


# ---- stock ----------------------------------------------------------------------------------------------------------


def adjust_stock(
    product_id: str, request: AdjustStockRequest, *, actor: Actor, key: str | None
) -> IdempotentResult[StockItem]:
    """The stock after moving what is available by `request.adjustment`, once for each key.

    Raises NotFoundError, and InsufficientStockError where it would fall below zero.
    """
    fingerprint = request_hash(request)
    adjustment_id = keyed_id(actor.id, f"PATCH /inventory/products/{product_id}/stock", key)
    adjustment = Adjustment(
        id=adjustment_id,
        product_id=product_id,
        adjustment=request.adjustment,
        reason=request.reason,
        actor=actor.id,
        at=clock.timestamp(clock.now()),
        request_hash=fingerprint.stored,
    ).place()

    def attempt() -> IdempotentResult[StockItem]:
        try:
            _put_adjustment(adjustment, actor.role)
        except TransactWriteError as error:
            adjustment_reason, stock_reason = (*error.cancellation_reasons, None, None)[:2]
            if failed(adjustment_reason):
                return replay(Adjustment.from_raw_data(adjustment_reason.raw_item or {}))
            if adjustment_reason is None and failed(stock_reason):
                raise _cannot_adjust(stock_reason.raw_item, request.adjustment) from error
            raise
        return IdempotentResult(_stock(product_id), replayed=False)

    def replay(stored: Adjustment) -> IdempotentResult[StockItem]:
        check_same_request(stored.request_hash, fingerprint)
        return IdempotentResult(_stock(product_id), replayed=key is not None)

    def find_previous() -> IdempotentResult[StockItem] | None:
        stored = get_item(Adjustment, Adjustment.key(adjustment_id))
        return replay(stored) if stored else None

    return run_idempotent(attempt, find_previous=find_previous, keyed=key is not None)


def _put_adjustment(adjustment: Adjustment, actor_role: str) -> None:
    units = adjustment.adjustment
    cause = Cause(
        cause="adjusted",
        actor=adjustment.actor,
        actor_role=actor_role,
        ref=adjustment.id,
        ref_version=1,
        at=adjustment.at,
    )
    enough: Condition = StockItem.pk.exists()
    if units < 0:
        enough &= StockItem.available >= -units
    with transaction() as write:
        write.save(adjustment, condition=Adjustment.pk.does_not_exist(), return_values="ALL_OLD")
        write.update(
            StockItem(*StockItem.key(adjustment.product_id)),
            actions=[StockItem.available.add(units), StockItem.version.add(1), StockItem.last.set(cause)],
            condition=enough,
            return_values="ALL_OLD",
        )


def _cannot_adjust(raw_stock: dict[str, Any] | None, units: int) -> NotFoundError | InsufficientStockError:
    if not raw_stock:
        return NotFoundError("There is no such product.")
    available = StockItem.from_raw_data(raw_stock).available
    return InsufficientStockError(f"{available} available, so the stock cannot be adjusted by {units}.")


def _stock(product_id: str) -> StockItem:
    stock = get_item(StockItem, StockItem.key(product_id))
    if stock is None:
        raise NotFoundError("There is no such product.")
    return stock
