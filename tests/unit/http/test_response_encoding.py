"""The encoding of responses: the same text as Powertools' own encoding, and the same refusals."""

import json
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAliasType, Union, cast, get_args, get_origin

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Route
from hypothesis import given
from hypothesis import settings as depth
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from admin import handler as admin
from auth import handler as auth
from docs import handler as docs
from inventory import handler as inventory
from oms.core.schemas import EmptyRequest, Shown
from oms.core.settings import settings
from oms.http import powertools
from oms.http.powertools import JsonText, encode, encode_responses, routes_of
from oms.http.serving import RESOLVER_OPTIONS
from oms.inventory.schemas import CategoryResponse
from orders import handler as orders
from reports import handler as reports
from tests.support.examples import examples
from tests.support.invocation import Context
from webhooks import handler as webhooks

HANDLERS = [admin, auth, docs, inventory, orders, reports, webhooks]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.sampled_from(["1.00", "2026-01-31T09:30:00.000Z", '\x00\x1f\x7f\u2028"\\/<é😀', "EUR"]),
)


def declared(route: Route) -> Any:
    parameter = route.dependant.return_param
    return parameter.type_ if parameter else None


def has_model(kind: Any) -> bool:
    return any(isinstance(it, type) and issubclass(it, BaseModel) for it in (kind, *get_args(kind)))


ROUTES = [it for handler in HANDLERS for it in routes_of(handler.app) if has_model(declared(it))]


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Returns values of a type of a response's field."""
    if isinstance(kind, TypeAliasType):
        return values(kind.__value__)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {name: values(it.annotation) for name, it in kind.model_fields.items()}
        return st.fixed_dictionaries(fields).map(lambda it: built(kind, it)).filter(lambda it: it is not None)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return values(arguments[0])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of([values(it) for it in arguments])
    if origin is list:
        return st.lists(values(arguments[0]), max_size=2)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=2)
    plain = {str: TEXTS, int: st.integers(-(10**12), 10**12), bool: st.booleans(), NoneType: st.none()}
    floats = st.floats(0, 10**6).map(lambda it: round(it, 1))
    return {**plain, float: floats, Any: st.one_of(TEXTS, st.integers(0, 9)), object: TEXTS}[kind]


def built(kind: type[BaseModel], fields: dict[str, Any]) -> BaseModel | None:
    try:
        return kind.model_validate(fields, by_name=True, by_alias=True)
    except ValidationError:
        return None


@pytest.mark.parametrize("route", ROUTES, ids=lambda it: f"{it.method} {it.path}")
@depth(max_examples=examples(20))
@given(data=st.data())
def test_a_response_has_the_text_of_powertools_encoding(route: Route, data: st.DataObject) -> None:
    content = data.draw(values(declared(route)))
    parameter: Any = route.dependant.return_param
    by_powertools = json.dumps(parameter.serialize(content), separators=(",", ":"), ensure_ascii=False)

    assert encode(declared(route), content) == by_powertools


class Secretive(CategoryResponse):
    secret: str = "secret"


def answer(content: Any) -> dict[str, Any]:
    """Returns the response of a route that is declared to show a category, and returns `content`."""
    app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)
    encode_responses(app)

    @app.get("/x")
    def show() -> Response[CategoryResponse]:
        return Response(200, "application/json", content)

    http = {"method": "GET", "path": "/x"}
    request = {"version": "2.0", "rawPath": "/x", "headers": {}, "requestContext": {"http": http, "stage": "$default"}}
    response: dict[str, Any] = app.resolve(request, cast(Any, Context()))
    return response


def test_the_declared_class_is_encoded() -> None:
    assert answer(CategoryResponse(name="Café", product_count=1))["body"] == '{"name":"Café","product_count":1}'


def test_fields_that_the_declared_class_does_not_have_are_not_shown() -> None:
    assert "secret" not in answer(Secretive(name="Coffee", product_count=1))["body"]


@pytest.mark.parametrize("content", ["{}", None, EmptyRequest()], ids=["text", "nothing", "another model"])
def test_other_content_fails_the_request(content: Any) -> None:
    assert answer(content)["statusCode"] == 500


def test_text_that_was_checked_is_sent_as_it_is() -> None:
    assert answer(JsonText("[]"))["body"] == "[]"


SHOWN: dict[str, Any] = {"name": "Café", "product_count": 1}


@pytest.fixture
def checked_every(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many responses are sent for each one that is checked."""

    def choose(number: int) -> None:
        chosen = replace(settings(), response_check_every=number)
        monkeypatch.setattr(powertools, "settings", lambda: chosen)

    return choose


def test_shown_fields_have_the_text_of_their_class() -> None:
    assert answer(Shown(SHOWN))["body"] == answer(CategoryResponse(**SHOWN))["body"]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Coffee"},
        {**SHOWN, "product_count": "1"},
        {**SHOWN, "product_count": 1.5},
        {**SHOWN, "secret": "secret"},
        {"product_count": 1, "name": "Coffee"},
        {**SHOWN, "name": None},
    ],
    ids=["missing", "text", "fraction", "more", "another order", "null"],
)
def test_shown_fields_that_differ_from_their_class_fail_the_test(fields: dict[str, Any]) -> None:
    assert answer(Shown(fields))["statusCode"] == 500


def test_functions_check_a_sample_of_the_shown_fields(checked_every: Callable[[int], None]) -> None:
    checked_every(10)

    statuses = [answer(Shown(SHOWN | {"secret": "secret"}))["statusCode"] for _ in range(100)]

    assert statuses.count(500) == 10


def test_functions_check_all_models(checked_every: Callable[[int], None]) -> None:
    checked_every(10**9)

    assert answer(EmptyRequest())["statusCode"] == 500
    assert "secret" not in answer(Secretive(name="Coffee", product_count=1))["body"]


@given(name=TEXTS, count=st.integers(-(10**12), 10**12))
def test_the_text_of_shown_fields_does_not_depend_on_the_check(name: str, count: int) -> None:
    by_model = encode(CategoryResponse, CategoryResponse(name=name, product_count=count))

    assert encode(CategoryResponse, Shown({"name": name, "product_count": count})) == by_model
