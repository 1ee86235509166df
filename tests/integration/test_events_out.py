"""The events of an order, from the request to the last recipient."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

from local.system import LocalSystem
from tests.support.local_cloud.feed import about, follow, following, latest
from tests.support.local_cloud.mailbox import mails_to
from tests.support.local_cloud.queues import wait_until_at_rest
from tests.support.local_cloud.shop import CLIENTS, all_items, at_once, create_product, order_of, wait_until
from tests.support.local_cloud.subscriber import Subscriber, subscribed

ORDERS = "/api/v1/orders"
BURST = 200
# The queues that an event passes.
QUEUES = ("EventsFeed", "EventsMail", "EventsDispatch", "WebhooksDeliveries", "WebhooksSlowDeliveries")
PARCEL = {"carrier": "DHL", "tracking_number": "0034-7"}

type SignedIn = Callable[[str], httpx.Client]


def arrived(subscriber: Subscriber, order_id: str, count: int) -> list[dict[str, Any]]:
    return wait_until(lambda: subscriber.of(order_id), lambda it: len(it) >= count)


def test_a_subscriber_and_the_customer_learn_of_each_step_of_an_order(system: LocalSystem, signed_in: SignedIn) -> None:
    admin, manager, alice = signed_in("admin"), signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=10)
    with subscribed(admin, ["order.*"]) as subscriber:
        placed = alice.post(ORDERS, json=order_of((product, 2))).json()
        arrived(subscriber, placed["id"], 1)
        for count, (move, body) in enumerate((("confirm", None), ("ship", PARCEL), ("deliver", None)), 2):
            assert manager.post(f"{ORDERS}/{placed['id']}/{move}", json=body).status_code == 200
            arrived(subscriber, placed["id"], count)
        events = subscriber.of(placed["id"])

    assert subscriber.refused == []
    assert [(it["type"], it["sequence"], it["data"]["status"]) for it in events] == [
        ("order.created", 1, "pending"),
        ("order.confirmed", 2, "confirmed"),
        ("order.shipped", 3, "shipped"),
        ("order.delivered", 4, "delivered"),
    ]
    number = placed["number"]
    subjects = (
        f"We have your order {number}",
        f"Your order {number} is confirmed",
        f"Your order {number} is on its way",
    )
    mails = wait_until(
        lambda: [it["Subject"] for it in mails_to(system, "alice@demo.example") if number in it["Subject"]],
        lambda it: len(it) >= len(subjects),
    )
    assert Counter(mails) == dict.fromkeys(subjects, 1)


def dead_letters(system: LocalSystem) -> dict[str, int]:
    """Returns the number of messages of each dead-letter and poison queue that is not empty."""
    sqs = system.client("sqs")
    held = {}
    for url in sqs.list_queues()["QueueUrls"]:
        name = url.rpartition("/")[2]
        if "DeadLetters" in name or "Poison" in name:
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
            held[name] = int(attributes["Attributes"]["ApproximateNumberOfMessages"])
    assert held, "no queue was read"
    return {name: count for name, count in held.items() if count}


@pytest.mark.full
@pytest.mark.bulk
def test_f13_a_burst_of_hundreds_of_orders_reaches_every_recipient_once(
    system: LocalSystem, signed_in: SignedIn
) -> None:
    admin, manager, alice = signed_in("admin"), signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=BURST)
    before, held = latest(system), dead_letters(system)
    with subscribed(admin, ["order.*"]) as subscriber, following(manager, before, pause=1) as seen:
        place = partial(alice.post, ORDERS, json=order_of((product, 1)))
        answers = at_once([place] * BURST, clients=CLIENTS)
        assert {it.status_code for it in answers} == {201}
        orders = {it.json()["id"]: it.json()["number"] for it in answers}
        numbers = set(orders.values())

        wait_until(lambda: len(about(list(seen), *orders)), lambda it: it >= BURST)
        wait_until(lambda: len(about(list(subscriber.events), *orders)), lambda it: it >= BURST)
        wait_until(lambda: len(order_mails(system, numbers)), lambda it: it >= BURST, pause=1)
        wait_until_at_rest(system, *QUEUES)  # duplicates would have arrived
        deliveries = all_items(manager, f"{subscriber.path}/deliveries")

    once = dict.fromkeys(((order, "order.created") for order in orders), 1)
    counts = Counter((it["data"]["id"], it["type"]) for it in about(seen, *orders))
    assert counts == once, "the feed, as a reader followed it"
    assert follow(manager, before)[: len(seen)] == seen, "the stored feed is the one that was followed"
    heard = Counter((it["data"]["id"], it["type"]) for it in about(subscriber.events, *orders))
    assert heard == once, "the webhook"
    assert subscriber.refused == []
    assert Counter(it["status"] for it in deliveries) == {"delivered": len(subscriber.events)}
    assert Counter(order_mails(system, numbers)) == dict.fromkeys((f"We have your order {it}" for it in numbers), 1)
    assert dead_letters(system) == held, "no message failed permanently"


def order_mails(system: LocalSystem, numbers: set[str]) -> list[str]:
    """Returns the subjects of Alice's mails about these orders."""
    subjects = [str(it["Subject"]) for it in mails_to(system, "alice@demo.example")]
    return [it for it in subjects if numbers & set(it.split())]
