"""The errors that end a request. `oms.http.api` turns each into a problem response (RFC 9457)."""

from collections.abc import Mapping, Sequence
from typing import Any, Self


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


class OmsError(Exception):
    """An error with a stable `code`.

    `extra` has further members of the problem; `headers` has headers of the response.
    """

    status = 500
    code = "internal-error"
    title = "Internal error"

    def __init__(
        self, detail: str, *, extra: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})


class MalformedJsonError(OmsError):
    status, code, title = 400, "malformed-json", "Malformed JSON"


class UnauthenticatedError(OmsError):
    status, code, title = 401, "unauthenticated", "Authentication required"

    def __init__(self, detail: str = "A valid access token is required.", *, challenge: str = "Bearer") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": challenge})

    @classmethod
    def by_token(cls) -> "UnauthenticatedError":
        """Returns the error for an access token that is malformed, expired or revoked (RFC 6750, section 3.1)."""
        detail = "The access token is invalid or has expired. Sign in again, or refresh the session."
        return cls(detail, challenge='Bearer error="invalid_token"')


class InvalidCredentialsError(UnauthenticatedError):
    """One response for wrong, unknown, locked and disabled accounts: callers must not be able to distinguish them."""

    code, title = "invalid-credentials", "Invalid credentials"

    def __init__(self, detail: str = "The e-mail address or the password is wrong.") -> None:
        super().__init__(detail)


class ForbiddenError(OmsError):
    status, code, title = 403, "forbidden", "Not allowed for this role"


class InsufficientScopeError(OmsError):
    """A service key lacks the scope of the operation (RFC 6750, section 3.1). `scope` names it."""

    status, code, title = 403, "insufficient-scope", "Scope missing"

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"This request requires the scope {scope}, which the service key does not have.",
            extra={"scope": scope},
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )


class CrossSiteRequestError(OmsError):
    """A page of another origin may have caused a request that uses or sets a cookie."""

    status, code, title = 403, "cross-site-request", "Cross-site request"

    def __init__(self) -> None:
        super().__init__("Only pages of the API's own origin may use its cookies. Send the tokens in the body instead.")


class DirectRequestError(OmsError):
    """The request did not come through the stage's front, which adds the origin secret."""

    status, code, title = 403, "direct-request", "Direct request refused"

    def __init__(self) -> None:
        super().__init__(
            "This address answers only its CloudFront distribution. Send the request to the API's own URL."
        )


class NotFoundError(OmsError):
    status, code, title = 404, "not-found", "Not found"


class MethodNotAllowedError(OmsError):
    status, code, title = 405, "method-not-allowed", "Method not allowed"


class ConflictError(OmsError):
    status, code, title = 409, "conflict", "Conflict"


class EmailTakenError(ConflictError):
    code, title = "email-taken", "E-mail address taken"


class OwnAccountError(ConflictError):
    code, title = "own-account", "Own account"


class LastAdminError(ConflictError):
    code, title = "last-admin", "Last admin"


class SkuTakenError(ConflictError):
    code, title = "sku-taken", "SKU taken"


class InsufficientStockError(ConflictError):
    code, title = "insufficient-stock", "Not enough stock"


class StockChangedError(ConflictError):
    """The stock has another version than the client expects."""

    code, title = "stock-changed", "Stock changed"


class StockReservedError(ConflictError):
    """Orders reserve more units than would be on hand."""

    code, title = "stock-reserved", "Stock reserved"


class PriceChangedError(ConflictError):
    """The order would cost more than the client expects."""

    code, title = "price-changed", "Price changed"


class ExternalRefTakenError(ConflictError):
    """An order with other content has this external reference. `order_id` is its id."""

    code, title = "external-ref-taken", "External reference taken"

    def __init__(self, order_id: str) -> None:
        detail = (
            "An order with this external_ref and other content exists. Get it by its id, order_id. If the request is "
            "another order, send another reference."
        )
        super().__init__(detail, extra={"order_id": order_id})


class OrderClosedError(ConflictError):
    """The order can no longer be changed."""

    code, title = "order-closed", "Order closed"


class TooManyEditsError(ConflictError):
    """The order was changed as often as one order can be."""

    code, title = "too-many-edits", "Too many edits"


class InvalidTransitionError(ConflictError):
    code, title = "invalid-transition", "Invalid transition"


class TooManyOpenOrdersError(ConflictError):
    code, title = "too-many-open-orders", "Too many open orders"


class OrderLimitError(ConflictError):
    """The order exceeds a limit of its customer: see `oms.orders.limits`."""

    code, title = "order-limit-exceeded", "Order limit exceeded"


class NothingToRepairError(ConflictError):
    code, title = "nothing-to-repair", "Nothing to repair"


class WebhookNotActiveError(ConflictError):
    code, title = "webhook-not-active", "Webhook not active"


class ReplayRunningError(ConflictError):
    code, title = "replay-running", "Replay running"


class TooManyWebhooksError(ConflictError):
    code, title = "too-many-webhooks", "Too many webhooks"


class TooManyServiceKeysError(ConflictError):
    code, title = "too-many-service-keys", "Too many service keys"


class RequestLogOffError(ConflictError):
    code, title = "request-log-off", "Request log off"


class TooManyAddressesError(ConflictError):
    code, title = "too-many-addresses", "Too many saved addresses"


class ExportFinishedError(ConflictError):
    code, title = "export-finished", "Export finished"


class TooManyExportsError(ConflictError):
    code, title = "too-many-exports", "Too many unfinished exports"


class ImportNotUploadedError(ConflictError):
    code, title = "import-not-uploaded", "File not uploaded"


class ImportFinishedError(ConflictError):
    code, title = "import-finished", "Import finished"


class TooManySchedulesError(ConflictError):
    code, title = "too-many-schedules", "Too many schedules"


class GoneError(OmsError):
    """The resource existed, but its retention period is over."""

    status, code, title = 410, "gone", "No longer kept"


class StaleVersionError(OmsError):
    status, code, title = 412, "stale-version", "Stale version"


class BodyTooLargeError(OmsError):
    status, code, title = 413, "body-too-large", "Body too large"


class UnsupportedMediaTypeError(OmsError):
    status, code, title = 415, "unsupported-media-type", "Unsupported media type"


MAX_ERRORS = 20
MAX_ERROR_TEXT = 300


class InvalidRequestError(OmsError):
    """A 422 with a list of errors: each `{pointer | parameter | header, detail}`.

    The response lists the first 20 with shortened texts, so that it stays small. `total` is the number of all errors,
    if `errors` has only some of them.
    """

    status, code, title = 422, "validation-failed", "Invalid request"

    def __init__(
        self,
        errors: Sequence[Mapping[str, str]],
        detail: str = "The request has invalid values.",
        *,
        total: int | None = None,
    ) -> None:
        listed = [
            {name: shortened(text, MAX_ERROR_TEXT) if name != "pointer" else text for name, text in error.items()}
            for error in errors[:MAX_ERRORS]
        ]
        extra: dict[str, Any] = {"errors": listed}
        omitted = (len(errors) if total is None else total) - len(listed)
        if omitted > 0:
            detail += f" The first {len(listed)} are listed; {omitted} more are omitted."
            extra["omitted_errors"] = omitted
        super().__init__(detail, extra=extra)

    @classmethod
    def at(cls, detail: str, **where: str) -> Self:
        """Returns an error about one value: `at("must be …", pointer="#/name")`, or with `parameter=` or `header=`."""
        return cls([{**where, "detail": detail}])


class WebhookUrlForbiddenError(InvalidRequestError):
    """The URL or its address is not allowed as a webhook target."""

    code, title = "webhook-url-forbidden", "Webhook URL forbidden"


class UnknownProductError(InvalidRequestError):
    code, title = "unknown-product", "Unknown product"


class UnknownCustomerError(InvalidRequestError):
    code, title = "unknown-customer", "Unknown customer"


class InvalidTokenError(InvalidRequestError):
    """One response for wrong, expired and used tokens."""

    code, title = "invalid-token", "Invalid token"


class IdempotencyKeyReusedError(OmsError):
    status, code, title = 422, "idempotency-key-reused", "Idempotency key reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used with a different body. Send a new key for a new request.")


class TooManyRequestsError(OmsError):
    status, code, title = 429, "too-many-requests", "Too many requests"


class UnavailableError(OmsError):
    """Contention, throttling or an unavailable dependency. The client may repeat the same request."""

    status, code, title = 503, "unavailable", "Temporarily unavailable"

    def __init__(
        self, detail: str = "The system is busy. Try again after the seconds in Retry-After.", *, retry_after: int = 1
    ) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})
