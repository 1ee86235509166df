"""The rehearsal of docs/operate/restoring.md: tables restored to different seconds go back into the running system."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from local.system import LocalSystem
from tests.support.local_cloud.commands import run_command, run_later
from tests.support.local_cloud.feed import follow, latest
from tests.support.local_cloud.mailbox import mails_to
from tests.support.local_cloud.queues import wait_until_at_rest
from tests.support.local_cloud.shop import all_items, create_product, order_of, stock_of, wait_until
from tests.support.local_cloud.stock_checks import CHECK, checked, nothing_under_way
from tests.support.local_cloud.tables import Tables

pytestmark = [pytest.mark.full, pytest.mark.alone]

SHIPMENT = {"carrier": "DHL", "tracking_number": "1"}

DAY = 86_400  # days that are over are compared


@pytest.fixture
def tables(system: LocalSystem) -> Iterator[Tables]:
    found = Tables(system)
    yield found
    for copy in found.copies:
        system.client("dynamodb").delete_table(TableName=copy)


def restore(system: LocalSystem, domain: str, copy: str, *arguments: str) -> list[str]:
    """Runs the command as `make restore` does; returns its printed lines."""
    run = run_command(system, "local.restore", "--domain", domain, "--from-table", copy, *arguments)
    assert run.returncode == 0, run.stdout + run.stderr
    print(run.stderr.splitlines()[-1])
    return run.stdout.splitlines()


def positions(tables: Tables) -> list[int]:
    """Returns the positions of the feed's rows."""
    return sorted(int(sort) for (_, sort), it in tables.of("Events").items() if it["kind"]["S"] == "row")


class Shop:
    """Counts the events of each product and order that it creates. Each event of an order is mailed to the buyer."""

    def __init__(self, manager: httpx.Client, buyer: httpx.Client) -> None:
        self.manager, self.buyer = manager, buyer
        self.events: Counter[str] = Counter()
        self.products: set[str] = set()
        self.numbers: dict[str, str] = {}

    @property
    def mails(self) -> int:
        return sum(self.events[order] for order in self.numbers)

    def product(self) -> str:
        product = create_product(self.manager, stock=50)
        self.products.add(product)
        self.events[product] += 1
        return product

    def order(self, *lines: tuple[str, int]) -> str:
        placed = self.buyer.post("/api/v1/orders", json=order_of(*lines))
        assert placed.status_code == 201, placed.text
        order = str(placed.json()["id"])
        self.numbers[order] = placed.json()["number"]
        self.events[order] += 1
        return order

    def move(self, order: str, move: str, body: Any = None) -> None:
        moved = self.manager.post(f"/api/v1/orders/{order}/{move}", json=body or {})
        assert moved.status_code == 200, moved.text
        self.events[order] += 1


def test_tables_restored_to_different_seconds_go_back_and_the_shop_continues(
    system: LocalSystem, tables: Tables, signed_in: Callable[[str], httpx.Client]
) -> None:
    admin, manager, alice = signed_in("admin"), signed_in("manager"), signed_in("alice")
    shop, start = Shop(manager, alice), latest(system)
    first, second, third = (shop.product() for _ in range(3))
    pending, confirmed, shipped = (shop.order((first, 2), (second, 1)) for _ in range(3))
    shop.move(confirmed, "confirm")
    shop.move(shipped, "confirm")
    shop.move(shipped, "ship", SHIPMENT)
    _quiet(system, tables, shop, start)

    copies = {"Orders": tables.restored("Orders")}  # the one second
    shop.order((third, 5))
    shop.move(pending, "cancel")
    _quiet(system, tables, shop, start)
    copies |= {domain: tables.restored(domain) for domain in ("Inventory", "Events", "Audit")}  # the other
    shop.order((first, 7))
    shop.move(confirmed, "ship", SHIPMENT)
    events = _quiet(system, tables, shop, start)
    _break(tables, orders=(shipped, confirmed), product=second, stock=first)

    began = time.monotonic()
    plan = restore(system, "Orders", copies["Orders"])
    assert {line.split(" ")[0] for line in plan} == {"missing", "changed", "new"}
    for domain, copy in copies.items():
        restore(system, domain, copy, "--apply")
    print(f"restored in {time.monotonic() - began:.1f} s")

    for domain in ("Orders", "Inventory"):
        assert tables.of(domain) == tables.items(copies[domain])
    with nothing_under_way(system):
        _check_stock(admin, shop.products, drifted=shop.products)
    _check_sums(system)
    assert positions(tables) == list(range(1, len(positions(tables)) + 1)), "the feed has no gap"
    assert [it["id"] for it in follow(manager, start)][: len(events)] == events
    assert run_command(system, "local.verify_audit").returncode == 0
    _check_shop_continues(system, shop, confirmed, first, events[-1])
    assert _mails(system, shop) == shop.mails, "no mail is sent again"


def _quiet(system: LocalSystem, tables: Tables, shop: Shop, start: str | None) -> list[str]:
    """Returns the ids of the feed's events, once all events, mails and movements of the shop have arrived."""

    def events() -> Counter[str]:
        return Counter(it["data"].get("id") for it in follow(shop.manager, start))

    found = wait_until(events, lambda it: it >= shop.events)
    assert found >= shop.events
    assert _mails(system, shop) == shop.mails
    assert wait_until(lambda: _without_movement(tables, shop.products), lambda it: not it) == set()
    wait_until_at_rest(system, "EventsFeed")
    return [it["id"] for it in follow(shop.manager, start)]


def _mails(system: LocalSystem, shop: Shop) -> int:
    """Returns the number of the buyer's mails about the shop's orders, once no mail is in a queue."""

    def sent() -> int:
        subjects = (set(it["Subject"].split()) for it in mails_to(system, "alice@demo.example"))
        return sum(1 for it in subjects if it & set(shop.numbers.values()))

    wait_until(sent, lambda it: it >= shop.mails)
    wait_until_at_rest(system, "EventsMail")
    return sent()


def _without_movement(tables: Tables, products: set[str]) -> set[str]:
    """Returns the stock items whose last version has no movement yet."""
    items = tables.of("Inventory")
    versions = {key[0]: int(it["version"]["N"]) for key, it in items.items() if it["kind"]["S"] == "stock"}
    own = {f"stock#{product}#0" for product in products}
    return {it for it in own if it not in versions or (it, f"movement#{versions[it]:012d}") not in items}


def _break(tables: Tables, *, orders: tuple[str, ...], product: str, stock: str) -> None:
    """Does the damage of a wrong command."""
    gone, wrong = orders
    tables.delete("Orders", (gone,))
    tables.overwrite("Orders", (wrong,), status={"S": "broken"}, lines={"L": []})
    tables.delete("Inventory", (f"stock#{product}#0", "movement#000000000001"), (f"product#{product}", "product"))
    tables.overwrite("Inventory", (f"stock#{stock}#0", "stock"), available={"N": "999"})
    rows = sorted(key for key, it in tables.of("Events").items() if it["kind"]["S"] == "row")
    tables.delete("Events", *rows[-8:-4])
    entries = sorted(key for key, it in tables.of("Audit").items() if it["kind"]["S"] == "entry")
    tables.delete("Audit", entries[0])


def _check_stock(admin: httpx.Client, products: set[str], *, drifted: set[str]) -> None:
    """The check finds the movements of the seconds between the two tables; after a repair, all agrees."""

    def drifting() -> set[str]:
        return {it["product_id"] for it in checked(admin, full=True)["drift"]}

    found = wait_until(drifting, lambda it: it & products == drifted)
    assert found & products == drifted
    for product in found:
        repaired = admin.post(f"{CHECK}/repair", json={"product_id": product, "dry_run": False})
        assert repaired.status_code == 200, repaired.text
    assert wait_until(drifting, lambda it: not it) == set()


def _check_sums(system: LocalSystem) -> None:
    run_later(system, "oms.commands.rebuild_reports", "--fix", seconds=DAY)
    again = run_later(system, "oms.commands.rebuild_reports", seconds=DAY)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "All sums are right." in again.stdout


def _check_shop_continues(system: LocalSystem, shop: Shop, order: str, product: str, last: str) -> None:
    """A restored order continues from its state; a new one has its events, movements and mails."""
    shop.move(order, "ship", SHIPMENT)
    new = shop.order((product, 3))
    shop.move(new, "confirm")
    published = wait_until(
        lambda: [(it["type"], it["data"].get("id"), it["sequence"]) for it in follow(shop.manager, last)],
        lambda it: ("order.confirmed", new, 2) in it,
    )
    assert {("order.shipped", order, 3), ("order.created", new, 1), ("order.confirmed", new, 2)} <= set(published)
    path = f"/api/v1/inventory/products/{product}/movements"
    movements = wait_until(lambda: all_items(shop.manager, path), lambda it: bool(it) and it[0]["ref"] == new)
    assert [it["version"] for it in movements] == list(range(len(movements), 0, -1)), "the movements have no gap"
    assert tuple(movements[0][kind]["after"] for kind in ("available", "reserved")) == stock_of(shop.manager, product)
    poison = ("Publisher", "Bookkeeper", "Sealer")
    lines = [line for name in poison for line in system.logs(name)]
    assert [json.loads(line) for line in lines if "a record was quarantined" in line] == []
