"""Routes for products, stock and categories."""

from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from oms.core.schemas import PageQuery, Shown
from oms.http import api
from oms.http.access_rules import Caller, catalogue_reader, manager
from oms.http.api import current_caller
from oms.http.serving import RESOLVER_OPTIONS, serve
from oms.inventory import adjustments, categories, counts, resharding, service, stock_batches
from oms.inventory.models import Category, Product, StockItem
from oms.inventory.schemas import (
    CategoryList,
    CategoryResponse,
    CreateProductRequest,
    ListCategoriesQuery,
    ListProductsQuery,
    ManagedProductResponse,
    ProductPage,
    ProductResponse,
    PublicProductResponse,
    ReplaceProductRequest,
    SetShardsRequest,
    UpdateProductRequest,
)
from oms.inventory.stock_schemas import (
    AdjustStockRequest,
    ChangeStocksRequest,
    CountStockRequest,
    StockOutcomes,
    StockResponse,
)
from oms.inventory.views import show_managed_product, show_product, show_public_product
from oms.stock_ledger import ledger
from oms.stock_ledger.schemas import MovementPage, MovementResponse

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)


@app.get("/api/v1/inventory/products", **catalogue_reader(manager_params=["low_stock", "status"]))
def list_products(query: Annotated[ListProductsQuery, Query()]) -> Response[ProductPage]:
    """List products.

    Lists the products on sale, sorted by name by default. Managers and admins see their stock in full.
    """
    page = service.list_products(query, after=api.list_position(query.cursor))
    view = _view(api.current_reader())
    return api.listed(page, lambda stocked: view(*stocked), ProductPage)


def _view(reader: Caller | None) -> Callable[[Product, StockItem], Shown[Any]]:
    if reader is None:
        return show_public_product
    return show_managed_product if reader.is_manager else show_product


@app.post("/api/v1/inventory/products", status_code=201, **manager(scope="catalogue:write"))
def create_product(request: CreateProductRequest) -> Response[ManagedProductResponse]:
    """Create a product.

    The product is on sale at once.
    """
    written = service.create_product(request, actor=current_caller(), key=api.idempotency_key())
    product, stock = written.value
    return api.created(
        show_managed_product(product, stock),
        location=f"/api/v1/inventory/products/{product.id}",
        version=product.version,
        replayed=written.replayed,
    )


@app.get("/api/v1/inventory/products/<product_id>", **catalogue_reader())
def get_product(product_id: str) -> Response[ManagedProductResponse | ProductResponse | PublicProductResponse]:
    """Get a product.

    Archived products are shown to managers and admins only.
    """
    reader = api.current_reader()
    product, stock = service.get_product(product_id, include_archived=reader is not None and reader.is_manager)
    return api.ok(_view(reader)(product, stock), version=product.version if reader else None)


@app.put("/api/v1/inventory/products/<product_id>", **manager(scope="catalogue:write"))
@api.versioned
def replace_product(product_id: str, request: ReplaceProductRequest) -> Response[ManagedProductResponse]:
    """Replace a product's fields.

    Omitted optional fields are reset. Existing orders are not changed.
    """
    product, stock = service.replace_product(
        product_id,
        request,
        actor=current_caller(),
        address=api.client_address(),
        expected_version=api.expected_version(),
    )
    return api.ok(show_managed_product(product, stock), version=product.version)


@app.patch("/api/v1/inventory/products/<product_id>", **manager(scope="catalogue:write"))
@api.versioned
def update_product(product_id: str, request: UpdateProductRequest) -> Response[ManagedProductResponse]:
    """Change some of a product's fields.

    Omitted fields are unchanged. Existing orders are not changed.
    """
    product, stock = service.update_product(
        product_id,
        request,
        actor=current_caller(),
        address=api.client_address(),
        expected_version=api.expected_version(),
    )
    return api.ok(show_managed_product(product, stock), version=product.version)


@app.put("/api/v1/inventory/products/<product_id>/shards", **manager(scope="stock:write"))
@api.versioned
def set_shards(product_id: str, request: SetShardsRequest) -> Response[ManagedProductResponse]:
    """Set the number of a product's shards.

    Spreads the stock of a busy product over several stock items, so that more orders a second are possible. It changes
    nothing else. After a 503, send the request again: it continues.
    """
    product, stock = resharding.set_shards(
        product_id, request.shards, actor=current_caller(), expected_version=api.expected_version()
    )
    return api.ok(show_managed_product(product, stock), version=product.version)


@app.patch("/api/v1/inventory/products/<product_id>/stock", **manager(scope="stock:write"))
def adjust_stock(product_id: str, request: AdjustStockRequest) -> Response[StockResponse]:
    """Adjust a product's stock.

    Adds units to those on hand, or removes them. Only available units can be removed, since open orders reserve the
    others.
    """
    written = adjustments.adjust_stock(product_id, request, actor=current_caller(), key=api.idempotency_key())
    return api.ok(StockResponse.of(*written.value), replayed=written.replayed)


@app.put("/api/v1/inventory/products/<product_id>/stock", **manager(scope="stock:write"))
def count_stock(product_id: str, request: CountStockRequest) -> Response[StockResponse]:
    """Count a product's stock.

    Sets the units on hand. Orders keep the units that they reserve, and the other units can be ordered. Orders that are
    placed or shipped meanwhile lose no unit.
    """
    written = counts.count_stock(product_id, request, actor=current_caller(), key=api.idempotency_key())
    return api.ok(StockResponse.of(*written.value), replayed=written.replayed)


@app.patch("/api/v1/inventory/stock", **manager(scope="stock:write"))
def change_stocks(request: ChangeStocksRequest) -> Response[StockOutcomes]:
    """Adjust or count the stock of many products.

    Each row has an outcome of its own, and a failed one does not stop the others. With an `Idempotency-Key`, each row
    is made once: after a 503 or a time-out, send the same request again.
    """
    outcomes = stock_batches.change_stocks(request.items, actor=current_caller(), key=api.idempotency_key())
    return api.ok(StockOutcomes(items=outcomes), replayed=all(outcome.replayed for outcome in outcomes))


@app.get("/api/v1/inventory/products/<product_id>/movements", **manager(scope="catalogue:read"))
def list_movements(product_id: str, query: Annotated[PageQuery, Query()]) -> Response[MovementPage]:
    """List a product's stock movements.

    Lists the movements, newest first. A movement appears seconds after the change.
    """
    page = ledger.list_movements(product_id, limit=query.limit, after=api.list_position(query.cursor))
    return api.listed(page, MovementResponse.of, MovementPage)


@app.get("/api/v1/inventory/categories", **catalogue_reader())
def list_categories(query: Annotated[ListCategoriesQuery, Query()]) -> Response[CategoryList]:
    """List the categories.

    Lists the categories that have products on sale, sorted by name.
    """
    page = categories.list_categories(limit=query.limit, after=api.list_position(query.cursor))
    return api.listed(page, _category_response, CategoryList)


def _category_response(category: Category) -> CategoryResponse:
    return CategoryResponse(name=category.sk, product_count=category.products)


lambda_handler = serve(app)
