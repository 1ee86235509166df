"""A shop with a stock ledger: the bookkeeper gets the stream, and the verifier the queue of the check."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from oms.inventory.models import StockItem
from oms.stock_ledger import check as stock_check
from oms.stock_ledger.models import CheckRun, Movement, ProductDrift
from oms.stock_ledger.repair import Repair, repair
from tests.support.aws_client import aws_client
from tests.support.database import table
from tests.support.invocation import Context
from tests.support.shop import Shop
from tests.support.streams import Record, record, run_bookkeeper
from verifier import handler as verifier


@dataclass
class LedgerShop:
    shop: Shop
    records: list[Record]
    queue_url: str
    processed: int = 0
    products: list[str] = field(default_factory=list)

    def run_bookkeeper(self) -> None:
        """Gives the bookkeeper the records that are new since the last call, and then those of its own writes."""
        while records := self.records[self.processed :]:
            self.processed += len(records)
            run_bookkeeper(records)

    def create(self, stock: int = 20) -> str:
        body = {"sku": f"SKU-{len(self.products)}", "name": "Saw", "category": "Tools", "price": 5, "stock": stock}
        made = self.shop.manage("POST", "products", body)
        assert made.status == 201, made.text
        self.products.append(made.json["id"])
        return self.products[-1]

    def adjust(self, product_id: str, units: int) -> None:
        body = {"adjustment": units, "reason": "counted"}
        assert self.shop.manage("PATCH", f"products/{product_id}/stock", body).status == 200

    def order(self, *moves: str, **quantities: int) -> str:
        """Places an order of these units by product id, and makes these moves."""
        placed = self.shop.buy(quantities)
        assert placed.status == 201, placed.text
        bodies = {"ship": {"carrier": "DHL", "tracking_number": "1"}}
        for move in moves:
            path = f"/api/v1/orders/{placed.json['id']}/{move}"
            moved = self.shop.post(path, bodies.get(move), by=self.shop.manager)
            assert moved.status == 200, moved.text
        return str(placed.json["id"])

    # ---- the check --------------------------------------------------------------------------------------------------

    def check(self, *, full: bool = False, time_left: Callable[[], int] = lambda: 900_000) -> CheckRun:
        """Runs a whole check, with all its steps."""
        stock_check.start(full=full)
        self.drain(time_left)
        run, _ = stock_check.last_run()
        assert run
        return run

    def drain(self, time_left: Callable[[], int] = lambda: 900_000) -> int:
        """Gives the verifier the messages one by one until there are none, and returns their number."""
        delivered = 0
        while messages := self.messages():
            for message in messages:
                delivered += 1
                assert self.deliver(message, time_left) == [], "the message was not finished"
        return delivered

    def messages(self) -> list[Any]:
        """Takes all messages of the queue."""
        sqs = aws_client("sqs")
        found = sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]

    def deliver(self, message: Any, time_left: Callable[[], int] = lambda: 900_000) -> list[str]:
        """Delivers messages, and returns the ids of those that failed."""
        record = {"messageId": "message", "body": json.dumps(message), "eventSource": "aws:sqs"}
        context = Context()
        context.get_remaining_time_in_millis = time_left
        answer = verifier.lambda_handler({"Records": [record]}, context)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    @staticmethod
    def drifts() -> dict[str, ProductDrift]:
        return {drift.product_id: drift for drift in stock_check.last_run()[1]}

    # ---- tampering --------------------------------------------------------------------------------------------------

    @staticmethod
    def tamper_stock(product_id: str, shard: int = 0, *, available: int = 0, reserved: int = 0) -> None:
        item = raw_item("inventory", *StockItem.key(product_id, shard))
        for name, units in (("available", available), ("reserved", reserved)):
            item[name] = {"N": str(int(item[name]["N"]) + units)}
        table("inventory").put(item)

    @staticmethod
    def tamper_movement(product_id: str, version: int, **attributes: str) -> None:
        item = raw_item("inventory", StockItem.key(product_id)[0], Movement.sort_key(version))
        table("inventory").put(item | {name: {"S": value} for name, value in attributes.items()})

    @staticmethod
    def tamper_order(order_id: str, quantity: int) -> None:
        """Changes the quantity that the first line has taken."""
        item = raw_item("orders", order_id)
        item["lines"]["L"][0]["M"]["drawn"]["L"][0]["M"]["quantity"] = {"N": str(quantity)}
        table("orders").put(item)


def raw_item(name: str, *key: str) -> dict[str, Any]:
    item = table(name).get(*key)
    assert item
    return item


def find_drift(product_id: str) -> None:
    """Runs a check that finds a product whose stock was tampered with. A new product gets its first movement before."""
    partition, _ = key = StockItem.key(product_id)
    item = raw_item("inventory", *key)
    if not table("inventory").get(partition, Movement.sort_key(int(item["version"]["N"]))):
        run_bookkeeper([record(None, item)])
    LedgerShop.tamper_stock(product_id, available=1)
    run = stock_check.start()
    stock_check.continue_run(run.id, run.step, has_time=lambda: True)


def codes(drift: ProductDrift) -> list[str]:
    return [finding["code"] for finding in drift.findings]


def difference(drift: ProductDrift) -> Sequence[int]:
    return (drift.available - drift.expected_available, drift.reserved - drift.expected_reserved)


def trade(ledger_shop: LedgerShop) -> tuple[str, str]:
    """Two products that were adjusted, ordered, cancelled, shipped and returned; their movements are in the ledger."""
    first, second = ledger_shop.create(), ledger_shop.create()
    ledger_shop.adjust(first, 5)
    ledger_shop.order(**{first: 2, second: 1})
    ledger_shop.order("cancel", **{first: 3})
    ledger_shop.order("confirm", "ship", "deliver", "return", **{second: 4})
    ledger_shop.run_bookkeeper()
    return first, second


def repair_stock(ledger_shop: LedgerShop, product_id: str, shard: int = 0, *, dry_run: bool = False) -> Repair:
    return repair(product_id, shard, dry_run=dry_run, actor=ledger_shop.shop.manager, address="198.51.100.1")
