"""One handler in process, on moto: single-threaded, so nothing here says anything about concurrency."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from moto import mock_aws

from oms import clock
from oms.dynamodb import put_item
from oms.identity import keys, tokens
from oms.identity.models import Session, User, session_key, user_key
from oms.orders import service as orders
from oms.orders.offers import OfferCache
from oms.settings import settings

sys.path.insert(0, str(Path(__file__).parent))
from tables import create_tables  # noqa: E402


@pytest.fixture(scope="session")
def _aws() -> Iterator[None]:
    """One mocked account for the whole run: PynamoDB's client and the cached keys outlive any single test."""
    with mock_aws():
        secrets = boto3.client("secretsmanager")
        secrets.create_secret(Name=settings().signing_keys_secret, SecretString=json.dumps({"keys": []}))
        secrets.create_secret(Name=settings().pepper_secret, SecretString=json.dumps({"1": "p" * 32}))
        secrets.create_secret(Name=settings().origin_secret, SecretString="the-front-door")
        keys.ensure_signing_key(secret_name=settings().signing_keys_secret, parameter_name=settings().jwks_parameter)
        yield


@pytest.fixture
def cloud(_aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Empty tables, and processes that have seen no offer yet."""
    create_tables()
    monkeypatch.setattr(orders, "_offers", OfferCache())
    yield
    client = boto3.client("dynamodb")
    for name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=name)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Context(SimpleNamespace):
    """What a function may ask of Lambda."""

    def __init__(self) -> None:
        super().__init__(
            function_name="tests",
            memory_limit_in_mb=128,
            invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:tests",
            aws_request_id="00000000-0000-0000-0000-000000000000",
        )

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def invoke(
    handler: ModuleType,
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str | None = None,
    query: Mapping[str, str] | str = "",
    headers: Mapping[str, str] | None = None,
    address: str = "198.51.100.1",
) -> Answer:
    """The answer of a handler module to one request, as HTTP API (payload 2.0) would bring it. `str` bodies go raw."""
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
    if body is not None:
        sent.setdefault("content-type", "application/json")
    raw_query = query if isinstance(query, str) else urlencode(query)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": raw_query,
        "headers": sent,
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": address, "protocol": "HTTP/1.1", "userAgent": "tests"},
            "requestId": "request-1",
            "stage": "$default",
            "routeKey": "$default",
        },
        "body": body,
        "isBase64Encoded": False,
    }
    if raw_query:
        pairs = [pair.partition("=")[::2] for pair in raw_query.split("&")]
        from urllib.parse import unquote_plus

        folded: dict[str, list[str]] = {}
        for name, value in pairs:
            folded.setdefault(unquote_plus(name), []).append(unquote_plus(value))
        event["queryStringParameters"] = {name: ",".join(values) for name, values in folded.items()}
    answer = handler.lambda_handler(event, Context())
    return Answer(answer["statusCode"], answer["headers"], answer.get("body") or "")


@dataclass(frozen=True)
class Person:
    """A signed-in user: what a test needs to act as them."""

    id: str
    role: str
    session_id: str
    token: str


@pytest.fixture
def person(cloud: None) -> Callable[..., Person]:
    """A factory of signed-in users, made without a password."""

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
                first_name="Test",
                role=role,
                password_hash="none",
                pepper_version="1",
                created_at=at,
                **attributes,
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


@dataclass
class Calls:
    """The DynamoDB calls a block made, in order, by operation name; unit and table for those that name one."""

    operations: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.operations)


@pytest.fixture
def time_machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Moves the system's clock, and nothing else."""
    offset = timedelta()
    real_now: Callable[[], datetime] = clock.now

    def move(by: timedelta) -> None:
        nonlocal offset
        offset += by

    monkeypatch.setattr(clock, "now", lambda: real_now() + offset)
    return move
