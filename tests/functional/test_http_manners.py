"""HTTP as clients and caches expect it: lengths, empty answers, compression, conditions, challenges."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from admin import handler as admin_routes
from auth import handler as auth
from auth import passwords
from docs import handler as docs
from inventory import handler as inventory
from oms.core.clock import random_id
from oms.core.errors import UnsupportedMediaTypeError
from oms.http import representation
from oms.http.body import parse
from oms.http.powertools import routes_of
from orders import handler as orders
from reports import handler as reports
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer, Person
from tests.support.operations import VALID_BODIES
from webhooks import handler as webhooks

APPS = [it.app for it in (admin_routes, auth, passwords, docs, inventory, orders, reports, webhooks)]
ORDERS, PRODUCTS = "/api/v1/orders", "/api/v1/inventory/products"
DOCUMENTS = [
    f"{base}{path}"
    for base in ("", "/api/v1")
    for path in ("/openapi.json", "/event-catalogue", "/.well-known/jwks.json")
]


# ---- lengths, and answers without a body ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/openapi.json", ORDERS, "/nope"])
def test_head_has_the_length_of_get(customer: Person, path: str) -> None:
    shown, head = (call(method, path, token=customer.token) for method in ("GET", "HEAD"))

    assert (head.status, head.content, head.headers) == (shown.status, b"", shown.headers)
    assert head.length == shown.length > 0


def test_an_empty_answer_has_no_content_type(customer: Person) -> None:
    forgotten = call("POST", "/api/v1/auth/password/forgot", {"email": "nobody@example.com"})
    signed_out = call("POST", "/api/v1/auth/logout", {}, token=customer.token)

    for answer, status in ((forgotten, 202), (signed_out, 204)):
        assert (answer.status, answer.content) == (status, b"")
        assert not {"Content-Type", "Content-Length", "Content-Encoding"} & answer.headers.keys()


# ---- public documents -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_public_document_may_be_cached_and_revalidated(cloud: None, path: str) -> None:
    shown = call("GET", path)
    etag = shown.headers["ETag"]

    assert etag.startswith('W/"')
    assert shown.headers["Cache-Control"].startswith("public, max-age=")
    assert shown.headers["Access-Control-Allow-Origin"] == "*"
    for condition in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        for method in ("GET", "HEAD"):
            known = call(method, path, headers={"If-None-Match": condition})
            assert (known.status, known.length) == (304, 0)
            for header in ("ETag", "Cache-Control", "Vary"):  # RFC 9110, 15.4.5
                assert known.headers.get(header) == shown.headers.get(header)
            assert not {"Content-Type", "Content-Encoding"} & known.headers.keys()
    for other in ('"other"', "", "other", etag.strip('W/"')):
        assert call("GET", path, headers={"If-None-Match": other}).status == 200


def test_a_version_is_not_the_tag_of_a_private_answer(manager: Person, product: Callable[..., Any]) -> None:
    path = f"{PRODUCTS}/{product()}"
    etag = call("GET", path, token=manager.token).headers["ETag"]

    again = call("GET", path, token=manager.token, headers={"If-None-Match": etag})

    assert again.status == 200, "its stock may have changed meanwhile"
    assert again.headers["Cache-Control"] == "no-store"


# ---- compression ----------------------------------------------------------------------------------------------------


def test_a_long_answer_is_compressed_for_a_client_that_takes_it(cloud: None) -> None:
    plain = call("GET", "/openapi.json")
    packed = call("GET", "/openapi.json", headers={"Accept-Encoding": "gzip, deflate, br"})

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["ETag"] == plain.headers["ETag"]
    assert gzip.decompress(packed.content) == plain.content
    assert packed.length < plain.length / 4
    head = call("HEAD", "/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert (head.length, head.headers["Content-Encoding"]) == (packed.length, "gzip")


def test_a_private_list_is_compressed(manager: Person, order: Callable[..., Answer]) -> None:
    for _ in range(3):
        order(manager)

    packed = call("GET", ORDERS, token=manager.token, headers={"Accept-Encoding": "gzip"})

    assert len(json.loads(gzip.decompress(packed.content))["items"]) == 3
    assert packed.headers["Cache-Control"] == "no-store"


def test_a_short_answer_and_a_refusal_are_not_compressed(customer: Person) -> None:
    for path in ("/health", f"{ORDERS}/none", f"{ORDERS}?{'x' * 2000}"):
        answer = call("GET", path, token=customer.token, headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in answer.headers
        assert answer.json


def test_an_answer_to_a_post_is_never_compressed(manager: Person) -> None:
    """Only these answers have tokens and secrets."""
    body = VALID_BODIES["create_product"] | {"description": "x" * 2000}

    answer = call("POST", PRODUCTS, body, token=manager.token, headers={"Accept-Encoding": "gzip"})

    assert (answer.status, len(answer.json["description"])) == (201, 2000)
    assert not {"Content-Encoding", "Vary"} & answer.headers.keys()


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip;q=1.0, identity;q=0.5", True),
        ("br, gzip;q=0.8", True),
        ("*", True),
        ("br;q=1, *;q=0.1", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=x", False),
        ("notgzip", False),
    ],
)
def test_gzip_is_taken_as_the_weights_say(header: str, taken: bool) -> None:
    assert representation.accepts_gzip(header) is taken


# ---- challenges, media types, words ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [ORDERS, "/api/v1/admin/users"])
def test_a_challenge_says_whether_the_token_is_bad_or_missing(cloud: None, path: str) -> None:
    missing, empty = call("GET", path), call("GET", path, headers={"Authorization": "Bearer "})
    bad = call("GET", path, token="x.y.z")

    assert missing.headers["WWW-Authenticate"] == empty.headers["WWW-Authenticate"] == "Bearer"
    assert bad.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    for answer in (missing, bad):
        assert_problem(answer, 401, "unauthenticated")


def test_signing_out_says_so_too_and_a_wrong_password_is_no_bad_token(cloud: None) -> None:
    path = "/api/v1/auth/logout"
    wrong = {"email": "nobody@example.com", "password": random_id()}

    assert call("POST", path, {}).headers["WWW-Authenticate"] == "Bearer"
    assert call("POST", path, {}, token="x").headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert call("POST", "/api/v1/auth/login", wrong, token="x").headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8", "us-ascii"])
def test_json_is_in_utf_8(charset: str) -> None:
    event = {"body": '{"a":"é"}'}

    assert parse(event, {"content-type": f"application/json; charset={charset}"}) == {"a": "é"}


@pytest.mark.parametrize(
    "charset",
    [
        *("iso-8859-1", '"latin1"', "utf-16", ""),
        *("utf-8; charset=latin-1", "latin-1; charset=utf-8", "utf-8; x=1; CHARSET=latin-1", "utf-8; charset"),
        *("utf-8; charset*0=latin-1", "utf-8; charset*=utf-8''latin-1"),
    ],
)
def test_json_in_another_charset_is_refused_with_the_right_one(customer: Person, charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}

    refused = call("POST", f"{ORDERS}/quote", {"items": []}, token=customer.token, headers=headers)

    assert "UTF-8" in assert_problem(refused, 415, "unsupported-media-type")["detail"]
    with pytest.raises(UnsupportedMediaTypeError):
        parse({"body": "{}"}, {"content-type": headers["Content-Type"]})


@pytest.mark.parametrize("time", ["2026-01-31T09:30:00+01:00", "2026-01-31T09:30:00.5+01:00"])
def test_a_plus_that_became_a_blank_is_explained(customer: Person, time: str) -> None:
    refused = call("GET", f"{ORDERS}?from={time}", token=customer.token)
    escaped = call("GET", f"{ORDERS}?from={time.replace('+', '%2B')}", token=customer.token)
    other = call("GET", f"{ORDERS}?from=2026-01-31 09:30:00Z", token=customer.token)

    (error,) = assert_problem(refused, 422, "validation-failed")["errors"]
    assert "write it as %2B" in error["detail"]
    assert escaped.status == 200
    assert "%2B" not in assert_problem(other, 422, "validation-failed")["errors"][0]["detail"]


@pytest.mark.parametrize("wrong", [True, None, 1.5, [], {}])
def test_an_invalid_product_id_is_refused_with_both_kinds(customer: Person, wrong: Any) -> None:
    body = {"items": [{"product_id": wrong, "quantity": 1}]}

    refused = call("POST", f"{ORDERS}/quote", body, token=customer.token)

    assert assert_problem(refused, 422, "validation-failed")["errors"] == [
        {"pointer": "#/items/0/product_id", "detail": "must be a string or an integer"}
    ]


MODELS = {
    annotation
    for app in APPS
    for route in routes_of(app)
    for parameter in (*route.dependant.body_params, *route.dependant.query_params)
    if isinstance(annotation := parameter.field_info.annotation, type) and issubclass(annotation, BaseModel)
}


@pytest.mark.parametrize("model", sorted(MODELS, key=lambda it: it.__name__))
def test_no_error_shows_a_regular_expression(model: type[BaseModel]) -> None:
    """Pydantic puts a pattern into its message: `oms.core.schemas.TextPattern` has words in its place."""

    def patterns(schema: Any) -> list[str]:
        if isinstance(schema, dict):
            own = [schema["pattern"]] if schema.get("type") == "str" and "pattern" in schema else []
            return own + [it for inner in schema.values() for it in patterns(inner)]
        return [it for inner in schema for it in patterns(inner)] if isinstance(schema, list | tuple) else []

    assert patterns(model.__pydantic_core_schema__) == []


@pytest.mark.parametrize("sku", ["", "a b", "x" * 65, "é", "a\n"])
def test_an_invalid_sku_is_described_in_words(manager: Person, sku: str) -> None:
    body = VALID_BODIES["create_product"] | {"sku": sku}

    refused = call("POST", PRODUCTS, body, token=manager.token)

    (error,) = assert_problem(refused, 422, "validation-failed")["errors"]
    assert error == {"pointer": "#/sku", "detail": "must be 1 to 64 visible ASCII characters, without blanks"}


def test_the_type_of_a_problem_leads_to_its_explanation(cloud: None) -> None:
    problem = assert_problem(call("GET", "/nope"), 404, "not-found")
    page, _, anchor = problem["type"].partition("#")

    shown = call("GET", page)

    assert shown.headers["Content-Type"].startswith("text/html")
    assert f'id="{anchor}"' in shown.text


def test_an_unfinished_export_says_when_to_ask_again(manager: Person, admin: Person) -> None:
    export = call("POST", "/api/v1/reports/exports", {"report": "orders"}, token=manager.token)
    check = call("POST", "/api/v1/admin/stock-check", {}, token=admin.token)

    for answer in (export, check):
        assert answer.status == 202
        assert int(answer.headers["Retry-After"]) > 0
        assert call("GET", answer.headers["Location"], token=admin.token).status == 200
