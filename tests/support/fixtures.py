"""Handlers in process, on the tests' DynamoDB; moto emulates all other services of AWS, for one thread at a time."""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from inventory import handler as inventory
from oms.audit import models
from oms.commands import signing_keys as keys
from oms.core import clock
from oms.core.dynamodb import put_item
from oms.core.settings import settings
from oms.exports import parts, reading, sharing
from oms.identity import tokens
from oms.identity.models import Session, User, email_key, session_key, user_key
from oms.imports import sections
from oms.orders import service as orders
from oms.orders.offers import OfferCache
from oms.stock_ledger import check as stock_check
from oms.webhooks import sending
from orders import handler as order_routes
from tests.support import request_log as _request_log  # noqa: F401 - it answers CloudWatch Logs' calls
from tests.support.audit_log import Log
from tests.support.aws_calls import Call, intercepted
from tests.support.aws_client import REGION, aws_client
from tests.support.database import DATABASE
from tests.support.exports import as_s3_answers
from tests.support.invocation import Answer, Person, invoke
from tests.support.ledger_shop import LedgerShop
from tests.support.moto_wire import answer_by_moto
from tests.support.shop import Shop
from tests.support.streams import streamed
from tests.support.tables import create_tables
from tests.support.webhook_simulation import WebhookSimulation
from tests.support.webhooks import PUBLIC, Names

WEBHOOK_QUEUES = (settings().delivery_queue_url, settings().slow_delivery_queue_url, settings().replay_queue_url)


@cache
def _account() -> None:
    """One mocked account for the whole run, never stopped: PynamoDB's client and the cached keys outlive any test.

    Cached, since each folder of tests that uses these fixtures has a copy of them.
    """
    mock_aws().start()
    answer_by_moto()
    create_tables()
    aws_client("sqs").create_queue(QueueName="stock-check")
    for url in (settings().export_queue_url, settings().import_queue_url):
        aws_client("sqs").create_queue(QueueName=url.rpartition("/")[2])
    region = {"LocationConstraint": REGION}
    for bucket in (settings().exports_bucket, settings().imports_bucket):
        aws_client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=region)
    for url in WEBHOOK_QUEUES:
        aws_client("sqs").create_queue(QueueName=url.rpartition("/")[2])
    secrets = aws_client("secretsmanager")
    secrets.create_secret(Name=settings().signing_keys_secret, SecretString=json.dumps({"keys": []}))
    secrets.create_secret(Name=settings().pepper_secret, SecretString=json.dumps({"1": "p" * 32}))
    secrets.create_secret(Name=settings().webhook_keys_secret, SecretString=json.dumps({"1": "w" * 64}))
    years = {str(year): f"{year}" * 16 for year in range(2020, 2040)} | {"terms": "t" * 64}
    secrets.create_secret(Name=settings().address_keys_secret, SecretString=json.dumps(years))
    secrets.create_secret(Name=settings().origin_secret, SecretString="the-front-door")
    secrets.create_secret(Name=settings().audit_keys_secret, SecretString=json.dumps({"1": "a" * 64}))
    region = {"LocationConstraint": REGION}
    aws_client("s3").create_bucket(
        Bucket=settings().audit_bucket, CreateBucketConfiguration=region, ObjectLockEnabledForBucket=True
    )
    keys.ensure_signing_key(secret_name=settings().signing_keys_secret, parameter_name=settings().jwks_parameter)


@pytest.fixture(scope="session")
def _aws() -> None:
    _account()


@pytest.fixture
def cloud(_aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empties the tables and the processes' caches of offers."""
    DATABASE.clear()
    monkeypatch.setattr(orders, "OFFERS", OfferCache())
    # No exporter runs, so no request waits for it.
    monkeypatch.setattr(sharing, "WAIT_SECONDS", 0)


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replaces sleeping: the list has the seconds that the system would have slept, in order."""
    slept: list[float] = []
    monkeypatch.setattr(clock, "sleep", slept.append)
    return slept


@pytest.fixture
def webhooks(cloud: None) -> None:
    """Empties the queues of deliveries."""
    for url in WEBHOOK_QUEUES:
        _empty(url)


def _empty(url: str) -> None:
    """Empties a queue in moto's memory, since SQS purges a queue only once a minute."""
    queue = sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues[url.rpartition("/")[2]]
    queue._messages.clear()
    queue.pending_messages.clear()


@pytest.fixture
def files(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exports' bucket and queue, empty; parts, pages and batches small enough that a few orders make several."""
    s3 = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[settings().exports_bucket]
    s3.keys.clear()
    s3.multiparts.clear()
    _empty(settings().export_queue_url)
    as_s3_answers(monkeypatch)
    monkeypatch.setattr(parts, "FULL_PART_BYTES", 1000)
    # Read in one thread: moto does not support several, and so the calls have an order.
    monkeypatch.setattr(reading, "MAX_BATCHES_AHEAD", 0)
    monkeypatch.setattr(reading, "PAGE_SIZE", 4)
    monkeypatch.setattr(reading, "BATCH_SIZE", 3)


@pytest.fixture
def uploads(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The imports' bucket and queue, empty; sections of three rows, whose writes are made one after the other."""
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[settings().imports_bucket].keys.clear()
    _empty(settings().import_queue_url)
    monkeypatch.setattr(sections, "MAX_ROWS", 3)
    monkeypatch.setattr(sections, "in_parallel", map)


@pytest.fixture
def simulation(cloud: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookSimulation]:
    """Webhooks with a simulated clock, queues and subscribers."""
    played = WebhookSimulation()

    def routed(call: Call) -> Any:
        return played.answer(call.operation, call.parameters) if call.service == "sqs" else call.send()

    monkeypatch.setattr(clock, "now", lambda: played.now)
    monkeypatch.setattr(sending, "post", played.post)
    monkeypatch.setattr(clock, "monotonic", lambda: played.monotonic)
    with intercepted(routed):
        yield played


@pytest.fixture
def log(cloud: None, monkeypatch: pytest.MonkeyPatch) -> Log:
    """The audit log at noon of a day, with an empty bucket."""
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[settings().audit_bucket].keys.clear()
    played = Log()
    monkeypatch.setattr(clock, "now", lambda: played.now)
    return played


@pytest.fixture
def few_denials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets denials beyond three in a minute be counted only."""
    monkeypatch.setattr(models, "DENIALS_PER_MINUTE", 3)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """The addresses that names resolve to; a name that is not here does not resolve."""
    known: Names = {"hooks.example": [PUBLIC], "new.example": [PUBLIC]}

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.fixture
def person(cloud: None) -> Callable[..., Person]:
    """A factory of signed-in users without a password."""

    def make(role: str = "customer", **attributes: Any) -> Person:
        user_id, session_id, now = clock.random_id(), clock.random_id(), clock.now()
        at = clock.timestamp(now)
        email = attributes.pop("email", f"{user_id.lower()}@example.com")
        put_item(
            User(
                *user_key(user_id),
                id=user_id,
                email=email,
                email_folded=email,
                email_key=email_key(email, user_id),
                role=role,
                created_at=at,
                **{
                    "first_name": "Test",
                    "password_hash": "none",
                    "pepper_version": "1",
                    "password_min_length": 15,
                    "email_verified": True,
                }
                | attributes,
            )
        )
        put_item(
            Session(
                *session_key(user_id, session_id),
                id=session_id,
                user_id=user_id,
                epoch=0,
                current="none",
                created_at=at,
                refreshed_at=at,
                address="198.51.100.1",
                user_agent="tests",
                expires_at=int((now + timedelta(days=7)).timestamp()),
            )
        )
        token = tokens.issue(user_id=user_id, session_id=session_id, role=role, now=now)
        return Person(user_id, role, session_id, token)

    return make


@pytest.fixture
def customer(person: Callable[..., Person]) -> Person:
    return person("customer")


@pytest.fixture
def manager(person: Callable[..., Person]) -> Person:
    return person("manager")


@pytest.fixture
def admin(person: Callable[..., Person]) -> Person:
    return person("admin")


@pytest.fixture
def product(manager: Person) -> Callable[..., str]:
    """A factory of products on sale: the id of a new one."""
    numbers = count(1)

    def make(stock: int = 10, price: str = "19.99", **fields: Any) -> str:
        number = next(numbers)
        body = {
            "sku": f"SKU-{number}",
            "name": f"Product {number}",
            "category": "Tools",
            "price": price,
            "stock": stock,
        }
        created = invoke(inventory, "POST", "/api/v1/inventory/products", body | fields, token=manager.token)
        assert created.status == 201, created.text
        return str(created.json["id"])

    return make


@pytest.fixture
def order(product: Callable[..., str]) -> Callable[..., Answer]:
    """A factory of orders: the answer to one that `buyer` places, for two units of a new product."""

    def make(buyer: Person, **fields: Any) -> Answer:
        body = {"items": [{"product_id": product(), "quantity": 2}]} | fields
        placed = invoke(order_routes, "POST", "/api/v1/orders", body, token=buyer.token)
        assert placed.status == 201, placed.text
        return placed

    return make


@pytest.fixture
def time_machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Moves the system's clock only."""
    offset = timedelta()
    real_now: Callable[[], datetime] = clock.now

    def move(by: timedelta) -> None:
        nonlocal offset
        offset += by

    monkeypatch.setattr(clock, "now", lambda: real_now() + offset)
    return move


@pytest.fixture
def settle(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets the minimum age of compared items. A negative age includes all items."""

    def set_to(time: timedelta) -> None:
        changed = replace(settings(), consistency_grace=time)
        monkeypatch.setattr(stock_check, "settings", lambda: changed)

    return set_to


@pytest.fixture
def ledger_shop(customer: Person, manager: Person, settle: Callable[[timedelta], None]) -> Iterator[LedgerShop]:
    url = settings().stock_check_queue_url
    _empty(url)
    settle(timedelta(seconds=-60))
    with streamed() as records:
        yield LedgerShop(Shop(customer, manager), records, url)
