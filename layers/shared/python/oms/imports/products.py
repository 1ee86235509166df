"""Rows of products and of prices, by SKU."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oms.core.errors import InvalidRequestError, NotFoundError, SkuTakenError
from oms.core.retries import ConcurrentUpdateError
from oms.core.schemas import Request
from oms.core.transactions import TransactionError
from oms.imports.rows import CREATE, Decision, Job, Outcome, Row, RowFailedError, Write, failed, row_error, validated
from oms.inventory import service, shards, skus
from oms.inventory.schemas import CreateProductRequest, ReplaceProductRequest, Sku, UpdateProductRequest
from oms.inventory.service import StockedProduct

# Fields of a new product alone: an existing one keeps its SKU, and its stock is counted by rows of stock.
_AT_CREATION = ("sku", "stock")
_EMPTY_IS_OMITTED = ("stock", "status")


class _Keyed(Request):
    """The field by which a row finds its product."""

    sku: Sku


class Products:
    """Rows with fields of products. Without `creates`, they change existing products alone."""

    def __init__(self, required: Sequence[str], optional: Sequence[str] = (), *, creates: bool) -> None:
        self.required, self.optional, self.creates = required, optional, creates
        self.integers = frozenset(("stock", "low_stock_threshold"))

    def key_of(self, fields: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        keyed = validated(_Keyed, {name: value for name, value in fields.items() if name == "sku"})
        known = (*self.required, *self.optional)
        if unknown := [name for name in fields if name not in known]:
            errors = (row_error(InvalidRequestError.code, "is not a field of these rows", it[:100]) for it in unknown)
            raise RowFailedError(*errors)
        given = {name: value for name, value in fields.items() if value is not None or name not in _EMPTY_IS_OMITTED}
        return keyed.sku.casefold(), given

    def decide(self, rows: Sequence[Row], job: Job, *, unsure: frozenset[int]) -> list[Decision]:  # noqa: ARG002
        # A product and each edit have the id of the row that wrote them, so a read shows what was written before.
        ids = skus.ids_of([row.request["sku"] for row in rows])
        found = service.read_products(ids.values())
        return [_decided(self._decide, row, job, found.get(ids.get(row.key, ""))) for row in rows]

    def _decide(self, row: Row, job: Job, stored: StockedProduct | None) -> Decision:
        if stored is None:
            if not self.creates:
                raise failed(NotFoundError("No product has this SKU."), "sku")
            return _creation(row, job)
        if stored.product.id == row.id:
            return "created"
        if job.mode == CREATE:
            raise failed(SkuTakenError("The SKU belongs to another product."), "sku")
        return _change(row, job, stored)


def _decided(
    decide: Callable[[Row, Job, StockedProduct | None], Decision], row: Row, job: Job, stored: StockedProduct | None
) -> Decision:
    try:
        return decide(row, job, stored)
    except RowFailedError as error:
        return error


def _creation(row: Row, job: Job) -> Write:
    fields = dict(row.request)
    if (fields.pop("status", None) or "active") != "active":
        raise failed(InvalidRequestError.at("must be active, since the product is new", pointer="#/status"))
    request = validated(CreateProductRequest, fields)
    product, stock = service.new_product(row.id, request, actor=job.actor, fingerprint="")

    def create() -> Outcome:
        try:
            service.put_new_product(product, stock)
        except TransactionError as error:
            if error.any_failed:  # it was created meanwhile, by this row or by another writer
                raise ConcurrentUpdateError from error
            raise
        return "created"

    # Each creation counts in its category.
    return Write("created", create, group=product.category)


def _change(row: Row, job: Job, stored: StockedProduct) -> Decision:
    product, shard_count = stored.product, stored.stock.item_count
    if product.change == row.id:
        if shard_count > 1 and not job.dry_run:
            shards.copy_offer(product.id, shard_count)
        return "updated"
    fields = {name: value for name, value in row.request.items() if name not in _AT_CREATION}
    changes = service.changes_of(validated(UpdateProductRequest, fields))
    edited = service.with_changes(stored, changes)
    if _same(stored, edited):
        return "unchanged"

    def edit() -> Outcome:
        service.try_to_edit(
            stored,
            edited,
            sets_threshold="low_stock_threshold" in changes,
            actor=job.actor,
            address=None,
            change=row.id,
        )
        if shard_count > 1:
            shards.copy_offer(product.id, shard_count)
        return "updated"

    return Write("updated", edit)


def _same(stored: StockedProduct, edited: ReplaceProductRequest) -> bool:
    product, threshold = stored.product, stored.stock.low_stock_threshold
    names = ("name", "description", "category", "price", "status")
    return (
        all(getattr(product, name) == getattr(edited, name) for name in names)
        and dict(product.attributes) == dict(edited.attributes)
        and threshold == edited.low_stock_threshold
    )
