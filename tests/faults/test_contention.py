"""F5: conflicts, throttling and time-outs end in success or in 503, and never in "out of stock"."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, SSLError

from oms.core import clock, dynamodb
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.faults import Failure, conflicted, failing, lose_answer, reason_at, refuse, timed_out, unconnected
from tests.support.gateway import call as http
from tests.support.invocation import Answer
from tests.support.shop import BEFORE, Shop, orders_stored, stock_of

ATTEMPTS = 7


@dataclass(frozen=True)
class Change:
    """A change of state: its start, the request, and the one call that writes it."""

    prepare: Callable[[Shop], str]
    request: Callable[[Shop, str], Answer]
    write: str = "TransactWriteItems"
    success: int = 200


def _ready_for(move: str) -> Callable[[Shop], str]:
    return lambda shop: shop.ready_for(move, {shop.product(1): 1})


def _last_unit(shop: Shop) -> str:
    return shop.product(1)


def _adjust(shop: Shop, product: str) -> Answer:
    return shop.manage("PATCH", f"products/{product}/stock", {"adjustment": -1, "reason": "lost"}, key="k")


def _count(shop: Shop, product: str) -> Answer:
    return shop.manage("PUT", f"products/{product}/stock", {"on_hand": 0, "reason": "counted"}, key="k")


def _new_product(shop: Shop, sku: str) -> Answer:
    return shop.manage("POST", "products", {"sku": sku, "name": "Saw", "category": "Tools", "price": 1}, key=sku)


def _edit(shop: Shop, product: str) -> Answer:
    return shop.manage(
        "PUT",
        f"products/{product}",
        {"sku": product, "name": "New", "category": "Tools", "price": 2, "status": "active"},
    )


CHANGES = {
    "create with a key": Change(_last_unit, lambda shop, it: shop.buy({it: 1}, key=it), success=201),
    "create without a key": Change(_last_unit, lambda shop, it: shop.buy({it: 1}), success=201),
    "confirm": Change(_ready_for("confirm"), lambda shop, it: shop.move(it, "confirm"), write="UpdateItem"),
    "cancel": Change(_ready_for("cancel"), lambda shop, it: shop.move(it, "cancel", by=shop.customer)),
    "ship": Change(_ready_for("ship"), lambda shop, it: shop.move(it, "ship")),
    "deliver": Change(_ready_for("deliver"), lambda shop, it: shop.move(it, "deliver"), write="UpdateItem"),
    "return": Change(_ready_for("return"), lambda shop, it: shop.move(it, "return")),
    "stock adjustment": Change(lambda shop: shop.product(1), _adjust),
    "stock count": Change(lambda shop: shop.product(1), _count),
    "new product": Change(lambda shop: f"SKU-{len(shop.units)}", _new_product, success=201),
    "product edit": Change(lambda shop: shop.product(1), _edit),
}

each_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())


def everything(shop: Shop) -> Any:
    """Returns the orders and stock that the requests of this module may change."""
    orders = {order.id: (order.status, order.version) for order in orders_stored()}
    return orders, {it: (stock_of(it).available, stock_of(it).reserved, stock_of(it).offer) for it in shop.units}


def check_unavailable(refused: Answer) -> None:
    assert (refused.status, refused.json["code"]) == (503, "unavailable"), refused.text
    assert int(refused.headers["Retry-After"]) >= 1


def check_naps(no_sleep: list[float], attempts: int) -> None:
    """Checks that the waits have full jitter under a ceiling that doubles from 0.1 s to 1 s."""
    assert len(no_sleep) == attempts - 1
    assert all(0 <= nap <= min(1.0, 0.05 * 2**number) for number, nap in enumerate(no_sleep, 1))


@each_change
@pytest.mark.parametrize("conflicts", [1, 2, ATTEMPTS - 1])
def test_f05_conflicts_that_pass_are_not_seen(
    shop: Shop, no_sleep: list[float], change: Change, conflicts: int
) -> None:
    subject = change.prepare(shop)

    with intercepted(refuse(change.write, conflicted, times=conflicts)) as calls:
        answer = change.request(shop, subject)

    assert answer.status == change.success, answer.text
    assert sum(call.operation == change.write for call in calls) == conflicts + 1
    check_naps(no_sleep, conflicts + 1)


@each_change
@pytest.mark.parametrize("conflicts", [ATTEMPTS, ATTEMPTS + 1])
def test_f05_conflicts_that_do_not_pass_are_unavailable(
    shop: Shop, no_sleep: list[float], change: Change, conflicts: int
) -> None:
    subject = change.prepare(shop)
    before = everything(shop)

    with intercepted(refuse(change.write, conflicted, times=conflicts)) as calls:
        refused = change.request(shop, subject)

    check_unavailable(refused)
    assert sum(call.operation == change.write for call in calls) == ATTEMPTS
    check_naps(no_sleep, ATTEMPTS)
    assert everything(shop) == before
    assert change.request(shop, subject).status == change.success, "the key is free after a failure"


def test_f05_waits_are_jittered(shop: Shop, no_sleep: list[float]) -> None:
    product = shop.product(1)

    with intercepted(refuse("TransactWriteItems", conflicted)):
        for _ in range(2):
            check_unavailable(shop.buy({product: 1}))

    assert no_sleep[: ATTEMPTS - 1] != no_sleep[ATTEMPTS - 1 :]


NO_ANSWER = {
    "time-out": timed_out,
    "no connection in time": unconnected(ConnectTimeoutError),
    "no connection": unconnected(EndpointConnectionError),
    "no certificate": unconnected(SSLError),
}
WHOLE_CALL = {
    code: failing(code)
    for code in (
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "InternalServerError",
        "ServiceUnavailable",
    )
} | NO_ANSWER
IN_TRANSACTION = {
    f"{code} at {position}": reason_at(position, code)
    for code in ("TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded")
    for position in (0, -1)
} | {"TransactionInProgressException": failing("TransactionInProgressException")}


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        pytest.param(CHANGES[name], failure, id=f"{name}-{kind}")
        for name, kinds in (
            ("create with a key", WHOLE_CALL | IN_TRANSACTION),
            ("create without a key", NO_ANSWER),
            ("confirm", WHOLE_CALL),
            ("cancel", IN_TRANSACTION),
        )
        for kind, failure in kinds.items()
    ],
)
def test_f05_every_passing_failure_is_tried_again(
    shop: Shop, no_sleep: list[float], change: Change, failure: Failure
) -> None:
    subject = change.prepare(shop)
    before = everything(shop)

    with intercepted(refuse(change.write, failure)) as calls:
        refused = change.request(shop, subject)
    unchanged = everything(shop)
    with intercepted(refuse(change.write, failure, times=ATTEMPTS - 1)):
        answer = change.request(shop, subject)

    check_unavailable(refused)
    assert sum(call.operation == change.write for call in calls) == ATTEMPTS
    assert unchanged == before
    assert answer.status == change.success, answer.text
    shop.check_stock()


@pytest.mark.parametrize("conflicts", [0, 1, ATTEMPTS - 1])
@pytest.mark.parametrize("name", CHANGES)
def test_f05_a_time_out_whose_write_was_made_is_a_success(
    shop: Shop, no_sleep: list[float], name: str, conflicts: int
) -> None:
    change = CHANGES[name]
    subject = change.prepare(shop)

    with intercepted(lose_answer(change.write, after=conflicts, failure=conflicted)):
        answer = change.request(shop, subject)

    assert answer.status == change.success, answer.text
    if name.startswith("create"):
        assert [order.id for order in shop.check_stock()] == [answer.json["id"]]
    elif name == "stock adjustment":
        assert (stock_of(subject).available, stock_of(subject).version) == (0, 2)
    elif name in BEFORE:
        assert answer.json["version"] == len(BEFORE[name]) + 2
        shop.check_stock()


def test_f05_a_lost_product_edit_is_not_made_twice(shop: Shop, no_sleep: list[float]) -> None:
    product = shop.product(1)

    with intercepted(lose_answer("TransactWriteItems")):
        answer = _edit(shop, product)

    assert (answer.status, answer.json["version"]) == (200, 2), answer.text
    assert stock_of(product).offer == 2


@pytest.mark.parametrize("operation", ["BatchGetItem", "GetItem", "Query"])
@pytest.mark.parametrize("failure", WHOLE_CALL.values(), ids=WHOLE_CALL.keys())
def test_f05_reads_are_tried_again(shop: Shop, no_sleep: list[float], operation: str, failure: Failure) -> None:
    path = _ready_for("confirm")(shop)

    def read() -> Answer:
        return shop.get("/api/v1/orders" if operation == "Query" else path)

    with intercepted(refuse(operation, failure, times=ATTEMPTS - 1)):
        assert read().status == 200
    with intercepted(refuse(operation, failure)) as calls:
        check_unavailable(read())
    assert sum(call.operation == operation for call in calls) == ATTEMPTS


@pytest.mark.parametrize(("times", "status"), [(1, 200), (ATTEMPTS - 1, 200), (ATTEMPTS, 503)])
def test_f05_keys_left_unread_are_read_again_and_never_taken_for_absent(
    shop: Shop, no_sleep: list[float], times: int, status: int
) -> None:
    path = _ready_for("confirm")(shop)
    left = times

    def plan(call: Call) -> Any:
        nonlocal left
        if call.operation != "BatchGetItem" or left == 0:
            return call.send()
        left -= 1
        return {"Responses": {}, "UnprocessedKeys": call.parameters["RequestItems"]}

    with intercepted(plan):
        answer = shop.get(path)

    assert answer.status == status, answer.text


# Seconds, below the functions' own time-out, which tests/infra compares; API Gateway times out after 30.
LONGEST = 28.0


@each_change
@pytest.mark.parametrize("failures", [0, 1])
@pytest.mark.parametrize("slow", ["BatchGetItem", "BatchGetItem GetItem", "UpdateItem TransactWriteItems"])
def test_f05_time_outs_end_before_the_function_does(
    shop: Shop, no_sleep: list[float], monkeypatch: pytest.MonkeyPatch, change: Change, slow: str, failures: int
) -> None:
    """The slowest case: reads fail just before their deadline and succeed as late as possible, and writes and the final
    read always fail."""
    subject = change.prepare(shop)
    client = dynamodb.client()
    longest = (client.connect_seconds + client.read_seconds) * client.retries.max_attempts
    elapsed, seen, wrote = 0.0, Counter[str](), False

    def plan(call: Call) -> Any:
        nonlocal elapsed, wrote
        wrote = wrote or call.writes
        if not wrote and call.operation not in slow:
            return call.send()
        seen[call.operation] += 1
        fails = wrote or seen[call.operation] <= failures
        elapsed += longest - 0.1 if fails and not wrote else longest
        if fails:
            raise timed_out(call)
        return call.send()

    monkeypatch.setattr(clock, "monotonic", lambda: elapsed + sum(no_sleep))
    with intercepted(plan) as calls:
        check_unavailable(change.request(shop, subject))

    assert elapsed + sum(no_sleep) < LONGEST, [call.operation for call in calls]


def test_f05_lists_over_several_partitions_end_before_the_function_does(
    shop: Shop, no_sleep: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    elapsed = 0.0

    def plan(call: Call) -> Any:
        nonlocal elapsed
        if call.operation == "BatchGetItem":
            elapsed = 12.0
            return call.send()
        elapsed += 0.5
        raise timed_out(call)

    monkeypatch.setattr(clock, "monotonic", lambda: elapsed + sum(no_sleep))
    with intercepted(plan) as calls:
        check_unavailable(http("GET", "/api/v1/orders?status=pending,confirmed", token=shop.manager.token))

    # After 13 s no thread begins another call; calls that have begun may end.
    assert 13 <= elapsed <= 14.5, [call.operation for call in calls]


def test_f05_a_hold_in_conflict_is_left_for_the_next_sweep(
    shop: Shop, no_sleep: list[float], time_machine: Callable[[timedelta], None]
) -> None:
    contested, free = _ready_for("confirm")(shop), _ready_for("confirm")(shop)
    time_machine(timedelta(minutes=31))

    def plan(call: Call) -> Any:
        return conflict(call) if contested[-20:] in repr(call.parameters) else call.send()

    conflict: Plan = refuse("TransactWriteItems", conflicted)
    with intercepted(plan):
        swept = shop.sweep()

    assert swept == {"batchItemFailures": [{"itemIdentifier": "1"}]}, "the message is returned"
    assert {order.id: order.status for order in shop.check_stock()} == {
        contested[-20:]: "pending",
        free[-20:]: "expired",
    }
    assert shop.sweep() == {"batchItemFailures": []}
    assert {order.status for order in shop.check_stock()} == {"expired"}
