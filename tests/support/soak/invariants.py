"""The invariants of the system after a soak with empty queues. Each check returns the problems that it finds."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx

from local.log_reader import LogReader
from local.system import LocalSystem
from oms.feed.models import EMPTY, Head
from oms.feed.reservations import LEASE_SECONDS
from tests.support.local_cloud.commands import Run, run_command, run_later
from tests.support.local_cloud.feed import follow
from tests.support.local_cloud.queues import COUNTED
from tests.support.local_cloud.shop import wait_until
from tests.support.local_cloud.stock_checks import nothing_under_way, settled
from tests.support.local_cloud.subscriber import WEBHOOKS
from tests.support.local_cloud.tables import Tables
from tests.support.soak.requests import Known
from tests.support.soak.subscriber import FlakySubscriber

# The sums of a day are compared when it is over.
_A_DAY_AND_MORE_SECONDS = 2 * 24 * 3600
_REDRIVES = 5
_REST_SECONDS = 900
_MOST_ERRORS = 30


class State:
    """The items of the tables after the soak."""

    def __init__(self, system: LocalSystem) -> None:
        tables = Tables(system)
        self.orders = list(tables.of("Orders").values())
        self.inventory = list(tables.of("Inventory").values())
        self.events = list(tables.of("Events").values())
        self.webhooks = list(tables.of("Webhooks").values())

    @property
    def rows(self) -> list[dict[str, Any]]:
        return sorted((it for it in self.events if it["kind"]["S"] == "row"), key=lambda it: it["sk"]["S"])

    @property
    def listed(self) -> list[str]:
        """The ids of the events in the feed. Positions whose writer crashed have none."""
        return [it["event_id"]["S"] for it in self.rows if it["type"]["S"] != EMPTY]


def wait_until_at_rest(system: LocalSystem) -> list[str]:
    """Waits until no queue of a consumer has a message. Failed messages are retried as an operator does."""
    sqs = system.client("sqs")
    names = ["QueueUrl", "RedrivePolicy", *COUNTED]
    urls = sqs.list_queues()["QueueUrls"]

    def held() -> dict[str, int]:
        found = {}
        for url in urls:
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            if "RedrivePolicy" in answer:
                found[url.rpartition("/")[2]] = sum(int(answer[name]) for name in names if name in COUNTED)
        return {name: number for name, number in found.items() if number}

    for _ in range(_REDRIVES):
        end = time.monotonic() + _REST_SECONDS
        while (left := held()) and time.monotonic() < end:
            time.sleep(2)
        waiting = failures(system)
        if left or not waiting:
            break
        for name in waiting:
            run_command(system, "local.redrive", "--queue", name)
    return [f"{number} messages are still in {name}" for name, number in left.items()] + [
        f"{number} messages failed, and wait in {name}" for name, number in failures(system).items()
    ]


def unknown_failures(system: LocalSystem) -> list[str]:
    """No request ended in an error that its function does not know. Prints the errors in the logs of all functions."""
    found, counts = [], Counter[str]()
    reader = LogReader(system.client("logs"), system.log_groups())
    for line in reader.read():
        entry = json.loads(line.text) if line.text.startswith("{") else {}
        if entry.get("level") not in ("ERROR", "CRITICAL"):
            continue
        what = f"{line.function}: {entry['message']}, {entry.get('exception_name', 'no exception')}"
        counts[what] += 1
        if entry["message"] == "failed":
            found.append(f"{what}: {entry.get('method')} {entry.get('path')} {entry.get('exception', '')[-1500:]}")
    for what, number in counts.most_common(_MOST_ERRORS):
        print(f"  logged {number} × {what}")
    return found


def failures(system: LocalSystem) -> dict[str, int]:
    """Returns the numbers of messages in the dead-letter and poison queues that have some."""
    listed = run_command(system, "local.redrive").stdout.splitlines()
    counts = {line.split()[0]: int(line.split()[-1]) for line in listed if line.startswith("  ")}
    return {name: number for name, number in counts.items() if number}


def stock(system: LocalSystem, admin: httpx.Client) -> list[str]:
    """A full stock check, which compares stock, ledger and orders."""
    with nothing_under_way(system):
        run = settled(admin, full=True)
    return [f"stock drift: {json.dumps(it)[:300]}" for it in run["drift"]]


def sums(system: LocalSystem) -> list[str]:
    """The sums of the reports, compared with orders, stock and users."""
    return _of_command(run_later(system, "oms.commands.rebuild_reports", seconds=_A_DAY_AND_MORE_SECONDS), "sums")


def audit_chain(system: LocalSystem) -> list[str]:
    return _of_command(run_command(system, "local.verify_audit"), "audit log")


def _of_command(run: Run, name: str) -> list[str]:
    return [] if run.returncode == 0 else [f"{name}: {(run.stdout + run.stderr)[-2000:]}"]


def units(state: State, known: Known) -> list[str]:
    """Each order of the clients once, and each unit that they added available, reserved or in a shipped order."""
    ids = {it["id"]["S"] for it in state.orders if it["id"]["S"] not in known.earlier_orders}
    found = [f"order {it} is stored, and no client got it" for it in sorted(ids - known.orders)]
    found += [f"order {it} was answered, and is not stored" for it in sorted(known.orders - ids)]
    available, reserved, ordered, shipped = (Counter[str]() for _ in range(4))
    for item in state.inventory:
        if item["kind"]["S"] == "stock":
            available[item["product_id"]["S"]] += int(item["available"]["N"])
            reserved[item["product_id"]["S"]] += int(item["reserved"]["N"])
    for order in state.orders:
        status, restocked = order["status"]["S"], order["history"]["L"][-1]["M"].get("restocked", {}).get("BOOL")
        for line in (it["M"] for it in order["lines"]["L"]):
            if status in ("pending", "confirmed"):
                ordered[line["product_id"]["S"]] += int(line["quantity"]["N"])
            elif status in ("shipped", "delivered") or (status == "returned" and not restocked):
                shipped[line["product_id"]["S"]] += int(line["quantity"]["N"])
    for product, number in known.units.items():
        if reserved[product] != ordered[product]:
            found.append(f"product {product}: {reserved[product]} reserved, {ordered[product]} in open orders")
        if available[product] + reserved[product] + shipped[product] != number:
            found.append(f"product {product}: {available[product]}+{reserved[product]}+{shipped[product]} of {number}")
    return found


def end_reservations(system: LocalSystem, admin: httpx.Client, known: Known) -> list[str]:
    """Appends an event while interrupted writers have left reserved positions, which the next writer fills."""
    for _ in range(_REDRIVES):
        if not Tables(system).of("Events")[Head.key()]["reserved"]["M"]:
            break
        time.sleep(LEASE_SECONDS)
        product = known.any("product", random.Random())
        answer = admin.patch(f"/api/v1/inventory/products/{product}", json={"description": uuid4().hex})
        assert answer.status_code == 200, answer.text
        wait_until_at_rest(system)
    return []


def feed(state: State) -> list[str]:
    """Each position once and without gaps, each event once, and each version of each order in it."""
    positions = [int(it["sk"]["S"]) for it in state.rows]
    head = next(it for it in state.events if it["kind"]["S"] == "log")
    found = []
    if positions != list(range(1, int(head["position"]["N"]) + 1)):
        found.append(f"feed: {len(positions)} rows, and the head is at {head['position']['N']}")
    found += [f"feed: reservation {it} is left" for it in head["reserved"]["M"]]
    print(f"feed: {len(state.listed):,} events, {len(positions) - len(state.listed)} empty positions")
    found += [f"feed: event {it} is in it {number} times" for it, number in Counter(state.listed).items() if number > 1]
    return found + [f"feed: version {version} of order {order} is missing" for order, version in _missing(state)]


def feed_as_read(state: State, admin: httpx.Client) -> list[str]:
    """A client reads each event of the feed once, in the order of the positions."""
    read = [it["id"] for it in follow(admin, None)]
    return [] if read == state.listed else [f"feed: {len(read)} events are read, {len(state.listed)} are stored"]


def _missing(state: State) -> Iterator[tuple[str, int]]:
    bodies = (json.loads(it["body"]["S"]) for it in state.rows if it["type"]["S"].startswith("order."))
    listed = {(body["data"]["id"], body["sequence"]) for body in bodies}
    for order in state.orders:
        for version in range(1, len(order["history"]["L"]) + 1):
            if (order["id"]["S"], version) not in listed:
                yield order["id"]["S"], version


def deliveries(state: State, subscriber: FlakySubscriber) -> list[str]:
    """Each event of an order since the subscription has one delivery, which the subscriber accepted."""
    received = {event["id"] for event in subscriber.events}
    stored = {
        it["event_id"]["S"]: it
        for it in state.webhooks
        if it["kind"]["S"] == "delivery" and it["subscription_id"]["S"] == subscriber.id
    }
    statuses = Counter(it["status"]["S"] for it in stored.values())
    print(f"deliveries: {dict(statuses)}; {len(received)} events received")
    found = [f"webhook: refused {why}" for why in subscriber.refused]
    for row in state.rows:
        event, delivery = row["event_id"]["S"], stored.get(row["event_id"]["S"])
        if not row["type"]["S"].startswith("order.") or json.loads(row["body"]["S"])["occurred_at"] < subscriber.since:
            continue
        if delivery is None:
            found.append(f"webhook: {event} has no delivery")
        elif delivery["status"]["S"] == "delivered":
            found += [] if event in received else [f"webhook: {event} is delivered, but was not received"]
        else:
            found.append(f"webhook: {event} is {delivery['status']['S']}")
    return found


def deliver_failed(system: LocalSystem, admin: httpx.Client, subscriber: FlakySubscriber) -> list[str]:
    """Replays the deliveries whose next attempt would be minutes later, and waits until all are delivered."""

    def missing() -> list[str]:
        return [
            it["id"]["S"]
            for it in Tables(system).of("Webhooks").values()
            if it["kind"]["S"] == "delivery"
            and it["subscription_id"]["S"] == subscriber.id
            and it["status"]["S"] != "delivered"
        ]

    waiting = missing()
    print(f"deliveries that are replayed: {len(waiting)}")
    found = []
    for it in waiting:
        answer = admin.post(f"{WEBHOOKS}/{subscriber.id}/deliveries/{it}/replay", json={})
        if answer.status_code != 202:
            found.append(f"webhook: a replay was answered by {answer.status_code} {answer.text[:200]}")
    wait_until(missing, lambda it: not it, pause=2)
    return found


def checks(
    system: LocalSystem, admin: httpx.Client, subscriber: FlakySubscriber, known: Known
) -> dict[str, Callable[[], list[str]]]:
    """Returns the checks by name, in the order in which they must run."""
    state: list[State] = []

    def read() -> State:
        if not state:
            state.append(State(system))
        return state[0]

    return {
        "queues at rest": lambda: wait_until_at_rest(system),
        "failed requests": lambda: unknown_failures(system),
        "reserved positions of the feed": lambda: end_reservations(system, admin, known),
        "replay of failed deliveries": lambda: deliver_failed(system, admin, subscriber),
        "orders and units": lambda: units(read(), known),
        "stock ledger": lambda: stock(system, admin),
        "sums of the reports": lambda: sums(system),
        "feed": lambda: feed(read()),
        "feed as a client reads it": lambda: feed_as_read(read(), admin),
        "webhook deliveries": lambda: deliveries(read(), subscriber),
        "audit chain": lambda: audit_chain(system),
    }
