"""The DynamoDB calls of each route when the process is warm, with the read of session and user."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from admin import handler as admin
from auth import handler as auth
from auth import passwords as password_routes
from docs import handler as docs
from inventory import handler as inventory
from oms.core.settings import settings
from oms.http.powertools import routes_of
from oms.orders import service as order_service
from orders import handler as orders
from reports import handler as reports
from tests.support.aws_calls import intercepted
from tests.support.budgets import AUTH, BUDGETS, ORDERS, PRODUCTS, PreparedRequest, WarmApi, warm
from tests.support.gateway import call
from webhooks import handler as webhooks

__all__ = ["warm"]

APPS = [module.app for module in (auth, password_routes, docs, inventory, orders, admin, webhooks, reports)]


@pytest.mark.parametrize(
    ("calls", "prepare"),
    [pytest.param(calls, prepare, id=f"{route} {variant}".rstrip()) for route, variant, calls, prepare in BUDGETS],
)
def test_a_warm_request_makes_as_many_calls_as_its_budget(
    warm: WarmApi, calls: int, prepare: Callable[[WarmApi], PreparedRequest]
) -> None:
    send = prepare(warm)

    with intercepted() as made:
        answer = send()

    assert answer.status < 304, answer.text
    # The start of a stock check and the requests for a delivery send a message. The start of an import
    # looks for its file. The request log is in CloudWatch Logs.
    services = {"dynamodb", "sqs", "logs", *(["s3"] if answer.status == 202 else [])}
    assert {it.service for it in made} <= services, "a warm process makes no other calls"
    assert len(made) == calls, [it.operation for it in made]


def test_every_route_has_a_budget() -> None:
    routes = {f"{route.method} {route.path}" for app in APPS for route in routes_of(app)}

    assert routes == {route for route, *_ in BUDGETS}


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("filters", ["", "?status=pending", "?status=cancelled"])
def test_a_managers_list_is_three_calls_and_one_for_each_shard(
    warm: WarmApi, monkeypatch: pytest.MonkeyPatch, shards: int, filters: str
) -> None:
    monkeypatch.setattr(order_service, "settings", lambda: replace(settings(), order_shards=shards))
    for _ in range(4):
        warm.shop.post(f"{warm.order()}/cancel")
        warm.order()

    with intercepted() as made:
        answer = call("GET", f"{ORDERS}{filters}", token=warm.shop.manager.token)

    assert answer.json["items"]
    assert len(made) == shards + 3, "and one for the customers"


@pytest.mark.parametrize(("limit", "calls"), [(20, 3), (50, 3), (51, 4), (100, 4)])
def test_a_product_list_reads_fifty_products_at_a_time(warm: WarmApi, limit: int, calls: int) -> None:
    for _ in range(101):
        warm.shop.product(1)

    with intercepted() as made:
        answer = call("GET", f"{PRODUCTS}?limit={limit}", token=warm.shop.customer.token)

    assert len(answer.json["items"]) == limit
    assert len(made) == calls


def test_a_wrong_password_costs_four_calls(warm: WarmApi) -> None:
    with intercepted() as made:
        answer = call("POST", f"{AUTH}/login", {"email": warm.email, "password": "wrong"})

    assert answer.status == 401
    assert len(made) == 4


def test_a_stale_offer_costs_a_transaction_and_no_read(warm: WarmApi) -> None:
    warm.order()
    warm.shop.reprice(warm.product, "11.00")

    with intercepted() as made:
        answer = warm.shop.buy({warm.product: 1})

    assert answer.status == 201
    assert [it.operation for it in made] == ["BatchGetItem", "TransactWriteItems", "TransactWriteItems"]


def test_the_table_in_the_docs_has_these_budgets() -> None:
    page = Path("docs/operate/costs.md").read_text()
    documented = re.findall(r"^\| (\w+ /\S+)(?: \((.*)\))? \| (\d+) \|", page, re.M)
    budgets = {
        (re.sub("<.*?>", "{}", route.replace("/api/v1", "")), variant): calls for route, variant, calls, _ in BUDGETS
    }

    assert len(documented) > 15
    for route, variant, calls in documented:
        assert budgets[re.sub(r"\{.*?\}", "{}", route), variant] == int(calls), route
