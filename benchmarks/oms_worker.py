"""A worker of this project: `python -m benchmarks.oms_worker`, with the environment of `environment`.

It calls the handlers as Lambda does, with the events that API Gateway's HTTP API sends (payload format 2.0).
"""

import argparse
import itertools
import json
import os
import random
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from benchmarks.shop import CUSTOMERS, NOTE, ORDERS_OF_EACH, PAGE, PRODUCTS, SESSIONS, SHIPPING_ADDRESS, product
from benchmarks.turns import Prepare, protocol, serve

ROOT = Path(__file__).parents[1]
API = "/api/v1"


def environment(stub: str, function: str) -> dict[str, str]:
    """Returns the environment of a function as deployed, with the stub at the URL `stub` for AWS's services.

    There is no X-Ray daemon, so tracing is off.
    """
    secrets = {
        f"OMS_{name.upper()}_SECRET": f"oms/{name}"
        for name in ("signing_keys", "pepper", "origin", "audit_keys", "address_keys", "webhook_keys")
    }
    queues = ("expiry", "poison", "stock_check", "delivery", "slow_delivery", "replay", "export", "import")
    tables = ("identity", "inventory", "orders", "audit", "events", "webhooks", "reports", "search")
    return {
        "PATH": os.environ["PATH"],
        **{f"AWS_ENDPOINT_URL_{it}": stub for it in ("DYNAMODB", "SECRETS_MANAGER", "SSM")},
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_SESSION_TOKEN": "bench" * 200,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "LAMBDA_TASK_ROOT": "/var/task",
        **secrets,
        **{f"OMS_{it.upper()}_TABLE": it for it in tables},
        **{f"OMS_{it.upper()}_QUEUE_URL": f"https://sqs.eu-central-1.amazonaws.com/123456789012/{it}" for it in queues},
        **{f"OMS_{it}_BUCKET": it.lower() for it in ("AUDIT", "EXPORTS", "IMPORTS")},
        **{f"OMS_SCHEDULE_{it}": f"arn:aws:{it.lower()}" for it in ("GROUP", "ROLE", "TARGET", "DEAD_LETTERS")},
        "OMS_EVENT_BUS": "oms",
        "OMS_MAIL_FROM": "shop@shop.example",
        "OMS_PUBLIC_URL": "https://shop.example",
        "OMS_STAGE": "prod",
        "OMS_VERSION": "1.0.0",
        "OMS_JWKS_PARAMETER": "/oms/jwks",
        # Ten times the default: a profile sends thousands of requests of few customers in a minute.
        "OMS_CUSTOMER_REQUESTS": "6000",
        "OMS_MANAGER_REQUESTS": "6000",
        "OMS_SHIPPING_MAX": "1000.00",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "POWERTOOLS_METRICS_NAMESPACE": "Oms",
        "POWERTOOLS_SERVICE_NAME": function,
        "POWERTOOLS_TRACE_DISABLED": "true",
        "POWERTOOLS_TRACER_CAPTURE_ERROR": "false",
        "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "false",
    }


def traced(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment with X-Ray's tracing. Its segments are sent by UDP to a port where nothing listens."""
    without = {name: value for name, value in variables.items() if name != "POWERTOOLS_TRACE_DISABLED"}
    trace = "Root=1-67891233-abcdef012345678912345678;Parent=1234567890abcdef;Sampled=1"
    return without | {"_X_AMZN_TRACE_ID": trace, "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9"}


class Context(SimpleNamespace):
    """Lambda's context, as far as functions use it."""

    def __init__(self) -> None:
        super().__init__(
            function_name="bench",
            memory_limit_in_mb=1024,
            invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:bench",
            aws_request_id="00000000-0000-0000-0000-000000000000",
        )

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def event_of(
    method: str, target: str, body: Any = None, *, token: str | None = None, key: str | None = None
) -> dict[str, Any]:
    """Returns the event of a request. `target` is the path below the API's, with the query."""
    path, _, query = target.partition("?")
    path = API + path
    headers = {
        "accept": "application/json",
        "host": "shop.example",
        "user-agent": "bench/1",
        "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
        "x-forwarded-for": "198.51.100.1",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    if key is not None:
        headers["idempotency-key"] = key
    if body is not None:
        headers["content-type"] = "application/json"
        headers["content-length"] = str(len(json.dumps(body)))
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "domainName": "shop.example",
            "domainPrefix": "shop",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "198.51.100.1",
                "userAgent": "bench/1",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict(pair.split("=") for pair in query.split("&"))
    if body is not None:
        event["body"] = json.dumps(body)
    return event


def request(handler: ModuleType, event: dict[str, Any], *, status: int = 200) -> Callable[[], Any]:
    """Returns a call that sends the event and returns the response's body, as text."""
    context = Context()

    def send() -> str:
        answer = handler.lambda_handler(event, context)
        assert answer["statusCode"] == status, (event["rawPath"], answer)
        return str(answer["body"])

    return send


def create_secrets() -> None:
    """Stores the secrets of a deployment in the stub."""
    from oms.commands import signing_keys
    from oms.core.secret_store import secrets_client
    from oms.core.settings import settings

    texts = {
        settings().signing_keys_secret: json.dumps({"keys": []}),
        settings().pepper_secret: json.dumps({"1": "p" * 32}),
        settings().origin_secret: "the-front-door",
        settings().address_keys_secret: json.dumps({str(year): f"{year}" * 16 for year in range(2020, 2040)}),
        settings().webhook_keys_secret: json.dumps({"1": "w" * 64}),
        settings().audit_keys_secret: json.dumps({"1": "a" * 64}),
    }
    for name, value in texts.items():
        secrets_client().put_secret_value(SecretId=name, SecretString=value)
    signing_keys.ensure_signing_key(
        secret_name=settings().signing_keys_secret, parameter_name=settings().jwks_parameter
    )


class Shop:
    """Signed-in users, products and orders in the stub, and the requests that are measured."""

    def __init__(self) -> None:
        from auth import handler as auth
        from inventory import handler as inventory
        from orders import handler as orders

        self._auth, self._inventory, self._order_routes = auth, inventory, orders
        self._draw = random.Random(1)
        self._turn = itertools.count()
        self._keys = itertools.count()
        self._manager = self._sign_up("manager")[0]
        self._products = [self._new_product(number) for number in range(PRODUCTS)]
        self._customers = [self._sign_up("customer")[0] for _ in range(CUSTOMERS)]
        self._orders = {token: [self._new_order(token) for _ in range(ORDERS_OF_EACH)] for token in self._customers}
        self._buyers = [self._sign_up("customer")[0] for _ in range(CUSTOMERS)]
        self._refresh_tokens = [self._sign_up("customer")[1] for _ in range(SESSIONS)]

    def _sign_up(self, role: str) -> tuple[str, str]:
        """Stores an account with a session, as registration and sign-in leave them. Returns its two tokens."""
        from benchmarks.stored import new_user
        from oms.core import clock
        from oms.core.dynamodb import put_item
        from oms.identity.devices import device_of, new_token
        from oms.identity.opaque_tokens import hashed
        from oms.identity.sessions import start_session

        user = new_user(
            clock.random_id(),
            role,
            clock.now(),
            password_hash="$2b$12$" + "x" * 53,
            pepper_version="1",
            password_min_length=15,
        )
        put_item(user)
        device = device_of(user, hashed(new_token(user).secret), epoch=0)
        session, tokens = start_session(user, device, address="198.51.100.1", user_agent="bench/1")
        put_item(session)
        return tokens.access_token, tokens.refresh_token

    def _new_product(self, number: int) -> str:
        fields = product(number)
        fields["price"] = f"{fields['price'] / 100:.2f}"
        event = event_of("POST", "/inventory/products", fields, token=self._manager)
        return str(json.loads(request(self._inventory, event, status=201)())["id"])

    def _order(self, token: str) -> Callable[[], Any]:
        chosen = self._draw.sample(self._products, 2)
        items = [{"product_id": it, "quantity": self._draw.randint(1, 3)} for it in chosen]
        body = {"items": items, "shipping_address": SHIPPING_ADDRESS, "note": NOTE}
        key = f"5f0c6f5e-0000-4000-8000-{next(self._keys):012d}"
        return request(self._order_routes, event_of("POST", "/orders", body, token=token, key=key), status=201)

    def _new_order(self, token: str) -> str:
        return str(json.loads(self._order(token)())["id"])

    def _one_of[T](self, choices: Sequence[T]) -> T:
        return choices[next(self._turn) % len(choices)]

    def an_event(self) -> dict[str, Any]:
        """Returns the event of a customer who reads an order."""
        token = self._customers[0]
        return event_of("GET", f"/orders/{self._orders[token][0]}", token=token)

    def get_order(self, number: int) -> list[Callable[[], Any]]:
        token = self._one_of(self._customers)
        orders = self._draw.choices(self._orders[token], k=number)
        return [request(self._order_routes, event_of("GET", f"/orders/{it}", token=token)) for it in orders]

    def list_orders(self, number: int) -> list[Callable[[], Any]]:
        token = self._one_of(self._customers)
        path = f"/orders?limit={PAGE}"
        return [request(self._order_routes, event_of("GET", path, token=token)) for _ in range(number)]

    def list_products(self, number: int) -> list[Callable[[], Any]]:
        token = self._one_of(self._customers)
        path = f"/inventory/products?limit={PAGE}"
        return [request(self._inventory, event_of("GET", path, token=token)) for _ in range(number)]

    def create_order(self, number: int) -> list[Callable[[], Any]]:
        token = self._one_of(self._buyers)
        return [self._order(token) for _ in range(number)]

    def confirm_order(self, number: int) -> list[Callable[[], Any]]:
        buyer = self._one_of(self._buyers)
        paths = [f"/orders/{self._new_order(buyer)}/confirm" for _ in range(number)]
        return [
            request(self._order_routes, event_of("POST", it, token=self._manager, key=f"c{next(self._keys)}"))
            for it in paths
        ]

    def refresh(self, number: int) -> list[Callable[[], Any]]:
        """The answers' tokens are kept for a later block, which costs the time to parse them."""
        presented, self._refresh_tokens = self._refresh_tokens[:number], self._refresh_tokens[number:]

        def exchange(token: str) -> Callable[[], None]:
            send = request(self._auth, event_of("POST", "/auth/refresh", {"refresh_token": token}))
            return lambda: self._refresh_tokens.append(json.loads(send())["refresh_token"])

        return [exchange(it) for it in presented]


def trust(ca: str) -> None:
    """Lets each TLS context trust the stub's CA in addition to the bundle that the code loads, which takes its time."""
    context: Any = ssl.SSLContext
    load = context.load_verify_locations

    def load_both(self: ssl.SSLContext, *arguments: Any, **options: Any) -> None:
        load(self, *arguments, **options)
        load(self, ca)

    context.load_verify_locations = load_both


def reads() -> Prepare:
    """Stores one item. Returns the operation that reads it."""
    from oms.core.dynamodb import get_item, put_item
    from oms.identity.models import Claim, claim_key

    key = claim_key("ada@example.com")
    put_item(Claim(*key, user_id="U1"))

    def read() -> None:
        assert get_item(Claim, key)

    return lambda number: [read] * number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--event", type=Path, help="only fill the stub, and write an event into this file")
    parser.add_argument("--reads", metavar="CA", help="offer only the read of one item, over TLS with this CA")
    arguments = parser.parse_args()
    pipe = protocol()
    if arguments.reads:
        trust(arguments.reads)
    from tests.support.tables import create_tables

    create_tables()
    if arguments.reads:
        serve(pipe, {"read": reads()})
        return
    create_secrets()
    shop = Shop()
    if arguments.event:
        arguments.event.write_text(json.dumps(shop.an_event()))
        return
    operations = {
        "get": shop.get_order,
        "list": shop.list_orders,
        "create": shop.create_order,
        "products": shop.list_products,
        "refresh": shop.refresh,
        "confirm": shop.confirm_order,
    }
    serve(pipe, operations)


if __name__ == "__main__":
    main()
