"""Service keys over HTTP: made by the command, limited over all workers, and refused after their end."""

from collections.abc import Callable
from typing import Any

import httpx

from local.system import LocalSystem
from tests.support.local_cloud.commands import run_command
from tests.support.local_cloud.shop import at_once, create_product, statuses, wait_until

KEYS, REQUESTS = "/api/v1/admin/keys", "/api/v1/admin/requests"
PRODUCTS = "/api/v1/inventory/products"
WORKERS, LIMIT = 8, 40


def test_a34_a_key_of_the_command_works_until_it_is_deleted(
    system: LocalSystem, client: Callable[..., httpx.Client], signed_in: Callable[[str], httpx.Client]
) -> None:
    made = run_command(system, "local.key", "--name", "Counting", "--scopes", "catalogue:read,stock:write")
    assert made.returncode == 0, made.stderr
    http, admin = client(), signed_in("admin")
    http.headers["Authorization"] = f"Bearer {made.stdout.strip()}"
    product = create_product(signed_in("manager"), stock=5)

    adjusted = http.patch(f"{PRODUCTS}/{product}/stock", json={"adjustment": 2, "reason": "found"})
    refused = http.get("/api/v1/orders")

    assert (adjusted.status_code, adjusted.json()["on_hand"]) == (200, 7)
    assert (refused.status_code, refused.json()["scope"]) == (403, "orders:read")
    (key,) = [it for it in admin.get(KEYS).json()["items"] if it["name"] == "Counting"]
    assert key["last_used_at"]
    assert admin.delete(f"{KEYS}/{key['id']}").status_code == 204
    assert {http.get(PRODUCTS).status_code for _ in range(8)} == {401}


def test_a34_the_limit_of_a_key_holds_over_the_workers(
    client: Callable[..., httpx.Client], signed_in: Callable[[str], httpx.Client]
) -> None:
    body = {"name": "Limited", "scopes": ["catalogue:read"], "rate_limit": LIMIT}
    made = signed_in("admin").post(KEYS, json=body)
    assert made.status_code == 201, made.text
    http = client()
    http.headers["Authorization"] = f"Bearer {made.json()['key']}"

    answers = at_once([lambda: http.get(f"{PRODUCTS}?limit=1")] * 3 * LIMIT, clients=WORKERS)

    # A minute may end in between.
    found = statuses(answers)
    assert found.keys() == {200, 429}
    assert LIMIT <= found[200] <= 2 * LIMIT


def test_the_request_log_shows_the_requests_of_a_key_seconds_later(
    client: Callable[..., httpx.Client], signed_in: Callable[[str], httpx.Client]
) -> None:
    admin, http = signed_in("admin"), client()
    made = admin.post(KEYS, json={"name": "Logged", "scopes": ["catalogue:read"]}).json()
    http.headers["Authorization"] = f"Bearer {made['key']}"
    sent = [http.get(path).headers["X-Request-Id"] for path in (PRODUCTS, f"{PRODUCTS}/none", "/api/v1/orders")]

    def logged(**filters: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = admin.get(REQUESTS, params={"key": made["id"], **filters}).json()["items"]
        return items

    found = wait_until(logged, lambda it: len(it) == len(sent))
    assert [it["request_id"] for it in found] == sent[::-1]
    assert [(it["operation"], it["status"], it["code"]) for it in found] == [
        ("list_orders", 403, "insufficient-scope"),
        ("get_product", 404, "not-found"),
        ("list_products", 200, None),
    ]
    assert {it["address"].rpartition(".")[0] for it in found} == {"127.0.0"}
    assert [it["request_id"] for it in logged(status="4xx", operation="get_product")] == [sent[1]]
    assert [it["request_id"] for it in logged(request_id=sent[0])] == [sent[0]]
    first = admin.get(REQUESTS, params={"key": made["id"], "limit": "2"}).json()
    second = admin.get(REQUESTS, params={"key": made["id"], "limit": "2", "cursor": first["next_cursor"]}).json()
    assert [it["request_id"] for it in first["items"] + second["items"]] == sent[::-1]
