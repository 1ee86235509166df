"""Routes for admins: a search, users, service keys, the audit log, the request log, the stock check, and statistics."""

from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from oms.audit import audit_log, listing
from oms.audit.schemas import AuditPage, ListAuditQuery
from oms.core.schemas import EmptyRequest, PageQuery, Shown, at_second
from oms.core.settings import require, settings
from oms.http import api
from oms.http.access_rules import ADMIN, admin
from oms.http.api import current_caller, current_user
from oms.http.serving import RESOLVER_OPTIONS, serve
from oms.identity import administration, lockout
from oms.identity.schemas import (
    ChangeLimitsRequest,
    ChangeRoleRequest,
    ChangeStatusRequest,
    ListUsersQuery,
    UserLimitsResponse,
    UserPage,
    UserResponse,
)
from oms.inventory.views import show_managed_product
from oms.orders.views import View
from oms.reports.statistics import statistics
from oms.reports.statistics_schemas import StatisticsResponse
from oms.reports.views import statistics_response
from oms.request_log import service as request_log
from oms.request_log.schemas import ListRequestsQuery, RequestPage
from oms.search.everything import search
from oms.search.everything_schemas import SearchQuery, SearchResponse
from oms.service_keys import service as service_keys
from oms.service_keys.schemas import (
    CreatedServiceKeyResponse,
    CreateServiceKeyRequest,
    RotatedServiceKeyResponse,
    ServiceKeyPage,
    ServiceKeyResponse,
    UpdateServiceKeyRequest,
)
from oms.service_keys.service import By
from oms.stock_ledger import check as stock_check
from oms.stock_ledger import repair as stock_repair
from oms.stock_ledger.schemas import RepairStockRequest, StartStockCheckRequest, StockCheckResponse, StockRepairResponse
from oms.stock_ledger.views import repair_response

require("pepper_secret", "stock_check_queue_url")

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)

# The `Retry-After` of a running stock check.
_RETRY_CHECK_SECONDS = 30


@app.get("/api/v1/admin/search", **ADMIN)
def search_everything(query: Annotated[SearchQuery, Query()]) -> Response[SearchResponse]:
    """Search orders, users and products.

    Finds the first orders, users and products that match a text. Their lists have more, with pages.
    """
    for target in ("orders", "users"):
        audit_log.record_bulk_read(current_caller(), address=api.client_address(), target=target)
    found = search(query.q)
    view = View(current_user().user, managed=True)
    view.load_customers(found.orders)
    shown = {
        "orders": [view.show(order) for order in found.orders],
        "users": [UserResponse.of(user) for user in found.users],
        "products": [show_managed_product(*stocked) for stocked in found.products],
    }
    return api.ok(Shown(shown))


@app.get("/api/v1/admin/users", **admin(scope="customers:read"))
def list_users(query: Annotated[ListUsersQuery, Query()]) -> Response[UserPage]:
    """List users.

    Lists the users, sorted by e-mail address.
    """
    audit_log.record_bulk_read(current_caller(), address=api.client_address(), target="users")
    page = administration.list_users(query, after=api.list_position(query.cursor))
    return api.listed(page, UserResponse.of, UserPage)


@app.get("/api/v1/admin/users/<user_id>", **admin(scope="customers:read"))
def get_user(user_id: str) -> Response[UserResponse]:
    """Get a user.

    Returns the user with role and status.
    """
    user = administration.get_user(user_id)
    return api.ok(UserResponse.of(user), version=user.version)


@app.patch("/api/v1/admin/users/<user_id>/role", **ADMIN)
@api.versioned
def change_role(user_id: str, request: ChangeRoleRequest) -> Response[UserResponse]:
    """Change a user's role.

    The new role applies from the user's next request. The last active admin cannot be demoted, and admins cannot change
    their own role.
    """
    user = administration.change_role(
        user_id, request.role, by=current_user(), address=api.client_address(), expected_version=api.expected_version()
    )
    return api.ok(UserResponse.of(user), version=user.version)


@app.patch("/api/v1/admin/users/<user_id>/status", **ADMIN)
@api.versioned
def change_status(user_id: str, request: ChangeStatusRequest) -> Response[UserResponse]:
    """Disable or enable a user.

    Disabling ends all sessions of the user at once. The last active admin cannot be disabled, and admins cannot change
    their own status.
    """
    user = administration.change_status(
        user_id,
        request.status,
        by=current_user(),
        address=api.client_address(),
        expected_version=api.expected_version(),
    )
    return api.ok(UserResponse.of(user), version=user.version)


@app.patch("/api/v1/admin/users/<user_id>/limits", **ADMIN)
def change_limits(user_id: str, request: ChangeLimitsRequest) -> Response[UserLimitsResponse]:
    """Change the limits of a user's orders.

    The limit of open orders applies from the user's next order, also if a service key sends it.
    """
    user = administration.change_open_orders_limit(
        user_id, request.open_orders, by=current_user(), address=api.client_address()
    )
    return api.ok(UserLimitsResponse.of(user))


@app.post("/api/v1/admin/users/<user_id>/unlock", status_code=204, **ADMIN)
def unlock_user(user_id: str, request: EmptyRequest) -> Response[None]:  # noqa: ARG001 - checks that the body is empty
    """Unlock a user.

    Lifts every lock that wrong passwords have caused, of the account and of its devices.
    """
    lockout.unlock(user_id, by=current_user(), address=api.client_address())
    return api.no_content()


@app.post("/api/v1/admin/keys", status_code=201, **ADMIN)
def create_service_key(request: CreateServiceKeyRequest) -> Response[CreatedServiceKeyResponse]:
    """Create a service key.

    Another system sends the `key` of this response as its bearer token. No later response has it. A shop can have 100
    keys.
    """
    key, token = service_keys.create(request, stage=settings().stage, by=_by())
    response = ServiceKeyResponse.of(key, last_used=None)
    return api.created(
        CreatedServiceKeyResponse(**response.model_dump(), key=str(token)),
        location=f"/api/v1/admin/keys/{key.id}",
        version=key.version,
    )


@app.get("/api/v1/admin/keys", **ADMIN)
def list_service_keys(query: Annotated[PageQuery, Query()]) -> Response[ServiceKeyPage]:
    """List service keys.

    Lists all service keys, newest first, also disabled and expired ones.
    """
    page = service_keys.list_keys(limit=query.limit, after=api.list_position(query.cursor))
    used = service_keys.last_uses(page.items)
    return api.listed(page, lambda key: ServiceKeyResponse.of(key, last_used=used.get(key.id)), ServiceKeyPage)


@app.get("/api/v1/admin/keys/<key_id>", **ADMIN)
def get_service_key(key_id: str) -> Response[ServiceKeyResponse]:
    """Get a service key.

    Returns the key without its secret.
    """
    key = service_keys.get(key_id)
    used = service_keys.last_uses([key])
    return api.ok(ServiceKeyResponse.of(key, last_used=used.get(key_id)), version=key.version)


@app.patch("/api/v1/admin/keys/<key_id>", **ADMIN)
@api.versioned
def update_service_key(key_id: str, request: UpdateServiceKeyRequest) -> Response[ServiceKeyResponse]:
    """Change a service key.

    Omitted fields are unchanged. The change applies from the key's next request.
    """
    key = service_keys.update(key_id, request, by=_by(), expected_version=api.expected_version())
    used = service_keys.last_uses([key])
    return api.ok(ServiceKeyResponse.of(key, last_used=used.get(key_id)), version=key.version)


@app.delete("/api/v1/admin/keys/<key_id>", status_code=204, **ADMIN)
@api.versioned
def delete_service_key(key_id: str) -> Response[None]:
    """Delete a service key.

    Its next request is refused. The audit log and histories keep its id.
    """
    service_keys.delete(key_id, by=_by(), expected_version=api.expected_version())
    return api.no_content()


@app.post("/api/v1/admin/keys/<key_id>/rotate", **ADMIN)
@api.versioned
def rotate_service_key(key_id: str, request: EmptyRequest) -> Response[RotatedServiceKeyResponse]:  # noqa: ARG001
    """Replace a service key's secret.

    The previous key is valid for 24 hours more. A second rotation within that time revokes the oldest key at once: if a
    key has become known to others, rotate it twice, or disable it.
    """
    key, token = service_keys.rotate(key_id, stage=settings().stage, by=_by(), expected_version=api.expected_version())
    response = RotatedServiceKeyResponse(key=str(token), previous_valid_until=at_second(key.previous_until or 0))
    return api.ok(response, version=key.version)


def _by() -> By:
    return By.user(current_user(), api.client_address())


@app.get("/api/v1/admin/audit", **ADMIN)
def list_audit(query: Annotated[ListAuditQuery, Query()]) -> Response[AuditPage]:
    """List audit entries.

    Lists the entries, newest first. Each has the actor, the action, the client's address and the outcome.
    """
    page = listing.list_entries(query, after=api.list_position(query.cursor))
    return api.listed(page, lambda row: row, AuditPage)


@app.get("/api/v1/admin/requests", **ADMIN)
def list_requests(query: Annotated[ListRequestsQuery, Query()]) -> Response[RequestPage]:
    """List requests.

    Lists the requests of the last seven days that the API has answered, newest first, seconds after their responses. A
    page searches for a limited time, so it can be short or empty; only a null `next_cursor` ends the list. A cursor is
    valid for a day. Requests that API Gateway refused, and those that ran into a time-out, are not in the list.
    """
    page = request_log.list_requests(query, after=api.list_position(query.cursor))
    return api.listed(page, lambda row: row, RequestPage)


@app.get("/api/v1/admin/stock-check", **ADMIN)
def get_stock_check() -> Response[StockCheckResponse]:
    """Get the latest stock check.

    Shows whether stock, movements, orders and adjustments agree.
    """
    return api.ok(StockCheckResponse.of(*stock_check.last_run()))


@app.post("/api/v1/admin/stock-check", status_code=202, **ADMIN)
def start_stock_check(request: StartStockCheckRequest) -> Response[StockCheckResponse]:
    """Start a stock check.

    Returns the new run, or the run that is in progress already.
    """
    started = StockCheckResponse.of(stock_check.start(full=request.full), [])
    return api.started(started, location="/api/v1/admin/stock-check", retry_after=_RETRY_CHECK_SECONDS)


@app.post("/api/v1/admin/stock-check/repair", **ADMIN)
def repair_stock(request: RepairStockRequest) -> Response[StockRepairResponse]:
    """Repair a product's stock.

    Uses the findings of the latest check. Idempotent: a repaired product is not repaired again. With `dry_run`, which
    is the default, nothing is changed.
    """
    repair = stock_repair.repair(
        request.product_id,
        request.shard,
        dry_run=request.dry_run,
        actor=current_user(),
        address=api.client_address(),
    )
    return api.ok(repair_response(repair, dry_run=request.dry_run))


@app.get("/api/v1/admin/stats", **ADMIN)
def get_stats() -> Response[StatisticsResponse]:
    """Get statistics.

    Totals lag by seconds. Queue depths are SQS's approximate counts.
    """
    return api.ok(statistics_response(statistics()))


lambda_handler = serve(app)
