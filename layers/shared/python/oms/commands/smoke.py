"""Tries a deployed stage as a client would: `python -m oms.commands.smoke --stage S [--url URL]`.

Signs in with the admin account of SMOKE_EMAIL and SMOKE_PASSWORD, makes a product of its own, orders and cancels it,
and archives it. Prints a line for each step. Exits with 1 at the first that fails, after it has cleaned up.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import urllib3

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread
from oms.core import clock
from oms.core.settings import smoke_account

SECONDS = 30
# A stream, a function and a write behind the request; a function that starts cold takes seconds.
LEDGER_SECONDS = 120
# Clocks of this machine and of AWS.
SKEW_SECONDS = 300


class SmokeError(Exception):
    """A step failed; the message says what was answered."""


@dataclass
class Client:
    """Calls the API at `url`, and says what was done by `say`."""

    url: str
    say: Callable[[str], None] = print
    token: str = ""
    pool: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Prints what the step has found by `note`, or what it failed of."""
        found: list[str] = []
        try:
            yield found.append
        except (SmokeError, urllib3.exceptions.HTTPError, LookupError, ValueError, jwt.PyJWTError) as error:
            self.say(f"FAIL  {name}: {error}")
            raise SmokeError(name) from error
        self.say(f"ok    {name}: {', '.join(found)}")

    def call(self, method: str, path: str, body: Any = None, *, key: str = "") -> Any:
        """The JSON of a 2xx answer, or None where it has none. Raises SmokeError for any other."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        answer = self.pool.request(
            method,
            self.url + path,
            body=None if body is None else json.dumps(body),
            headers=headers,
            timeout=SECONDS,
            retries=False,
        )
        if answer.status == 429:
            seconds = answer.headers.get("Retry-After", "60")
            raise SmokeError(f"{method} {path} is limited, and the limit is used up: try again in {seconds} s")
        if not 200 <= answer.status < 300:
            raise SmokeError(f"{method} {path} answered {answer.status} {answer.data[:500].decode(errors='replace')}")
        return json.loads(answer.data) if answer.data else None


def run(client: Client, *, email: str, password: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """All steps. Raises SmokeError at the first that fails."""
    with client.step("health") as note:
        health = client.call("GET", "/health")
        note(f"{health['status']}, version {health['version']}")
    with client.step("public keys") as note:
        keys = {it["kid"]: it for it in client.call("GET", "/.well-known/jwks.json")["keys"]}
        if not keys:
            raise SmokeError("there is none; `make keys` makes it")
        note(f"{len(keys)}")
    with client.step("sign-in") as note:
        _sign_in(client, keys, email=email, password=password)
        role = client.call("GET", "/api/v1/auth/me")["role"]
        if role == "customer":
            raise SmokeError("the account is a customer's, and only managers and admins make products")
        note(f"{role}, the token's signature verified by the public keys")
    try:
        _order(client, sleep)
    finally:
        with client.step("sign-out") as note:
            client.call("POST", "/api/v1/auth/logout")
            note("the session has ended")


def _sign_in(client: Client, keys: dict[str, Any], *, email: str, password: str) -> None:
    answer = client.call("POST", "/api/v1/auth/login", {"email": email, "password": password})
    token: str = answer["access_token"]
    key = jwt.PyJWK(keys[jwt.get_unverified_header(token)["kid"]], algorithm="ES256")
    jwt.decode(token, key, algorithms=["ES256"], audience="oms-api", leeway=SKEW_SECONDS)
    client.token = token


def _order(client: Client, sleep: Callable[[float], None]) -> None:
    text = {"sku": f"SMOKE-{clock.random_id()}", "name": "Smoke test", "category": "Smoke test", "price": "1"}
    with client.step("product") as note:
        product = client.call("POST", "/api/v1/inventory/products", {**text, "stock": 1})
        path = f"/api/v1/inventory/products/{product['id']}"
        note(f"{text['sku']} with 1 unit")
    try:
        with client.step("order") as note:
            order = _place(client, product["id"], key=text["sku"])
            note(f"{order['id']}, the same when it is sent again")
        try:
            with client.step("stock") as note:
                _expect_stock(client, path, available=0, reserved=1)
                note("reserved")
            with client.step("stock ledger") as note:
                _wait_for_movement(client, path, sleep)
                note("the stream's function has written the movements")
        finally:
            with client.step("cancel") as note:
                client.call("POST", f"/api/v1/orders/{order['id']}/cancel", {"reason": "smoke test"})
                _expect_stock(client, path, available=1, reserved=0)
                note("the unit is on sale again")
    finally:
        with client.step("clean up") as note:
            client.call("PUT", path, {**text, "status": "archived"})
            note(f"{text['sku']} is archived; the cancelled order stays")


def _place(client: Client, product_id: str, *, key: str) -> Any:
    body = {"items": [{"product_id": product_id, "quantity": 1}]}
    placed, again = (client.call("POST", "/api/v1/orders", body, key=key) for _ in range(2))
    if placed["id"] != again["id"]:
        raise SmokeError(f"one Idempotency-Key made two orders: {placed['id']} and {again['id']}")
    return placed


def _expect_stock(client: Client, path: str, **expected: int) -> None:
    product = client.call("GET", path)
    found = {name: product[name] for name in expected}
    if found != expected:
        raise SmokeError(f"{expected} expected, {found} found")


def _wait_for_movement(client: Client, path: str, sleep: Callable[[float], None]) -> None:
    """Of the product's creation and of the order."""
    for _ in range(LEDGER_SECONDS):
        if len(client.call("GET", f"{path}/movements")["items"]) >= 2:
            return
        sleep(1)
    raise SmokeError(f"no movement after {LEDGER_SECONDS} s; the alarms of the Bookkeeper say more")


def main() -> None:
    parser = stacks.stage_parser("Signs in to a stage, orders a product made for it, and cleans up.")
    parser.add_argument("--url", default="", help="where the API is; by default the stack's own address")
    arguments = parser.parse_args()
    with stacks.acting_on(arguments.stage):
        url = arguments.url or stacks.api_url(arguments.stage)
    account = smoke_account()
    if account is None:
        raise SystemExit("Set SMOKE_EMAIL and SMOKE_PASSWORD to those of an admin or manager of the stage.")
    email, password = account
    try_stage(url, email=email, password=password)


def try_stage(url: str, *, email: str, password: str) -> None:
    """Prints the steps; ends the process where one fails."""
    print(f"Trying {url}", flush=True)
    try:
        run(Client(url.rstrip("/")), email=email, password=password)
    except SmokeError as error:
        raise SystemExit(f"The stage does not work: {error} failed.") from error
    print("The stage works.")


if __name__ == "__main__":
    run_until_unread(main)
