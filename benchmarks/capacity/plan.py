"""The plan of the simulations: the parts of the system, their variants and rates. Pure data, without the real code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

AS_DEPLOYED = "as deployed"


@dataclass(frozen=True)
class Variant:
    """A part with changed settings of the functions' environment.

    `concurrency` is that of each event source, instead of the template's. `constants` are constants of the code that no
    setting changes, to try a change before it is made.
    """

    name: str
    rates: Sequence[float]
    settings: Mapping[str, str] = field(default_factory=dict)
    concurrency: Sequence[int] = ()
    constants: Mapping[str, int] = field(default_factory=dict)


type Source = tuple[str, str]
"""An event source mapping of the template: the function, and the logical id of the source, without its hash."""


@dataclass(frozen=True)
class Part:
    """A part of the system. `unit` is what its rates count; `sources` are those of its functions, in their order.

    `work` is about the number of units that one point simulates, within `seconds` of simulated time and MAX_SECONDS.
    """

    name: str
    title: str
    unit: str
    variants: Sequence[Variant]
    sources: Sequence[Source] = ()
    work: int = 1000
    seconds: float = 3.0


def _shards(number: int, rates: Sequence[float], *, order_shards: int = 1, units: int = 0) -> Variant:
    """Returns a variant of the hot product with several shards; `units` is its stock, if that is to run out.

    The quotas of the tables are raised, since orders of a product that is short read all its shards. All requests end
    soon, so a second of load after the measured time is enough.
    """
    name = f"{number} shards"
    constants = {
        "benchmarks.capacity.parts.SHARDS": number,
        "benchmarks.capacity.limits.TABLE_UNITS": 200_000,
        "benchmarks.capacity.simulation.TAIL_SECONDS": 1,
    }
    if order_shards > 1:
        name += f", order_shards {order_shards}"
    if units:
        name += f", {units:,} units"
        constants["benchmarks.capacity.parts.UNITS"] = units
    return Variant(name, rates, {"OMS_ORDER_SHARDS": str(order_shards)}, constants=constants)


LIFECYCLES = "lifecycles"


def _consumer(
    name: str, title: str, source: Source, variants: Sequence[Variant], *, work: int = 800, seconds: float = 5.0
) -> Part:
    """Returns a part that consumes the events or changes of orders."""
    return Part(name, title, LIFECYCLES, variants, [source], work, seconds)


def _partitions(number: int, rates: Sequence[float]) -> Variant:
    """Returns a variant whose table has that many partitions, and so its stream as many shards."""
    name = f"{number} partitions of the table"
    return Variant(name, rates, constants={"benchmarks.capacity.parts.STREAM_SHARDS": number})


DELIVERY_SHARDS = {"OMS_DELIVERY_SHARDS": "32"}
# The settings that docs/operate/capacity.md names for 1,000 orders a second: those of the dispatcher, and the sender's.
WEBHOOKS_CONCURRENCY = (100, 1000)


def _webhooks(subscriptions: int, rates: Sequence[float]) -> Variant:
    constants = {"benchmarks.capacity.parts.SUBSCRIPTIONS": subscriptions}
    name = "dispatch_concurrency 100, delivery_concurrency 1000, delivery_shards 32"
    if subscriptions > 1:
        name = f"the same, {subscriptions} webhooks"
    return Variant(name, rates, DELIVERY_SHARDS, WEBHOOKS_CONCURRENCY, constants)


# The longest simulated time of one point, beside the warm-up.
MAX_SECONDS = 30.0
PARTS = (
    Part(
        "hot-product",
        "One product",
        "orders of one product",
        [
            Variant(AS_DEPLOYED, (10, 25, 50, 75, 100, 200)),
            _shards(10, (200, 400, 600)),
            _shards(64, (1000, 2500), order_shards=8),
            _shards(256, (10_000,), order_shards=32),
            _shards(32, (1250,), order_shards=8, units=2000),
        ],
        work=1500,
        seconds=1,
    ),
    Part(
        "orders",
        "Requests of orders, over 2,000 products",
        LIFECYCLES,
        [
            Variant(AS_DEPLOYED, (100, 200, 250, 300)),
            Variant("order_shards 8", (400, 1000), {"OMS_ORDER_SHARDS": "8"}),
        ],
        work=1000,
    ),
    _consumer(
        "aggregator",
        "Sums of the reports",
        ("Aggregator", "EventsAggregates"),
        [
            Variant(AS_DEPLOYED, (50, 100, 150, 200, 250, 300)),
            Variant("aggregate_concurrency 20", (400, 800, 1000, 1200, 1400), concurrency=(20,)),
        ],
    ),
    _consumer(
        "feed",
        "Event feed",
        ("Feeder", "EventsFeed"),
        [
            Variant(AS_DEPLOYED, (50, 100, 150, 200, 300)),
            Variant("feed_concurrency 24", (250, 500, 1000, 1250), concurrency=(24,)),
        ],
    ),
    _consumer(
        "bookkeeper",
        "Stock ledger",
        ("Bookkeeper", "DataInventory"),
        [
            Variant(AS_DEPLOYED, (50, 100, 200, 400, 500)),
            _partitions(8, (400, 800, 1000)),
            _partitions(16, (800, 1000, 1200, 1400)),
        ],
        seconds=8,
    ),
    _consumer(
        "dispatcher",
        "Deliveries of webhooks, created",
        ("Dispatcher", "EventsDispatch"),
        [
            Variant(AS_DEPLOYED, (10, 20, 40, 80, 120)),
            Variant("dispatch_concurrency 200", (40, 80, 160, 320), concurrency=(200,)),
            Variant("dispatch_concurrency 100, delivery_shards 32", (320, 1000), DELIVERY_SHARDS, (100,)),
        ],
    ),
    _consumer(
        "sender",
        "Deliveries of webhooks, sent",
        ("Sender", "WebhooksDeliveries"),
        [
            Variant(AS_DEPLOYED, (5, 10, 20, 30, 50)),
            Variant("delivery_concurrency 1000", (25, 50, 100, 200), concurrency=(1000,)),
            Variant("the same, delivery_shards 32", (200, 500, 1000), DELIVERY_SHARDS, (1000,)),
        ],
        work=400,
    ),
    Part(
        "webhooks",
        "Webhooks, from the event to the subscriber",
        LIFECYCLES,
        [Variant(AS_DEPLOYED, (5, 10, 20, 30)), _webhooks(1, (200, 500, 1000)), _webhooks(10, (25, 50, 100, 200))],
        sources=[("Dispatcher", "EventsDispatch"), ("Sender", "WebhooksDeliveries")],
        work=200,
        seconds=3,
    ),
    _consumer(
        "mail",
        "Mails of orders",
        ("Notifier", "EventsMail"),
        [
            Variant(AS_DEPLOYED, (2, 3, 4, 5, 8, 12)),
            Variant("mail_concurrency 700", (100, 300, 1000), concurrency=(700,)),
        ],
        work=300,
        seconds=3,
    ),
    Part(
        "expiry",
        "Expiry of holds",
        "holds",
        [
            Variant(AS_DEPLOYED, (10, 25, 40, 60, 100)),
        ],
        sources=[("Expiry", "ExpiryQueue")],
        work=1,
    ),
    Part("audit", "Audit log", "entries", [Variant(AS_DEPLOYED, (100, 250, 400, 500, 600, 1000))], work=2500),
)
