"""Creates, edits and lists products."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import batch_get, get_item
from oms.core.errors import InvalidRequestError, NotFoundError, SkuTakenError
from oms.core.idempotency import (
    IdempotentResult,
    RequestHash,
    check_same_request,
    keyed_id,
    request_hash,
    run_idempotent,
)
from oms.core.money import to_text
from oms.core.pages import Page, merged_page
from oms.core.retries import ConcurrentUpdateError
from oms.core.shown_items import shown_items
from oms.core.transactions import TransactionError, transaction
from oms.core.versions import ExpectedVersion
from oms.inventory import shards
from oms.inventory.categories import count_products, remove_if_empty
from oms.inventory.listings import listing
from oms.inventory.models import Cause, Edit, InventoryItem, Product, SkuClaim, StockItem
from oms.inventory.schemas import (
    CreateProductRequest,
    ListProductsQuery,
    ProductFields,
    ReplaceProductRequest,
    UpdateProductRequest,
)
from oms.inventory.views import VIEW_ATTRIBUTES


class StockedProduct(NamedTuple):
    """A product with its stock: shard 0, which in memory has the units of all shards."""

    product: Product
    stock: StockItem


# ---- reading --------------------------------------------------------------------------------------------------------


def get_product(product_id: str, *, include_archived: bool) -> StockedProduct:
    found = read_products([product_id]).get(product_id)
    if found is None or (found.product.status != "active" and not include_archived):
        raise NotFoundError("Product not found.")
    return found


def list_products(query: ListProductsQuery, *, after: str | None) -> Page[StockedProduct]:
    """Returns a page of matching products, by one Query for each partition, and one BatchGet for each 50 products."""
    plan = listing(query, after=after)
    page = merged_page(plan.index, plan.partitions, plan.part)
    ids = [entry["pk"].removeprefix("product#") for entry in page.items]
    found = read_products(ids, shown=VIEW_ATTRIBUTES | {plan.index.partition_key, plan.index.sort_key})
    matching = []
    for (position, _), product_id in zip(page.placed, ids, strict=True):
        stocked = found.get(product_id)
        # The index lags behind the items, so the product may no longer be part of the list.
        if stocked and plan.holds(stocked.product.attribute_values) and _has_stock(stocked.stock, query):
            matching.append((position, stocked))
    return Page(matching, page.position)


def _has_stock(stock: StockItem, query: ListProductsQuery) -> bool:
    if query.in_stock is None and query.low_stock is None:
        return True
    in_stock = stock.available > 0
    is_low = stock.low_stock_threshold is not None and stock.available <= stock.low_stock_threshold
    return query.in_stock in (None, in_stock) and query.low_stock in (None, is_low)


def read_products(product_ids: Iterable[str], *, shown: frozenset[str] | None = None) -> dict[str, StockedProduct]:
    """Returns the products that exist, by id. With `shown`, they have these attributes only, to be shown."""
    keys = {product_id: (Product.key(product_id), StockItem.key(product_id)) for product_id in product_ids}
    wanted = chain.from_iterable(keys.values())
    items = batch_get(InventoryItem, wanted) if shown is None else shown_items(InventoryItem, wanted, shown)
    found = {}
    for product_id, (product_key, stock_key) in keys.items():
        product, stock = items.get(product_key), items.get(stock_key)
        if isinstance(product, Product) and isinstance(stock, StockItem):
            found[product_id] = StockedProduct(product, stock)
    shards.add_up(stock for _, stock in found.values())
    return found


# ---- products -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewProduct:
    """A product to store with its stock. `request_hash` shows whether an earlier request was the same."""

    product: Product
    stock: StockItem
    request_hash: RequestHash
    keyed: bool


def create_product(request: CreateProductRequest, *, actor: Actor, key: str | None) -> IdempotentResult[StockedProduct]:
    """Creates a product with its opening stock, once for each key. Raises SkuTakenError."""
    product_id = keyed_id(actor.id, "POST /inventory/products", key)
    hashed = request_hash(request)
    product, stock = new_product(product_id, request, actor=actor, fingerprint=hashed.stored)
    new = NewProduct(product, stock, hashed, keyed=key is not None)
    return run_idempotent(lambda: _try_to_create(new), find_previous=lambda: _find_created(new), keyed=new.keyed)


def _try_to_create(new: NewProduct) -> IdempotentResult[StockedProduct]:
    product = new.product
    try:
        put_new_product(product, new.stock)
    except TransactionError as error:
        if error.failed(product):
            return _replayed(Product.from_raw_data(error.stored(product)), new)
        if not error.has_reason(product) and error.failed(_sku_claim(product)):
            raise SkuTakenError(f"The SKU {product.sku} belongs to another product. Choose another SKU.") from error
        raise
    return IdempotentResult(StockedProduct(product, new.stock), replayed=False)


def _find_created(new: NewProduct) -> IdempotentResult[StockedProduct] | None:
    stored = get_item(Product, Product.key(new.product.id))
    return _replayed(stored, new) if stored else None


def _replayed(stored: Product, new: NewProduct) -> IdempotentResult[StockedProduct]:
    """Returns the product of an earlier request. Raises IdempotencyKeyReusedError if that request was different."""
    check_same_request(stored.request_hash, new.request_hash)
    # Product and stock are stored together and never deleted, so both exist.
    return IdempotentResult(read_products([stored.id])[stored.id], replayed=new.keyed)


def new_product(product_id: str, request: CreateProductRequest, *, actor: Actor, fingerprint: str) -> StockedProduct:
    """Returns the items of a new product, which are not stored yet."""
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
    _set_fields(product, request, actor=actor, at=at)
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


def _set_fields(product: Product, fields: ProductFields, *, actor: Actor, at: str) -> None:
    product.name = fields.name
    product.description = fields.description
    product.category = fields.category
    product.price = fields.price
    product.attributes = dict(fields.attributes)
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
            raise InvalidRequestError.at("cannot be changed; send the current SKU", pointer="#/sku")
        return request

    return _edit(
        product_id, replacement, sets_threshold=True, actor=actor, address=address, expected_version=expected_version
    )


def update_product(
    product_id: str, request: UpdateProductRequest, *, actor: Actor, address: str, expected_version: ExpectedVersion
) -> StockedProduct:
    """Updates a product as `replace_product` does, but keeps the fields that the request omits."""
    changes = changes_of(request)
    return _edit(
        product_id,
        lambda stored: with_changes(stored, changes),
        sets_threshold="low_stock_threshold" in changes,
        actor=actor,
        address=address,
        expected_version=expected_version,
    )


def changes_of(request: UpdateProductRequest) -> dict[str, Any]:
    """Returns the values of the fields that the request names."""
    changes = {name: getattr(request, name) for name in request.model_fields_set}
    if changes.get("attributes", {}) is None:
        changes["attributes"] = {}
    return changes


def with_changes(stored: StockedProduct, changes: Mapping[str, Any]) -> ReplaceProductRequest:
    """Returns all editable fields of a product, with these changes."""
    names = ReplaceProductRequest.model_fields.keys() - {"low_stock_threshold"}
    current = {name: getattr(stored.product, name) for name in names}
    current["low_stock_threshold"] = stored.stock.low_stock_threshold
    # Skip validation, because stored values may be outside the current limits of a request.
    return ReplaceProductRequest.model_construct(**current | dict(changes))


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
            return stored  # an earlier attempt stored it, but its response was lost
        edited = replacement(stored)
        expected_version.check(stored.product.version)
        return try_to_edit(stored, edited, sets_threshold=sets_threshold, actor=actor, address=address, change=change)

    def find_previous() -> StockedProduct | None:
        stored = get_product(product_id, include_archived=True)
        return stored if stored.product.change == change else None

    edited = run_idempotent(attempt, find_previous=find_previous, keyed=False)
    if edited.stock.item_count > 1:
        # Before the response, so that no order after it is placed at the old price.
        shards.copy_offer(product_id, edited.stock.item_count)
    return edited


def try_to_edit(
    stored: StockedProduct,
    edited: ReplaceProductRequest,
    *,
    sets_threshold: bool,
    actor: Actor,
    address: str | None,
    change: str,
) -> StockedProduct:
    """Tries once to store an edit under the id `change`. The caller then copies the offer to the product's shards.

    Raises ConcurrentUpdateError if the product has changed since it was read.
    """
    try:
        entry = _price_entry(stored.product, edited, actor=actor, address=address)
        return _put_replacement(stored, edited, sets_threshold=sets_threshold, actor=actor, change=change, entry=entry)
    except TransactionError as error:
        if error.failed(stored.product, stored.stock):
            raise ConcurrentUpdateError from error
        raise


def _price_entry(
    product: Product, request: ReplaceProductRequest, *, actor: Actor, address: str | None
) -> AuditEntry | None:
    """Returns the audit entry of a changed price, if any.

    It is recorded because a manager could lower a price for one order and restore it.
    """
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
    """Writes the product and its copies in the stock item.

    Without `sets_threshold` the stored threshold stays, since the threshold of `stored` may be outdated.
    """
    product, stock = stored
    read_version, old_category = product.version, _counted_in(product)
    # The product's values are current, since the write depends on its version. Those of the stock item may be outdated.
    offered = (product.name, product.category, product.price, product.status)
    changes_offer = offered != (request.name, request.category, request.price, request.status)
    product.status = request.status
    product.version = read_version + 1
    product.change = change
    _set_fields(product, request, actor=actor, at=clock.timestamp(clock.now()))
    new_category = _counted_in(product)
    actions = _copying(request, Edit(actor=actor.id, actor_role=actor.role, at=product.updated_at))
    if changes_offer:
        actions.append(StockItem.offer.add(1))
    if sets_threshold:
        actions.append(_setting_threshold(request.low_stock_threshold))
    with transaction() as write:
        write.save(product, condition=Product.version == read_version)
        if entry:
            write.save(entry)
        # The shards to which the offer is copied must be those that were read.
        write.update(stock, actions=actions, condition=shards.has_shards(stock))
        if old_category != new_category:
            for category, units in ((old_category, -1), (new_category, 1)):
                if category is not None:
                    count_products(write, category, units)
    if old_category is not None and old_category != new_category:
        remove_if_empty(old_category)
    stock.low_stock_threshold = request.low_stock_threshold
    return stored


def _copying(request: ReplaceProductRequest, edit: Edit) -> list[Action]:
    """Returns the update of a product's copies in its stock item. The units, `version` and `last` do not change."""
    return [
        StockItem.name.set(request.name),
        StockItem.category.set(request.category),
        StockItem.price.set(request.price),
        StockItem.status.set(request.status),
        StockItem.edits.add(1),
        StockItem.edited.set(edit),
    ]


def _setting_threshold(threshold: int | None) -> Action:
    attribute = StockItem.low_stock_threshold
    action: Action = attribute.remove() if threshold is None else attribute.set(threshold)
    return action


def _counted_in(product: Product) -> str | None:
    """Returns the category that counts the product, or None if it is archived."""
    return product.category if product.status == "active" else None
