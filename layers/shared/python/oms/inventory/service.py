"""Creates, edits and lists products, and adjusts their stock."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import ConcurrentUpdateError, batch_get, get_item
from oms.core.errors import InsufficientStockError, InvalidRequestError, NotFoundError, SkuTakenError
from oms.core.idempotency import IdempotentResult, check_same_request, keyed_id, request_hash, run_idempotent
from oms.core.money import to_text
from oms.core.pages import Page, merged_page
from oms.core.transactions import TransactionError, transaction
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


class StockedProduct(NamedTuple):
    """A product with its stock."""

    product: Product
    stock: StockItem


# ---- reading --------------------------------------------------------------------------------------------------------


def get_product(product_id: str, *, include_archived: bool) -> StockedProduct:
    found = _read([product_id]).get(product_id)
    if found is None or (found.product.status != "active" and not include_archived):
        raise NotFoundError("Product not found.")
    return found


def list_products(query: ListProductsQuery, *, after: str | None) -> Page[StockedProduct]:
    """A page of products that match: one Query for each partition, and one BatchGet for each 50 products."""
    plan = listing(query, after=after)
    page = merged_page(plan.index, plan.partitions, plan.part)
    ids = [entry["pk"].removeprefix("product#") for entry in page.items]
    found = _read(ids)
    matching = []
    for (position, _), product_id in zip(page.placed, ids, strict=True):
        stocked = found.get(product_id)
        # The index lags behind the items, so the product may not be part of the list any more.
        if stocked and plan.holds(stocked.product.attribute_values) and _has_stock(stocked.stock, query):
            matching.append((position, stocked))
    return Page(matching, page.position)


def _has_stock(stock: StockItem, query: ListProductsQuery) -> bool:
    in_stock = stock.available > 0
    is_low = stock.low_stock_threshold is not None and stock.available <= stock.low_stock_threshold
    return query.in_stock in (None, in_stock) and query.low_stock in (None, is_low)


def _read(product_ids: Iterable[str]) -> dict[str, StockedProduct]:
    ids = list(product_ids)
    keys = [key for product_id in ids for key in (Product.key(product_id), StockItem.key(product_id))]
    items = batch_get(InventoryItem, keys)
    found = {}
    for product_id in ids:
        product, stock = items.get(Product.key(product_id)), items.get(StockItem.key(product_id))
        if isinstance(product, Product) and isinstance(stock, StockItem):
            found[product_id] = StockedProduct(product, stock)
    return found


# ---- products -------------------------------------------------------------------------------------------------------


def create_product(request: CreateProductRequest, *, actor: Actor, key: str | None) -> IdempotentResult[StockedProduct]:
    """Creates a product with its opening stock, once for each key. Raises SkuTakenError."""
    product_id = keyed_id(actor.id, "POST /inventory/products", key)
    fingerprint = request_hash(request)
    product, stock = new_product(product_id, request, actor=actor, fingerprint=fingerprint.stored)

    def attempt() -> IdempotentResult[StockedProduct]:
        try:
            put_new_product(product, stock)
        except TransactionError as error:
            if error.failed(product):
                return replay(Product.from_raw_data(error.stored(product)))
            if not error.has_reason(product) and error.failed(_sku_claim(product)):
                raise SkuTakenError(f"The SKU {request.sku} belongs to another product. Choose another SKU.") from error
            raise
        return IdempotentResult(StockedProduct(product, stock), replayed=False)

    def replay(stored: Product) -> IdempotentResult[StockedProduct]:
        check_same_request(stored.request_hash, fingerprint)
        # Product and stock are stored together, and never deleted.
        return IdempotentResult(_read([product_id])[product_id], replayed=key is not None)

    def find_previous() -> IdempotentResult[StockedProduct] | None:
        stored = get_item(Product, Product.key(product_id))
        return replay(stored) if stored else None

    return run_idempotent(attempt, find_previous=find_previous, keyed=key is not None)


def new_product(product_id: str, request: CreateProductRequest, *, actor: Actor, fingerprint: str) -> StockedProduct:
    """The items of a new product, not stored yet."""
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
    return StockedProduct(product, stock)


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
    """Stores a product, the claim on its SKU, its stock, and the count of its category in one transaction."""
    with transaction() as write:
        write.save(product, condition=Product.pk.does_not_exist(), return_values="ALL_OLD")
        write.save(_sku_claim(product), condition=SkuClaim.pk.does_not_exist())
        write.save(stock, condition=StockItem.pk.does_not_exist())
        count_products(write, product.category, 1)


def _sku_claim(product: Product) -> SkuClaim:
    return SkuClaim(*SkuClaim.key(product.sku), product_id=product.id)


def replace_product(
    product_id: str, request: ReplaceProductRequest, *, actor: Actor, address: str, expected_version: ExpectedVersion
) -> StockedProduct:
    """Replaces the product's editable fields.

    Raises NotFoundError, StaleVersionError, and InvalidRequestError if the SKU would change.
    """

    def replacement(stored: StockedProduct) -> ReplaceProductRequest:
        if request.sku != stored.product.sku:
            raise InvalidRequestError.at("cannot be changed", pointer="#/sku")
        return request

    return _edit(
        product_id, replacement, sets_threshold=True, actor=actor, address=address, expected_version=expected_version
    )


def update_product(
    product_id: str, request: UpdateProductRequest, *, actor: Actor, address: str, expected_version: ExpectedVersion
) -> StockedProduct:
    """As `replace_product`, but keeps the fields that the request omits."""
    changes = {name: getattr(request, name) for name in request.model_fields_set}
    if changes.get("attributes", {}) is None:
        changes["attributes"] = {}

    def replacement(stored: StockedProduct) -> ReplaceProductRequest:
        names = ReplaceProductRequest.model_fields.keys() - {"low_stock_threshold"}
        current = {name: getattr(stored.product, name) for name in names}
        current["low_stock_threshold"] = stored.stock.low_stock_threshold
        # Without validation: the stored values may be outside the present limits of a request.
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
    replacement: Callable[[StockedProduct], ReplaceProductRequest],
    *,
    sets_threshold: bool,
    actor: Actor,
    address: str,
    expected_version: ExpectedVersion,
) -> StockedProduct:
    change = clock.random_id()

    def attempt() -> StockedProduct:
        stored = get_product(product_id, include_archived=True)
        if stored.product.change == change:
            return stored  # by an earlier attempt whose response was lost
        edited = replacement(stored)
        expected_version.check(stored.product.version)
        try:
            entry = _price_entry(stored.product, edited, actor=actor, address=address)
            return _put_replacement(
                stored, edited, sets_threshold=sets_threshold, actor=actor, change=change, entry=entry
            )
        except TransactionError as error:
            if error.failed(stored.product):
                raise ConcurrentUpdateError from error
            raise

    def find_previous() -> StockedProduct | None:
        stored = get_product(product_id, include_archived=True)
        return stored if stored.product.change == change else None

    return run_idempotent(attempt, find_previous=find_previous, keyed=False)


def _price_entry(product: Product, request: ReplaceProductRequest, *, actor: Actor, address: str) -> AuditEntry | None:
    """The audit entry of a changed price, since a manager could lower a price for one order and restore it."""
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
    stored: StockedProduct,
    request: ReplaceProductRequest,
    *,
    sets_threshold: bool,
    actor: Actor,
    change: str,
    entry: AuditEntry | None,
) -> StockedProduct:
    """Without `sets_threshold` the stored threshold stays: that of `stored`, read earlier, may be outdated."""
    product, stock = stored
    read_version, left = product.version, _counted_in(product)
    # The product's values are current, as the write depends on its version; those of the stock item may be outdated.
    offered = (product.name, product.category, product.price, product.status)
    changes_offer = offered != (request.name, request.category, request.price, request.status)
    product.status = request.status
    product.version = read_version + 1
    product.change = change
    _write_text(product, request, actor=actor, at=clock.timestamp(clock.now()))
    entered = _counted_in(product)
    # Only the copies of the product's attributes. The units, `version` and `last` do not change.
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
    """The category that counts the product. None if it is archived."""
    return product.category if product.status == "active" else None


# ---- stock ----------------------------------------------------------------------------------------------------------


def adjust_stock(
    product_id: str, request: AdjustStockRequest, *, actor: Actor, key: str | None
) -> IdempotentResult[StockItem]:
    """Adds `request.adjustment` to the available units, once for each key. Returns the stock item after it.

    Raises NotFoundError, and InsufficientStockError if the available units would be negative.
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
        except TransactionError as error:
            stock = StockItem(*StockItem.key(product_id))
            if error.failed(adjustment):
                return replay(Adjustment.from_raw_data(error.stored(adjustment)))
            if not error.has_reason(adjustment) and error.failed(stock):
                raise _cannot_adjust(error.stored(stock), request.adjustment) from error
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


def _cannot_adjust(raw_stock: dict[str, Any], units: int) -> NotFoundError | InsufficientStockError:
    if not raw_stock:
        return NotFoundError("Product not found.")
    available = StockItem.from_raw_data(raw_stock).available
    return InsufficientStockError(f"{available} units are available, so the stock cannot be adjusted by {units}.")


def _stock(product_id: str) -> StockItem:
    stock = get_item(StockItem, StockItem.key(product_id))
    if stock is None:
        raise NotFoundError("Product not found.")
    return stock
