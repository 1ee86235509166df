"""A worker of the baseline: `python -m benchmarks.flask_baseline.worker URL`, with SQLAlchemy's URL of a database.

It calls the WSGI application as a server does, without one: neither a server's parser nor a socket is measured.
"""

import io
import itertools
import json
import random
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from flask import Flask
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from benchmarks.flask_baseline.app import create_app, open_database
from benchmarks.flask_baseline.models import Product, User
from benchmarks.shop import CUSTOMERS, NOTE, ORDERS_OF_EACH, PAGE, PRODUCTS, SESSIONS, SHIPPING_ADDRESS, product
from benchmarks.turns import cpu_of, protocol, serve

PASSWORD = "correct horse battery"  # noqa: S105 - of made-up accounts


class Client:
    """Sends requests to the WSGI application."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def request(
        self, method: str, target: str, body: Any = None, *, token: str | None = None, status: int = 200
    ) -> Callable[[], Any]:
        """Returns a call that sends this request and returns the response's content, as bytes."""
        path, _, query = target.partition("?")
        content = json.dumps(body).encode() if body is not None else b""
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "shop.example",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "198.51.100.1",
            "HTTP_HOST": "shop.example",
            "HTTP_ACCEPT": "application/json",
            "HTTP_USER_AGENT": "bench/1",
            "CONTENT_LENGTH": str(len(content)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(content),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if body is not None:
            environ["CONTENT_TYPE"] = "application/json"
        if token is not None:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        expected = str(status)

        def send() -> bytes:
            received = ""

            def start(line: str, _headers: Any, _error: Any = None) -> Callable[[bytes], Any]:
                nonlocal received
                received = line
                return lambda _: None

            answer = self._app(environ, start)
            sent = b"".join(answer)
            answer.close()
            assert received.startswith(expected), (method, target, received, sent)
            return sent

        return send

    def ask(self, *arguments: Any, **options: Any) -> Any:
        return json.loads(self.request(*arguments, **options)())


class Shop:
    """The same data as that of the project's worker, over the API where the API has a route."""

    def __init__(self, engine: Engine) -> None:
        self._client = Client(create_app(engine, bcrypt_cost=4))
        self._draw = random.Random(1)
        with Session(engine) as session:
            for number in range(PRODUCTS):
                data = product(number)
                units = data.pop("stock")
                at = datetime(2026, 1, 1)  # noqa: DTZ001 - stored without a zone, in UTC
                session.add(Product(**data, available=units, created_at=at, updated_at=at))
            session.commit()
            self._products = list(session.scalars(select(Product.id)))
        self._customers = [self._sign_up(f"customer{number}@example.com") for number in range(CUSTOMERS)]
        email = "manager@example.com"
        self._sign_up(email)
        with Session(engine) as session:
            manager = session.scalars(select(User).where(User.email == email)).one()
            manager.role = "manager"
            session.commit()
        log_in = {"email": email, "password": PASSWORD}
        self._manager = self._client.ask("POST", "/auth/login", log_in)["access_token"]
        self._orders = {token: [self._new_order(token) for _ in range(ORDERS_OF_EACH)] for token, _ in self._customers}
        self._buyers = [self._sign_up(f"buyer{number}@example.com")[0] for number in range(CUSTOMERS)]
        refreshed = [self._sign_up(f"session{number}@example.com")[1] for number in range(SESSIONS)]
        self._refresh_tokens = refreshed
        self._turn = itertools.count()

    def _sign_up(self, email: str) -> tuple[str, str]:
        tokens = self._client.ask(
            "POST", "/auth/register", {"email": email, "password": PASSWORD, "first_name": "Ada"}, status=201
        )
        return tokens["access_token"], tokens["refresh_token"]

    def _order_body(self) -> dict[str, Any]:
        chosen = self._draw.sample(self._products, 2)
        items = [{"product_id": it, "quantity": self._draw.randint(1, 3)} for it in chosen]
        return {"items": items, "shipping_address": SHIPPING_ADDRESS, "note": NOTE}

    def _new_order(self, token: str) -> int:
        return int(self._client.ask("POST", "/orders", self._order_body(), token=token, status=201)["id"])

    def _one_of[T](self, choices: Sequence[T]) -> T:
        return choices[next(self._turn) % len(choices)]

    def get_order(self, number: int) -> list[Callable[[], Any]]:
        token, _ = self._one_of(self._customers)
        orders = self._draw.choices(self._orders[token], k=number)
        return [self._client.request("GET", f"/orders/{it}", token=token) for it in orders]

    def list_orders(self, number: int) -> list[Callable[[], Any]]:
        token, _ = self._one_of(self._customers)
        return [self._client.request("GET", f"/orders?limit={PAGE}", token=token) for _ in range(number)]

    def list_products(self, number: int) -> list[Callable[[], Any]]:
        token, _ = self._one_of(self._customers)
        return [self._client.request("GET", f"/products?limit={PAGE}", token=token) for _ in range(number)]

    def create_order(self, number: int) -> list[Callable[[], Any]]:
        token = self._one_of(self._buyers)
        return [
            self._client.request("POST", "/orders", self._order_body(), token=token, status=201) for _ in range(number)
        ]

    def confirm_order(self, number: int) -> list[Callable[[], Any]]:
        buyer = self._one_of(self._buyers)
        return [
            self._client.request("POST", f"/orders/{self._new_order(buyer)}/confirm", token=self._manager)
            for _ in range(number)
        ]

    def refresh(self, number: int) -> list[Callable[[], Any]]:
        """The answers' tokens are kept for the next block, which costs the time to parse them."""
        presented, self._refresh_tokens = self._refresh_tokens[:number], self._refresh_tokens[number:]

        def exchange(token: str) -> Callable[[], None]:
            send = self._client.request("POST", "/auth/refresh", {"refresh_token": token})
            return lambda: self._refresh_tokens.append(json.loads(send())["refresh_token"])

        return [exchange(it) for it in presented]


def main(url: str) -> None:
    pipe = protocol()
    engine = open_database(url)
    shop = Shop(engine)
    backend = 0
    if engine.dialect.name == "postgresql":
        # The pool has one connection, since requests come one after another.
        with engine.connect() as connection:
            connection.execute(text("ANALYZE"))
            backend = connection.scalar(select(func.pg_backend_pid())) or 0
    operations = {
        "get": shop.get_order,
        "list": shop.list_orders,
        "create": shop.create_order,
        "products": shop.list_products,
        "refresh": shop.refresh,
        "confirm": shop.confirm_order,
    }
    serve(pipe, operations, (lambda: cpu_of(backend)) if backend else lambda: 0.0)


if __name__ == "__main__":
    main(sys.argv[1])
