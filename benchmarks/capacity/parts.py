"""How each part of the plan runs: it feeds the real code at a rate, in a simulation."""

import json
from collections.abc import Callable
from datetime import timedelta

from benchmarks.capacity import goods
from benchmarks.capacity.consumers import Mapping, QueueConsumer, StreamConsumer
from benchmarks.capacity.goods import Buyer, SoldStock
from benchmarks.capacity.limits import NEW_TABLE_PARTITIONS
from benchmarks.capacity.simulation import DATABASE, START, Simulation, unlimited
from benchmarks.stored import new_subscription
from oms.audit import audit_log
from oms.core import clock
from oms.core.actors import System
from oms.core.errors import InsufficientStockError
from oms.core.retries import retrying
from oms.core.transactions import transaction
from oms.core.versions import ANY_VERSION
from oms.inventory import resharding
from oms.orders import service
from oms.orders.offers import OfferCache
from oms.orders.states import OrderStatus
from oms.webhooks import deliveries
from oms.webhooks.deliveries import Trigger
from oms.webhooks.models import Subscription
from tests.support.dynamodb.tables import Change

type Run = Callable[..., None]
"""Runs a simulation at a rate, with the mapping of each event source of the part."""

PRODUCTS = 2000
USERS = 2000
# The pause between two requests of one order, and so between its events.
PAUSE_SECONDS = 0.25
# A request takes at most 13 s: see `oms.core.retries`.
REQUEST_SECONDS = 14.0
# The shards of the hot product, and its units.
SHARDS = 1
UNITS = 10**9
# The subscriptions to all events of orders.
SUBSCRIPTIONS = 1
# The shards of the inventory table's stream, one for each partition of the table.
STREAM_SHARDS = NEW_TABLE_PARTITIONS
# The sweeper runs each minute.
SWEEP_SECONDS = 60.0


# ---- requests -------------------------------------------------------------------------------------------------------


def hot_product(simulation: Simulation, rate: float) -> None:
    """One unit for each order. Refusals are right answers once all units are sold; each is checked for that."""
    goods.stock_products(1, units=UNITS)
    with unlimited():
        resharding.set_shards(goods.product_id(0), SHARDS, actor=System(), expected_version=ANY_VERSION)
    stock = SoldStock(UNITS)

    def order(number: int) -> None:
        try:
            buyer = Buyer(goods.user_id(number))
            service.place_order(goods.order_of(0), actor=buyer, account=buyer, key=f"key-{number}")
        except InsufficientStockError:
            stock.check_sold_out()

    simulation.each(rate, lambda number: simulation.request(lambda: order(number)))
    with DATABASE.observed(stock.note):
        simulation.time.run(simulation.outcomes.end + REQUEST_SECONDS)
    stock.check_sum()


def orders(simulation: Simulation, rate: float) -> None:
    goods.stock_products(PRODUCTS)

    def live(number: int) -> None:
        requests = goods.lifecycle(_products(number), number)
        for _ in range(PIECES["orders"]):
            if not simulation.request(lambda: next(requests)):
                return
            simulation.time.sleep(PAUSE_SECONDS)

    simulation.each(rate, live)
    simulation.time.run(simulation.outcomes.end + 4 * REQUEST_SECONDS)


def audit(simulation: Simulation, rate: float) -> None:
    """An entry in a transaction, as that of each audited change."""

    def attempt(number: int) -> None:
        entry = audit_log.entry("product.updated", actor_id=f"manager-{number % 20}", address=None, target="product")
        with transaction() as write:
            write.save(entry)

    simulation.each(rate, lambda number: simulation.request(lambda: retrying(lambda: attempt(number))))
    simulation.time.run(simulation.outcomes.end + REQUEST_SECONDS)


# ---- consumers of events --------------------------------------------------------------------------------------------


def _products(number: int) -> tuple[int, int]:
    """Returns the two products of an order, spread over all of them."""
    first = number * 7919 % PRODUCTS
    return first, (first + 1 + number * 104729 % (PRODUCTS - 1)) % PRODUCTS


def _feed_events(simulation: Simulation, rate: float, send: Callable[[str], None], *, events: int = 4) -> None:
    """Sends the first events of orders at this rate of orders, each when it would occur."""
    for number, moment in enumerate(simulation.load.durations.arrivals(rate, simulation.outcomes.end)):
        bodies = goods.events_of(number, _products(number), number % USERS)
        for place, body in enumerate(bodies):
            if place < events:
                at = moment + place * PAUSE_SECONDS
                simulation.time.at(at, lambda body=body: send(body))  # type: ignore[misc]


def aggregator(simulation: Simulation, rate: float, mapping: Mapping) -> None:
    from aggregator.handler import lambda_handler

    goods.register_users(USERS)
    _feed_events(simulation, rate, QueueConsumer(simulation, mapping, lambda_handler).send)
    simulation.time.run(simulation.outcomes.end)


def feed(simulation: Simulation, rate: float, mapping: Mapping) -> None:
    from feeder.handler import lambda_handler

    _feed_events(simulation, rate, QueueConsumer(simulation, mapping, lambda_handler).send)
    simulation.time.run(simulation.outcomes.end)


def mail(simulation: Simulation, rate: float, mapping: Mapping) -> None:
    """Three mails: of the creation, the confirmation and the shipment."""
    from notifier.handler import lambda_handler

    goods.register_users(USERS)
    _feed_events(simulation, rate, QueueConsumer(simulation, mapping, lambda_handler).send, events=3)
    simulation.time.run(simulation.outcomes.end)


def bookkeeper(simulation: Simulation, rate: float, mapping: Mapping) -> None:
    from bookkeeper.handler import lambda_handler

    stream = StreamConsumer(simulation, mapping, lambda_handler, STREAM_SHARDS)
    versions: dict[int, int] = {}
    for number, moment in enumerate(simulation.load.durations.arrivals(rate, simulation.outcomes.end)):
        for record in goods.stock_records_of(versions, _products(number)):
            simulation.time.at(moment, lambda record=record: stream.send(record))  # type: ignore[misc]
    simulation.time.run(simulation.outcomes.end)


def dispatcher(simulation: Simulation, rate: float, mapping: Mapping) -> None:
    from dispatcher.handler import lambda_handler

    _subscribe()
    _feed_events(simulation, rate, QueueConsumer(simulation, mapping, lambda_handler).send)
    simulation.time.run(simulation.outcomes.end)


def sender(simulation: Simulation, rate: float, mapping: Mapping) -> None:
    """The four events of each order, delivered to one subscription."""
    from sender.handler import lambda_handler

    (subscription,) = _subscribe()
    consumer = QueueConsumer(simulation, mapping, lambda_handler, "delivery")

    def send(event: str) -> None:
        content = json.loads(event)
        with unlimited():
            created = deliveries.create(subscription, event_id=content["id"], event_type=content["type"], body=event)
        trigger = Trigger.of(created)
        consumer.send(json.dumps(trigger.message(clock.now()).content))

    _feed_events(simulation, rate, send)
    simulation.time.run(simulation.outcomes.end)


def webhooks(simulation: Simulation, rate: float, dispatching: Mapping, sending: Mapping) -> None:
    """The four events of each order, from the dispatcher's queue to the response of each subscription's server."""
    from dispatcher.handler import lambda_handler as dispatch
    from sender.handler import lambda_handler as send

    subscriptions = _subscribe(SUBSCRIPTIONS)
    simulation.outcomes.parts *= SUBSCRIPTIONS
    occurred: dict[str, float] = {}
    sender = QueueConsumer(
        simulation, sending, send, "delivery", begun=lambda _, trigger: occurred[json.loads(trigger)["delivery"]]
    )
    dispatcher = QueueConsumer(simulation, dispatching, dispatch, noted=False)
    simulation.send = sender.send

    def publish(event: str) -> None:
        event_id = json.loads(event)["id"]
        for subscription in subscriptions:
            occurred[deliveries.delivery_id(subscription.id, event_id)] = simulation.time.now
        dispatcher.send(event)

    _feed_events(simulation, rate, publish)
    simulation.time.run(simulation.outcomes.end)


def _subscribe(number: int = 1) -> list[Subscription]:
    """Stores that many subscriptions to all events of orders."""
    with unlimited():
        subscriptions = [new_subscription(index, "https://hooks.example/orders", START) for index in range(number)]
    for subscription in subscriptions:
        DATABASE.table("webhooks").put(subscription.serialize())
    return subscriptions


def expiry(simulation: Simulation, rate: float, mapping: Mapping) -> None:
    """The holds that end within one minute, and the message after it. Holds of the next minute are not served."""
    from sweeper.worker import lambda_handler

    number_of_holds = int(rate * SWEEP_SECONDS)
    goods.stock_products(PRODUCTS, reserved=10**6)
    for number in range(number_of_holds):
        ended = START - timedelta(seconds=SWEEP_SECONDS * (number_of_holds - number) / number_of_holds)
        DATABASE.table("orders").put(goods.held_order(number, _products(number), ended))

    def expired(change: Change) -> None:
        if change.table == "orders" and change.new and change.new.item["status"]["S"] == OrderStatus.EXPIRED:
            simulation.note(simulation.outcomes.warm, ok=True)

    simulation.outcomes.end = simulation.outcomes.warm + SWEEP_SECONDS
    consumer = QueueConsumer(simulation, mapping, lambda_handler)
    consumer.noted = False
    simulation.time.at(simulation.outcomes.warm, lambda: consumer.send(json.dumps({"shard": 0})))
    with DATABASE.observed(expired):
        simulation.time.run(simulation.outcomes.end)


RUNS: dict[str, Run] = {
    "hot-product": hot_product,
    "orders": orders,
    "aggregator": aggregator,
    "feed": feed,
    "bookkeeper": bookkeeper,
    "dispatcher": dispatcher,
    "sender": sender,
    "webhooks": webhooks,
    "mail": mail,
    "expiry": expiry,
    "audit": audit,
}
# The pieces of work of one unit of the rate: the requests or messages of a lifecycle.
PIECES = {
    "orders": 4,
    "aggregator": 4,
    "feed": 4,
    "bookkeeper": 4,
    "dispatcher": 4,
    "sender": 4,
    "webhooks": 4,
    "mail": 3,
}


def new_process() -> None:
    """Clears the caches that a process has from earlier requests."""
    service.OFFERS = OfferCache()
