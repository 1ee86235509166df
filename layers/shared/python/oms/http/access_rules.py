"""Access rules of routes, and the request that they are checked for."""

import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from urllib.parse import parse_qsl, quote

from aws_lambda_powertools.event_handler import ApiGatewayResolver, Response
from aws_lambda_powertools.event_handler.middlewares import BaseMiddlewareHandler, NextMiddleware

from oms.core.guests import Guest
from oms.identity.access import CurrentUser
from oms.service_keys.access import ServiceCaller
from oms.service_keys.scopes import Scope

type Role = Literal["public", "customer", "manager", "admin"]
type Caller = CurrentUser | ServiceCaller
# `checkout`: without a token, where the setting `guest_checkout` is on. `order`: with the token of the path's order.
type GuestAccess = Literal["checkout", "order"]
# RFC 3986: characters that need no escape in a URI, and a percent sign that begins no escape.
_IN_URI = "~!$%&'()*+,;=:@/"
_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


class NotAdmittedError(Exception):
    """A request reached a route without admission by the route's access rule. It is a bug and fails the request."""


class AccessRule(BaseMiddlewareHandler[ApiGatewayResolver]):
    """The roles and the scope that may call a route. As the route's middleware, the rule stops requests that it did not
    admit.

    Without a scope, no service key may call the route. Of the body's `manager_fields`, customers may send none, and a
    service key those whose scope it has. `oms.http.admission` admits requests before the resolver sees
    them, so neither depends on validation.
    """

    def __init__(
        self,
        role: Role,
        manager_parameters: Sequence[str] = (),
        *,
        manager_fields: Mapping[str, Scope] | None = None,
        scope: Scope | None = None,
        head: bool = True,
        in_catalogue: bool = False,
        guests: GuestAccess | None = None,
    ) -> None:
        self.role = role
        self.scope = scope
        self.manager_parameters = frozenset(manager_parameters)
        self.manager_fields = dict(manager_fields or {})
        self.head = head
        self.in_catalogue = in_catalogue
        self.guests = guests
        self.security: list[dict[str, list[str]]] = [] if role == "public" else [{"accessToken": []}]
        self.extensions: dict[str, Any] = {"x-role": role}
        if scope:
            # Tools expect scopes in `security` for OAuth alone.
            self.security.append({"serviceKey": []})
            self.extensions["x-scope"] = scope
        if manager_parameters:
            self.extensions["x-manager-parameters"] = list(manager_parameters)
        if manager_fields:
            self.extensions["x-manager-fields"] = self.manager_fields
        if not head:
            self.extensions["x-head"] = False
        if in_catalogue:
            self.extensions["x-public-setting"] = "public_catalogue"
        if guests:
            self.extensions["x-guests"] = guests

    def handler(self, app: ApiGatewayResolver, next_middleware: NextMiddleware) -> Response[Any]:
        if current_request.get().admitted_by is not self:
            raise NotAdmittedError
        return next_middleware(app)

    @property
    def options(self) -> dict[str, Any]:
        """Options for a route's decorator: the rule, and its description in the OpenAPI document."""
        return {"middlewares": [self], "openapi_extensions": self.extensions, "security": self.security}


def customer(
    *,
    scope: Scope | None = None,
    manager_params: Sequence[str] = (),
    manager_fields: Mapping[str, Scope] | None = None,
    guests: GuestAccess | None = None,
) -> dict[str, Any]:
    """Returns CUSTOMER's options for a route that service keys with the scope may call too.

    Only managers and service keys may send the query parameters `manager_params`, and the fields of the body that
    `manager_fields` names. A service key needs the field's scope too. `guests` admits guests too.
    """
    rule = AccessRule("customer", manager_params, manager_fields=manager_fields, scope=scope, guests=guests)
    return rule.options


def catalogue_reader(*, manager_params: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the options of `customer` for a route of the catalogue.

    Where the setting `public_catalogue` is on, the route also admits requests without a token.
    """
    return AccessRule("customer", manager_params, scope="catalogue:read", in_catalogue=True).options


def manager(*, scope: Scope, head: bool = True) -> dict[str, Any]:
    """Returns MANAGER's options for a route that service keys with the scope may call too.

    A GET with side effects does not allow HEAD: `head=False`.
    """
    return AccessRule("manager", scope=scope, head=head).options


def admin(*, scope: Scope) -> dict[str, Any]:
    """Returns ADMIN's options for a route that service keys with the scope may call too."""
    return AccessRule("admin", scope=scope).options


# Each admits the roles above it too: customers are below managers, and managers below admins. None admits a service
# key.
PUBLIC = AccessRule("public").options
CUSTOMER = AccessRule("customer").options
MANAGER = AccessRule("manager").options
ADMIN = AccessRule("admin").options


@dataclass
class RequestContext:
    """The current request. Lambda serves one request at a time in a process."""

    event: Mapping[str, Any]
    headers: Mapping[str, str]
    caller: Caller | None = None
    # In place of the caller, if the route admits guests.
    guest: Guest | None = None
    # Set by `oms.http.admission` alone.
    admitted_by: AccessRule | None = None
    # Whether the response depends on the token, and caches may keep the one to a request without a token.
    is_public: bool = False
    # Whether the request was admitted without a token, as a reader of the public catalogue.
    is_anonymous: bool = False
    # The variables in the path and the parsed body, set after admission.
    variables: Mapping[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    answer_headers: dict[str, str] = field(default_factory=dict)
    # For the log line: the name of the route's function, which is the `operationId` in the OpenAPI document, the
    # client's IP address if a service key was sent, and the code of the problem response.
    operation: str | None = None
    address: str | None = None
    code: str | None = None

    @property
    def id(self) -> str:
        return str(self.event["requestContext"]["requestId"])

    @property
    def method(self) -> str:
        """The method that the client sent. The resolver gets GET for a HEAD."""
        return str(self.event["requestContext"]["http"]["method"])

    @cached_property
    def path(self) -> str:
        return _BARE_PERCENT.sub("%25", quote(str(self.event["rawPath"]), safe=_IN_URI, errors="replace"))

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.event.get("rawQueryString") or "", keep_blank_values=True)


current_request: ContextVar[RequestContext] = ContextVar("request")
