"""Admission: finds the route of a request, and checks the route's access rule.

It runs before the resolver and does not depend on it or on validation. A route's rule is one of its own middlewares
(`oms.http.access_rules.AccessRule`), so a request that was not admitted by that rule does not reach the route's
function.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import NoReturn, cast

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from oms.audit import audit_log
from oms.core.actors import Actor
from oms.core.errors import (
    ForbiddenError,
    InsufficientScopeError,
    MethodNotAllowedError,
    NotFoundError,
    OmsError,
    UnauthenticatedError,
)
from oms.core.guests import Guest, is_order_token
from oms.core.settings import settings
from oms.http.access_rules import AccessRule, RequestContext
from oms.http.api import (
    bearer_token,
    client_address,
    exact_client_address,
    is_versioned,
    tag_logs_with_key,
    tag_logs_with_user,
)
from oms.http.powertools import routes_by_precedence, routes_of
from oms.identity.access import authenticate
from oms.identity.user_limits import limit_anonymous_requests, limit_requests
from oms.service_keys.access import ServiceCaller, authenticate_key, is_service_key
from oms.service_keys.limits import KEY_LEASES, NOTED_USES

_RANK = {"customer": 1, "manager": 2, "admin": 3}


@dataclass(frozen=True)
class Match:
    """A request's route, with the values of the variables in its path."""

    route: Route
    variables: Mapping[str, str]


def admit(app: APIGatewayHttpResolver, request: RequestContext) -> Match:
    """Returns the route of the request, if its access rule allows the caller.

    Raises the contract's errors in its order: 404 for an unknown path, 405 with `Allow`, 401, 403.
    """
    match = _find(app, request)
    request.operation = match.route.func.__name__
    rule = _rule_of(match.route)
    _authorize(rule, request)
    request.admitted_by = rule
    return match


def admit_fields(request: RequestContext) -> None:
    """Checks the fields of the parsed body that customers may not send, nor keys without the field's scope.

    Raises ForbiddenError and InsufficientScopeError. It precedes validation, so a wrong value of such a field is a 403.
    """
    rule, caller = request.admitted_by, request.caller
    if rule is not None and request.guest is not None:
        # A guest names the customer, without an account.
        for name in rule.manager_fields.keys() & request.body.keys() - {"customer"}:
            raise _for_managers(name)
    if rule is None or caller is None:
        return
    for name in rule.manager_fields.keys() & request.body.keys():
        scope = rule.manager_fields[name]
        if not caller.is_manager:
            _deny(caller, request, _for_managers(name))
        if isinstance(caller, ServiceCaller) and scope not in caller.scopes:
            _deny(caller, request, InsufficientScopeError(scope))


def _for_managers(name: str) -> ForbiddenError:
    return ForbiddenError(f"Only managers, admins and service keys may send `{name}`. Omit it.")


def require_rules(app: APIGatewayHttpResolver) -> None:
    """Raises TypeError for a route without exactly one access rule, or with a wrong mark for If-Match."""
    for route in routes_of(app):
        _rule_of(route)
        try:
            _require_honest_mark(cast(FunctionType, route.func))
        except TypeError as error:
            raise TypeError(f"{_name(route)} {error}") from None


def _rule_of(route: Route) -> AccessRule:
    rules = [middleware for middleware in route.middlewares if isinstance(middleware, AccessRule)]
    if len(rules) != 1:
        raise TypeError(
            f"{_name(route)} has {len(rules)} access rules and needs one: "
            "pass **PUBLIC, **CUSTOMER, **MANAGER or **ADMIN of oms.http.access_rules to its decorator"
        )
    (rule,) = rules
    if route.openapi_extensions != rule.extensions or list(route.security or []) != rule.security:
        raise TypeError(f"{_name(route)} has an access rule that differs from its OpenAPI description")
    return rule


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


def _require_honest_mark(function: FunctionType) -> None:
    """Raises TypeError unless the function both has the mark `versioned` and calls `expected_version`, or neither."""
    calls = "expected_version" in _names_used(function)
    if calls != is_versioned(function):
        lacks = "the mark @api.versioned" if calls else "a call of api.expected_version"
        consequence = "refused" if calls else "ignored"
        raise TypeError(f"needs {lacks} too: without it, If-Match is {consequence}")


def _names_used(function: FunctionType) -> set[str]:
    """Returns the names in a function's code and in the code of functions that it uses from its module."""
    found: set[str] = set()
    codes, followed = [function.__code__], {function}
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for name in code.co_names:
            used = function.__globals__.get(name)
            if isinstance(used, FunctionType) and used.__module__ == function.__module__ and used not in followed:
                followed.add(used)
                codes.append(used.__code__)
        found |= set(code.co_names)
    return found


def _find(app: APIGatewayHttpResolver, request: RequestContext) -> Match:
    """Finds the route of a request. A fixed path (`/orders/quote`) precedes a path with an id (`/orders/<id>`).

    The whole path must match, since `$` in a route's pattern also matches before a line end.
    """
    path = APIGatewayProxyEventV2(dict(request.event)).path
    for routes in routes_by_precedence(app):
        matches = [Match(route, found.groupdict()) for route in routes if (found := route.rule.fullmatch(path))]
        if matches:
            return _of_method(matches, request.method)
    raise NotFoundError("Path not found. See /openapi.json for all paths.")


def _of_method(matches: list[Match], method: str) -> Match:
    allowed: dict[str, Match] = {}
    for match in matches:  # the resolver also uses the first match
        allowed.setdefault(match.route.method, match)
    # The route of GET answers a HEAD, unless its rule forbids it.
    if "GET" in allowed and _rule_of(allowed["GET"].route).head:
        allowed.setdefault("HEAD", allowed["GET"])
    if method not in allowed:
        _refuse_method(sorted(allowed))
    return allowed[method]


def _refuse_method(allowed: list[str]) -> NoReturn:
    raise MethodNotAllowedError(
        "Method not allowed for this path. Use a method that the header Allow lists.",
        headers={"Allow": ", ".join(allowed)},
    )


def _authorize(rule: AccessRule, request: RequestContext) -> None:
    if rule.role == "public":
        return
    request.is_public = rule.in_catalogue and settings().public_catalogue
    # A request with a wrong token is refused, and not answered as one without a token.
    if request.is_public and _sends_no_token(request):
        _admit_anonymous(rule, request)
        return
    if rule.guests == "checkout" and settings().guest_checkout and _sends_no_token(request):
        _admit_guest(request)
        return
    token = bearer_token()
    if token is None:
        raise UnauthenticatedError
    if is_order_token(token):
        _authorize_guest(token, rule, request)
    elif is_service_key(token):
        _authorize_key(token, rule, request)
    else:
        _authorize_user(token, rule, request)


def _sends_no_token(request: RequestContext) -> bool:
    return "authorization" not in request.headers


def _admit_guest(request: RequestContext) -> None:
    request.guest = Guest()
    limit_anonymous_requests(client_address())


def _authorize_guest(text: str, rule: AccessRule, request: RequestContext) -> None:
    """Admits the token of an order to the routes of an order. The service compares the order with the token."""
    guest = Guest.authenticated(text)
    if guest.token is None or rule.guests != "order":
        raise ForbiddenError("An order token may only read and cancel its order. Sign in as a user.")
    limit_requests(guest.token.order_id, "customer")
    request.guest = guest


def _admit_anonymous(rule: AccessRule, request: RequestContext) -> None:
    limit_anonymous_requests(client_address())
    if _has_manager_parameters(rule, request):
        raise UnauthenticatedError
    request.is_anonymous = True


def _has_manager_parameters(rule: AccessRule, request: RequestContext) -> bool:
    return any(name in rule.manager_parameters for name, _ in request.query)


def _authorize_user(token: str, rule: AccessRule, request: RequestContext) -> None:
    request.caller = user = authenticate(token)
    tag_logs_with_user(user.id)
    limit_requests(user.id, user.role)
    needed = "manager" if _has_manager_parameters(rule, request) and rule.role == "customer" else rule.role
    if _RANK[user.role] < _RANK[needed]:
        role = "admin" if needed == "admin" else "manager or admin"
        _deny(user, request, ForbiddenError(f"This request requires the role {role}."))


def _authorize_key(token: str, rule: AccessRule, request: RequestContext) -> None:
    """Admits a service key with the route's scope.

    Its address is checked first, so that a stolen key cannot use up the limit from elsewhere.
    """
    request.caller = key = authenticate_key(token)
    tag_logs_with_key(key.id)
    request.address = exact_client_address()
    if not key.may_be_used_from(request.address):
        detail = "This service key may not be used from the client's address. Check its allowed_addresses."
        audit_log.record_refused_address(key, address=client_address(), target=_target(request))
        raise ForbiddenError(detail)
    KEY_LEASES.use(key.id, key.rate_limit)
    NOTED_USES.note(key.id)
    if rule.scope is None:
        _deny(key, request, ForbiddenError("Service keys may not make this request. Sign in as a user."))
    if rule.scope not in key.scopes:
        _deny(key, request, InsufficientScopeError(rule.scope))


def _deny(caller: Actor, request: RequestContext, refusal: OmsError) -> NoReturn:
    audit_log.record_denial(caller, address=client_address(), target=_target(request))
    raise refusal


def _target(request: RequestContext) -> str:
    return f"{request.method} {request.path}"
