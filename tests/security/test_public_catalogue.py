"""A35: the catalogue without a token, where the setting `public_catalogue` is on: what each caller sees, and caches."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from oms.core.dynamodb import client
from oms.core.settings import settings
from oms.identity import user_limits
from oms.identity.user_limits import Leases
from tests.support.aws_calls import intercepted
from tests.support.deployment import deployed_with
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.service_keys import a_key
from tests.support.shop import Shop

INVENTORY = "/api/v1/inventory"
PRODUCTS = f"{INVENTORY}/products"
CATEGORIES = f"{INVENTORY}/categories"
PUBLIC = {
    *("id", "sku", "name", "description", "category", "price", "currency", "attributes", "status", "available"),
    *("created_at", "updated_at"),
}
CUSTOMERS = PUBLIC | {"version"}
MANAGERS = CUSTOMERS | {"reserved", "on_hand", "low_stock_threshold", "shards", "stock_version"}
# The fields that each caller sees. A service key sees what a manager sees.
SEEN = {"none": PUBLIC, "customer": CUSTOMERS, "manager": MANAGERS, "admin": MANAGERS, "key": MANAGERS}
# For each caller, the status of: the list, the list with a manager's filter, an active and an archived product, the
# categories. `other-key` is a service key without the scope.
STATUSES = {
    "none": (200, 401, 200, 404, 200),
    "customer": (200, 403, 200, 404, 200),
    "manager": (200, 200, 200, 200, 200),
    "admin": (200, 200, 200, 200, 200),
    "key": (200, 200, 200, 200, 200),
    "other-key": (403, 403, 403, 403, 403),
    "wrong": (401, 401, 401, 401, 401),
}
# Requests that differ from the plain one in a header outside the cache's key.
UNKEYED = {
    "host": "evil.example",
    "x-forwarded-host": "evil.example",
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-proto": "http",
    "forwarded": "host=evil.example",
    "x-original-url": "/api/v1/orders",
    "x-rewrite-url": "/api/v1/orders",
    "x-http-method-override": "DELETE",
    "x-request-id": "evil",
    "cookie": "__Secure-oms-refresh=stolen",
    "accept": "text/html",
    "accept-language": "de",
    "user-agent": "<script>",
    "content-type": "text/html",
    "content-encoding": "gzip",
    "range": "bytes=0-1",
    "idempotency-key": "k",
    "x-api-key": "k",
    "proxy-authorization": "Bearer x",
}


@pytest.fixture(autouse=True)
def _public() -> Iterator[None]:
    with deployed_with(PUBLIC_CATALOGUE="true"):
        yield


@pytest.fixture
def archived(shop: Shop) -> str:
    return shop.product(3, status="archived")


@pytest.fixture
def product(shop: Shop) -> str:
    return created(shop, "Tools")


def created(shop: Shop, category: str) -> str:
    body = {"sku": category, "name": "Saw", "category": category, "price": 5, "stock": 10, "low_stock_threshold": 10}
    return str(call("POST", PRODUCTS, body, token=shop.manager.token).json["id"])


@pytest.fixture
def tokens(shop: Shop, admin: Person) -> Mapping[str, str | None]:
    return {
        "none": None,
        "customer": shop.customer.token,
        "manager": shop.manager.token,
        "admin": admin.token,
        "key": a_key("catalogue:read").text,
        "other-key": a_key("orders:read").text,
        "wrong": shop.customer.token + "x",
    }


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    return Shop(customer, manager)


def assert_kept_by_caches(answer: Answer) -> None:
    assert answer.headers["Cache-Control"] == "public, s-maxage=30"
    assert answer.headers["Vary"].startswith("Authorization, Origin")


def assert_not_kept(answer: Answer) -> None:
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Vary"].startswith("Authorization, Origin"), "a cache keeps the responses to others"


def test_a35_each_caller_sees_what_the_table_says(
    tokens: Mapping[str, str | None], product: str, archived: str, subtests: pytest.Subtests
) -> None:
    paths = (
        PRODUCTS,
        f"{PRODUCTS}?low_stock=true",
        f"{PRODUCTS}/{product}",
        f"{PRODUCTS}/{archived}",
        CATEGORIES,
    )
    for (name, statuses), method in itertools.product(STATUSES.items(), ("GET", "HEAD")):
        for path, status in zip(paths, statuses, strict=True):
            with subtests.test(name=name, path=path, method=method):
                answer = call(method, path, token=tokens[name])

                assert answer.status == status, answer.text
                if name == "none" and status == 200:
                    assert_kept_by_caches(answer)
                else:
                    assert_not_kept(answer)


@pytest.mark.parametrize("name", SEEN)
def test_a35_each_caller_gets_the_fields_that_the_table_says(
    tokens: Mapping[str, str | None], name: str, product: str, archived: str
) -> None:
    one = call("GET", f"{PRODUCTS}/{product}", token=tokens[name]).json
    listed = call("GET", PRODUCTS, token=tokens[name]).json
    categories = call("GET", CATEGORIES, token=tokens[name]).json

    assert one.keys() == SEEN[name]
    assert listed == {"items": [one], "next_cursor": None}, "archived products are not listed"
    assert [it["name"] for it in categories["items"]] == [one["category"]]


def test_a35_every_other_operation_needs_a_token(product: str) -> None:
    for method, path in (
        ("GET", f"{PRODUCTS}/{product}/movements"),
        ("POST", PRODUCTS),
        ("PUT", f"{PRODUCTS}/{product}"),
        ("PATCH", f"{PRODUCTS}/{product}"),
        ("PATCH", f"{PRODUCTS}/{product}/stock"),
        ("PUT", f"{PRODUCTS}/{product}/stock"),
        ("GET", "/api/v1/shop"),
        ("GET", "/api/v1/orders"),
    ):
        answer = call(method, path, {} if method != "GET" else None)
        assert_problem(answer, 401, "unauthenticated")
        assert answer.headers["Cache-Control"] == "no-store"


def test_a35_without_the_setting_every_reader_needs_a_token(product: str) -> None:
    with deployed_with(PUBLIC_CATALOGUE=""):
        for path in (PRODUCTS, f"{PRODUCTS}/{product}", CATEGORIES):
            answer = call("GET", path)
            assert_problem(answer, 401, "unauthenticated")
            assert "Vary" not in answer.headers


@pytest.mark.parametrize("filters", ["status=archived", "low_stock=false", "status=active", "status=&low_stock=x"])
def test_a35_filters_of_managers_need_a_token(filters: str) -> None:
    assert_problem(call("GET", f"{PRODUCTS}?{filters}"), 401, "unauthenticated")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Bearer x", "Basic eDp5", "bearer null", "x"])
def test_a35_a_wrong_token_is_refused_and_not_taken_for_none(product: str, authorization: str) -> None:
    answer = call("GET", f"{PRODUCTS}/{product}", headers={"Authorization": authorization})

    assert_problem(answer, 401, "unauthenticated")
    assert_not_kept(answer)


def test_a35_an_expired_session_is_refused(shop: Shop, product: str) -> None:
    assert call("POST", "/api/v1/auth/logout", token=shop.customer.token).status == 204

    assert_problem(call("GET", f"{PRODUCTS}/{product}", token=shop.customer.token), 401, "unauthenticated")


def test_a35_no_header_outside_the_caches_key_changes_the_response(product: str, subtests: pytest.Subtests) -> None:
    for path in (PRODUCTS, f"{PRODUCTS}/{product}", CATEGORIES, f"{PRODUCTS}/none", f"{PRODUCTS}?q=x&status=active"):
        plain = call("GET", path)
        for name, value in UNKEYED.items():
            with subtests.test(path=path, header=name):
                answer = call("GET", path, headers={name: value})
                assert (answer.status, answer.headers, answer.text) == (plain.status, plain.headers, plain.text)


@pytest.mark.parametrize("query", ["x=1", "utm_source=a", "limit=1&limit=2", "sort=none", "cursor=forged", "q="])
def test_a35_a_wrong_query_is_refused_and_not_kept(query: str) -> None:
    answer = call("GET", f"{PRODUCTS}?{query}")

    assert_problem(answer, 422, "validation-failed")
    assert_not_kept(answer)


@pytest.mark.parametrize("path", ["", "/{product}", "categories"])
def test_the_etag_is_that_of_the_representation(shop: Shop, product: str, path: str) -> None:
    url = CATEGORIES if path == "categories" else PRODUCTS + path.format(product=product)
    first = call("GET", url)
    etag = first.headers["ETag"]

    same = call("GET", url, headers={"If-None-Match": f'"x", {etag}'})
    head = call("HEAD", url)
    if path == "categories":
        created(shop, "Garden")
    else:
        shop.buy({product: 1})
    after = call("GET", url, headers={"If-None-Match": etag})

    assert etag.startswith('W/"')
    assert (same.status, same.text, same.headers["ETag"]) == (304, "", etag)
    assert_kept_by_caches(same)
    assert (head.status, head.text, head.length, head.headers) == (200, "", len(first.content), first.headers)
    assert after.status == 200, "it changes with the stock, unlike the version"
    assert after.headers["ETag"] != etag


def test_the_etag_with_a_token_stays_the_version(shop: Shop, product: str) -> None:
    for person in (shop.customer, shop.manager):
        answer = call("GET", f"{PRODUCTS}/{product}", token=person.token, headers={"If-None-Match": '"1"'})
        assert (answer.status, answer.headers["ETag"]) == (200, '"1"')


@pytest.mark.parametrize("tag", ['"1"', "etag"])
def test_if_match_needs_a_token_and_its_refusal_is_not_kept(product: str, tag: str) -> None:
    for url in (PRODUCTS, f"{PRODUCTS}/{product}", CATEGORIES):
        sent = call("GET", url).headers["ETag"] if tag == "etag" else tag
        refused = call("GET", url, headers={"If-Match": sent})

        assert places(refused) == {"If-Match:"}
        assert_not_kept(refused)


def test_a_long_response_also_varies_by_its_coding(shop: Shop) -> None:
    for _ in range(10):
        shop.product(1)

    plain, packed = (call("GET", PRODUCTS, headers={"Accept-Encoding": it}) for it in ("identity", "gzip"))

    assert plain.headers["Vary"] == packed.headers["Vary"] == "Authorization, Origin, Accept-Encoding"
    assert plain.headers["ETag"] == packed.headers["ETag"]
    assert packed.headers["Content-Encoding"] == "gzip"


def test_a16_a_cursor_of_no_one_is_for_no_one_else(shop: Shop) -> None:
    for _ in range(3):
        shop.product(1)
    url = f"{PRODUCTS}?limit=2"
    cursors = {
        name: call("GET", url, token=token).json["next_cursor"]
        for name, token in (("none", None), ("customer", shop.customer.token))
    }

    def follow(of: str, token: str | None) -> Answer:
        return call("GET", f"{url}&cursor={cursors[of]}", token=token)

    assert len(follow("none", None).json["items"]) == 1
    assert places(follow("none", shop.customer.token)) == places(follow("none", shop.manager.token)) == {"?cursor"}
    assert places(follow("customer", None)) == {"?cursor"}


def test_a_request_without_a_token_makes_one_call_less(shop: Shop, product: str) -> None:
    for path in (PRODUCTS, f"{PRODUCTS}/{product}", CATEGORIES):
        counts = []
        for token in (None, shop.customer.token):
            call("GET", path, token=token)  # warms the process
            with intercepted() as made:
                call("GET", path, token=token)
            counts.append(len(made))
        assert counts[0] == counts[1] - 1


def requests_of(address: str) -> list[Any]:
    found = client().scan(TableName=settings().identity_table)["Items"]
    return [it for it in found if it["pk"]["S"].startswith(f"slot#address#{address}#")]


def test_a35_a_client_address_is_limited_and_the_refusal_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, product: str
) -> None:
    monkeypatch.setattr(user_limits, "ADDRESS_LEASES", Leases("address"))
    with deployed_with(PUBLIC_CATALOGUE="true", ANONYMOUS_REQUESTS="20"):
        url = f"{PRODUCTS}/{product}"
        # An IPv6 network is one client.
        answers = [call("GET", url, address=f"2001:db8::{number}") for number in range(25)]
        other = call("GET", url, address="198.51.100.77")

    refused = answers[20]
    assert [it.status for it in answers] == [200] * 20 + [429] * 5
    assert_problem(refused, 429, "too-many-requests")
    assert refused.headers["RateLimit-Policy"] == '"address";q=20;w=60'
    assert_not_kept(refused)
    assert other.status == 200
    assert len(requests_of("2001:db8::/64")) == 1
