"""A14: no route answers a request that its access rule did not admit, in any construction of route and resolver."""

import ast
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from oms.http import admission, api
from oms.http.access_rules import ADMIN, CUSTOMER, MANAGER, PUBLIC
from oms.http.serving import serve
from tests.support.gateway import assert_problem
from tests.support.invocation import Answer, Person, invoke

FUNCTIONS = Path(__file__).parents[2] / "functions"
SECRET = "what admins alone may read"

type Group = Callable[..., Answer]


def resolver(**options: Any) -> APIGatewayHttpResolver:
    return APIGatewayHttpResolver(**options)


def secret() -> Response[str]:
    return Response(200, "text/plain", SECRET)


def served(app: APIGatewayHttpResolver) -> Group:
    """Returns a client of the routes of a resolver."""
    handler: Any = SimpleNamespace(lambda_handler=serve(app))
    return lambda method, path, **options: invoke(handler, method, path, documented=False, **options)


def refused(ask: Callable[[], Answer]) -> bool:
    """Whether a request gets an error: an error answer, or a failed invocation."""
    try:
        answer = ask()
    except Exception:
        return True
    return answer.status >= 400 and SECRET not in answer.text


# ---- routes that are open by mistake --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_resolver", "of_route"),
    [
        ({}, {}),
        ({"enable_validation": False}, {}),
        ({"enable_validation": True}, {"enable_validation": False}),
        ({"enable_validation": True}, {"include_in_schema": False}),
    ],
    ids=["no validation", "validation off", "validation off for the route", "not in the document"],
)
def test_a14_a_rule_holds_without_validation(
    customer: Person, manager: Person, of_resolver: dict[str, Any], of_route: dict[str, Any]
) -> None:
    app = resolver(**of_resolver)
    app.get("/secret", **of_route, **ADMIN)(secret)
    call = served(app)

    assert_problem(call("GET", "/secret"), 401, "unauthenticated")
    assert_problem(call("GET", "/secret", token=customer.token), 403, "forbidden")
    assert_problem(call("GET", "/secret", token=manager.token), 403, "forbidden")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"openapi_extensions": {"x-role": "public"}},
        {**ADMIN, "openapi_extensions": {"x-role": "public"}},
        {**ADMIN, "security": []},
        {name: value for name, value in ADMIN.items() if name != "middlewares"},
        {**ADMIN, "middlewares": [*ADMIN.get("middlewares", []), *PUBLIC.get("middlewares", [])]},
    ],
    ids=["no rule", "a rule in the document alone", "two roles", "two schemes", "no middleware", "two rules"],
)
@pytest.mark.parametrize("validation", [True, False])
def test_a14_a_route_without_one_rule_fails_the_import(options: dict[str, Any], validation: bool) -> None:
    app = resolver(enable_validation=validation)
    app.get("/fine", **ADMIN)(secret)
    app.get("/secret/<name>", **options)(secret)

    with pytest.raises(TypeError, match="GET /secret/<name>"):
        serve(app)


def test_a14_each_method_of_a_route_has_the_rule(cloud: None) -> None:
    app = resolver()
    app.route("/secret", method=["GET", "DELETE"], **ADMIN)(secret)
    call = served(app)

    for method in ("GET", "HEAD", "DELETE"):
        assert call(method, "/secret").status == 401
    assert call("PUT", "/secret").headers["Allow"] == "DELETE, GET, HEAD"


@pytest.mark.parametrize("asked_before", [False, True])
def test_a14_a_rule_taken_off_a_route_opens_nothing(admin: Person, asked_before: bool) -> None:
    app = resolver()
    options: dict[str, Any] = dict(ADMIN)
    middlewares = options["middlewares"] = list(options.get("middlewares", []))
    app.get("/secret", **options)(secret)
    call = served(app)
    if asked_before:
        assert call("GET", "/secret", token=admin.token).text == SECRET

    middlewares.clear()

    assert refused(lambda: call("GET", "/secret"))
    assert refused(lambda: call("GET", "/secret", token=admin.token))


def test_a14_a_route_added_later_needs_its_rule(admin: Person) -> None:
    app = resolver()
    app.get("/first", **ADMIN)(secret)
    call = served(app)

    app.get("/open")(secret)
    app.get("/documented", openapi_extensions={"x-role": "public"})(secret)
    app.get("/closed", **ADMIN)(secret)

    for path in ("/open", "/documented", "/closed"):
        assert refused(lambda path=path: call("GET", path))
    assert refused(lambda: call("GET", "/open", token=admin.token))
    assert call("GET", "/closed", token=admin.token).text == SECRET


def test_a14_a_resolver_called_past_admission_answers_nothing(cloud: None) -> None:
    app = resolver()
    app.get("/secret", **ADMIN)(secret)
    serve(app)
    handler: Any = SimpleNamespace(lambda_handler=app.resolve)

    assert refused(lambda: invoke(handler, "GET", "/secret", documented=False))


def test_a14_a_failure_while_admitting_is_no_admission(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    app = resolver()
    app.get("/secret", **ADMIN)(secret)
    call = served(app)

    def fail(_: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(admission, "authenticate", fail)

    with pytest.raises(ZeroDivisionError):
        call("GET", "/secret", token=admin.token)


# ---- routes of a path -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "get", "Get", "OPTIONS", "TRACE", "POST", "X"])
def test_a14_no_method_goes_round_a_rule(cloud: None, method: str) -> None:
    app = resolver()
    app.get("/secret", **ADMIN)(secret)

    answer = served(app)(method, "/secret")

    assert answer.status == (401 if method in ("GET", "HEAD") else 405)
    assert SECRET not in answer.text


def test_a14_a_fixed_path_is_under_its_own_rule(customer: Person, admin: Person) -> None:
    app = resolver()
    app.get("/<name>/all", **PUBLIC)(lambda name: Response(200, "text/plain", "public"))  # noqa: ARG005
    app.get("/secrets/<name>", **PUBLIC)(lambda name: Response(200, "text/plain", "public"))  # noqa: ARG005
    app.get("/secrets/all", **ADMIN)(secret)
    app.post("/secrets/none", **ADMIN)(secret)
    call = served(app)

    assert call("GET", "/secrets/all").status == 401
    assert call("GET", "/secrets/all", token=customer.token).status == 403
    assert call("GET", "/secrets/all", token=admin.token).text == SECRET
    assert call("GET", "/secrets/none").status == 405
    assert call("GET", "/secrets/one").text == call("GET", "/things/all").text == "public"


def test_a14_of_two_rules_with_variables_the_first_one_holds(cloud: None) -> None:
    app = resolver()
    app.get("/secrets/<name>", **ADMIN)(lambda name: secret())  # noqa: ARG005
    app.get("/<group>/one", **PUBLIC)(lambda group: Response(200, "text/plain", "public"))  # noqa: ARG005
    call = served(app)

    assert call("GET", "/secrets/one").status == 401
    assert call("GET", "/things/one").text == "public"


@pytest.mark.parametrize(
    "path",
    [
        *("/secret/", "//secret", "/SECRET", "/secret%2F", "/secret?x=1", "/secret\n", "/secret\r", "/secret\x00"),
        *("/secrets/one\n", "/secrets/one/", "/secrets/\n", "/secrets/one\r\n"),
    ],
)
def test_a14_another_spelling_of_a_path_is_not_the_route(admin: Person, path: str) -> None:
    """The caller may call the route: other callers would be refused for that."""
    app = resolver()
    app.get("/secret", **ADMIN)(secret)
    app.get("/secrets/<name>", **ADMIN)(lambda name: secret())  # noqa: ARG005
    call = served(app)

    assert call("GET", "/secret", token=admin.token).text == call("GET", "/secrets/one", token=admin.token).text
    assert_problem(call("GET", path, token=admin.token), 404, "not-found")


def test_a14_routes_of_an_included_router_have_their_rules(customer: Person, admin: Person) -> None:
    router = Router()
    router.get("/secret", **ADMIN)(secret)
    app = resolver()
    app.include_router(router, prefix="/part")
    call = served(app)

    assert call("GET", "/part/secret").status == 401
    assert call("GET", "/part/secret", token=customer.token).status == 403
    assert call("GET", "/part/secret", token=admin.token).text == SECRET


def test_a14_an_included_route_without_a_rule_fails_the_import() -> None:
    router = Router()
    router.get("/secret")(secret)
    app = resolver()
    app.include_router(router)

    with pytest.raises(TypeError, match="GET /secret"):
        serve(app)


def test_a14_a_manager_is_let_in_where_managers_are(customer: Person, manager: Person) -> None:
    app = resolver()
    app.get("/for-managers", **MANAGER)(secret)
    app.get("/for-all", **CUSTOMER)(lambda: Response(200, "text/plain", api.current_user().id))
    call = served(app)

    assert call("GET", "/for-managers", token=manager.token).text == SECRET
    assert call("GET", "/for-managers", token=customer.token).status == 403
    assert call("GET", "/for-all", token=customer.token).text == customer.id


# ---- the functions --------------------------------------------------------------------------------------------------


def route_modules() -> list[Path]:
    return [it for it in sorted(FUNCTIONS.rglob("*.py")) if "APIGatewayHttpResolver(" in it.read_text()]


@pytest.mark.parametrize("module", route_modules(), ids=lambda it: it.relative_to(FUNCTIONS).as_posix())
def test_a14_a_functions_only_way_to_its_routes_is_through_serve(module: Path) -> None:
    tree = ast.parse(module.read_text())

    handlers = [ast.unparse(it) for it in tree.body if "lambda_handler" in ast.unparse(it)]
    assert handlers == ["lambda_handler = serve(app)"]
    uses = [it.attr for it in ast.walk(tree) if isinstance(it, ast.Attribute) and ast.unparse(it.value) == "app"]
    assert set(uses) <= {"get", "post", "put", "patch", "delete"}
    assert "app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)" in [ast.unparse(it) for it in tree.body]
    assert ast.unparse(tree.body[-1]) == "lambda_handler = serve(app)", "a route behind it would not be checked"
