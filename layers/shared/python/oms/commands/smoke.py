"""Tests a deployed stage as a client: `python -m oms.commands.smoke --stage S [--url URL]`.

Signs in with the account of SMOKE_EMAIL and SMOKE_PASSWORD, creates a product, orders it, cancels the order and
archives the product. Prints a line for each step. At the first failure, it cleans up and exits with 1.
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

TIMEOUT_SECONDS = 30
# The bookkeeper writes the movement, and its cold start takes seconds.
LEDGER_SECONDS = 120
# Allowed difference between the clocks of this machine and of AWS.
SKEW_SECONDS = 300


class SmokeError(Exception):
    """A step failed. The message has the response or the reason."""


@dataclass
class Client:
    """A client of the API at `url`, which reports each step by `say`."""

    url: str
    say: Callable[[str], None] = print
    token: str = ""
    pool: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Yields the function that adds a note to the step. At the end, reports the notes or the failure."""
        found: list[str] = []
        try:
            yield found.append
        except (SmokeError, urllib3.exceptions.HTTPError, LookupError, ValueError, jwt.PyJWTError) as error:
            self.say(f"FAIL  {name}: {error}")
            raise SmokeError(name) from error
        self.say(f"ok    {name}: {', '.join(found)}")

    def call(self, method: str, path: str, body: Any = None, *, key: str = "") -> Any:
        """Returns the JSON of a 2xx response, or None if its body is empty. Raises SmokeError for any other status."""
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
            timeout=TIMEOUT_SECONDS,
            retries=False,
        )
        if answer.status == 429:
            seconds = answer.headers.get("Retry-After", "60")
            raise SmokeError(f"{method} {path} has reached its rate limit: try again in {seconds} s")
        if not 200 <= answer.status < 300:
            raise SmokeError(f"{method} {path} answered {answer.status} {answer.data[:500].decode(errors='replace')}")
        return json.loads(answer.data) if answer.data else None


def run(client: Client, *, email: str, password: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Runs all steps. Raises SmokeError at the first failed one."""
    with client.step("health") as note:
        health = client.call("GET", "/health")
        note(f"{health['status']}, version {health['version']}")
    with client.step("public keys") as note:
        keys = {key["kid"]: key for key in client.call("GET", "/.well-known/jwks.json")["keys"]}
        if not keys:
            raise SmokeError("no signing key is published; run `make keys STAGE=…`")
        note(f"{len(keys)}")
    with client.step("sign-in") as note:
        _sign_in(client, keys, email=email, password=password)
        role = client.call("GET", "/api/v1/auth/me")["role"]
        if role == "customer":
            raise SmokeError("the account is a customer's, but only managers and admins can create products")
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
            note(f"{order['id']}, also for the repeated request")
        try:
            with client.step("stock") as note:
                _expect_stock(client, path, available=0, reserved=1)
                note("reserved")
            with client.step("stock ledger") as note:
                _wait_for_movement(client, path, sleep)
                note("the bookkeeper has written the movements")
        finally:
            with client.step("cancel") as note:
                client.call("POST", f"/api/v1/orders/{order['id']}/cancel", {"reason": "smoke test"})
                _expect_stock(client, path, available=1, reserved=0)
                note("the unit is available again")
    finally:
        with client.step("clean up") as note:
            client.call("PUT", path, {**text, "status": "archived"})
            note(f"{text['sku']} is archived; the cancelled order stays")


def _place(client: Client, product_id: str, *, key: str) -> Any:
    body = {"items": [{"product_id": product_id, "quantity": 1}]}
    placed, again = (client.call("POST", "/api/v1/orders", body, key=key) for _ in range(2))
    if placed["id"] != again["id"]:
        raise SmokeError(f"one Idempotency-Key created two orders: {placed['id']} and {again['id']}")
    return placed


def _expect_stock(client: Client, path: str, **expected: int) -> None:
    product = client.call("GET", path)
    found = {name: product[name] for name in expected}
    if found != expected:
        raise SmokeError(f"{expected} expected, {found} found")


def _wait_for_movement(client: Client, path: str, sleep: Callable[[float], None]) -> None:
    """Waits for the movements of the product's creation and of the order."""
    for _ in range(LEDGER_SECONDS):
        if len(client.call("GET", f"{path}/movements")["items"]) >= 2:
            return
        sleep(1)
    raise SmokeError(f"no movement after {LEDGER_SECONDS} s; see the alarms of the bookkeeper")


def main() -> None:
    parser = stacks.stage_parser("Signs in to a stage, orders a new product, and cleans up.")
    parser.add_argument("--url", default="", help="the URL of the API; default: the stack's URL")
    arguments = parser.parse_args()
    with stacks.acting_on(arguments.stage):
        url = arguments.url or stacks.api_url(arguments.stage)
    account = smoke_account()
    if account is None:
        raise SystemExit("Set SMOKE_EMAIL and SMOKE_PASSWORD to the credentials of an admin or manager of the stage.")
    email, password = account
    try_stage(url, email=email, password=password)


def try_stage(url: str, *, email: str, password: str) -> None:
    """Runs and prints the steps. Ends the process if one fails."""
    print(f"Trying {url}", flush=True)
    try:
        run(Client(url.rstrip("/")), email=email, password=password)
    except SmokeError as error:
        raise SystemExit(f"The stage does not work: {error} failed.") from error
    print("The stage works.")


if __name__ == "__main__":
    run_until_unread(main)
