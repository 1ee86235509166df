"""F13, F14: with lost, repeated or reordered events, the count of a customer's open orders ends at their number."""

from collections.abc import Callable
from itertools import batched
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oms.core import clock
from oms.core.dynamodb import get_item, put_item, update_item
from oms.events.streams import Change
from oms.identity import mailed_tokens, passwords
from oms.identity.models import ADMINS_KEY, Admins, User, user_key
from oms.publishing import registry
from oms.reports import aggregation
from oms.reports.models import AppliedContribution
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.examples import examples
from tests.support.faults import Reason, cancelled, conflicted, crashes, failing, lose_answer, refuse
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.open_order_counts import (
    QueuedEvent,
    aggregate,
    counted,
    forget,
    open_now,
    order_events,
    set_count,
    user_of,
)
from tests.support.shop import Shop, orders_stored
from tests.support.streams import streamed

# Without an answer: twice a connection and a read.
LONGEST_CALL = 6

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

# The moves of a few orders, the last of them still open.
WAYS: tuple[tuple[str, ...], ...] = (
    ("confirm", "ship", "deliver", "return"),
    ("confirm", "cancel"),
    ("cancel",),
    ("confirm", "ship"),
    ("confirm",),
    (),
)


@pytest.fixture
def other(person: Callable[..., Person]) -> Person:
    return person("customer")


@pytest.fixture
def events(shop: Shop, other: Person) -> list[QueuedEvent]:
    """The events of the orders of two customers, oldest first."""
    product = shop.product(100)
    with streamed("orders") as records:
        for buyer in (shop.customer, other):
            for way in WAYS:
                path = f"/api/v1/orders/{shop.buy({product: 1}, by=buyer).json['id']}"
                for move in way:
                    assert shop.move(path, move).status == 200
    return order_events(records)


def test_the_count_is_of_pending_and_confirmed_orders(shop: Shop, events: list[QueuedEvent]) -> None:
    assert aggregate(events) == []

    assert counted(shop.customer) == open_now(shop.customer) == 2


def test_it_follows_an_order_step_by_step(shop: Shop) -> None:
    product = shop.product(100)
    counts = []
    with streamed("orders") as records:
        path = f"/api/v1/orders/{shop.buy({product: 1}).json['id']}"
        for move in ("confirm", "ship", "deliver", "return"):
            shop.move(path, move)

    for event in order_events(records):
        aggregate([event])
        counts.append(counted(shop.customer))

    assert counts == [1, 1, 0, 0, 0]


def test_an_event_costs_a_read_and_a_write(shop: Shop) -> None:
    with streamed("orders") as records:
        path = f"/api/v1/orders/{shop.buy({shop.product(1): 1}).json['id']}"
        for move in ("confirm", "ship", "deliver"):
            shop.move(path, move)
    events = order_events(records)
    made = []
    for event in (*events, events[0]):
        with intercepted() as calls:
            aggregate([event])
        made.append([it.operation for it in calls])

    assert made == [["BatchGetItem", "TransactWriteItems"]] * 4 + [["BatchGetItem"]]


@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_f14_doubled_reordered_and_late_events_give_the_same_count(
    shop: Shop, other: Person, events: list[QueuedEvent], data: st.DataObject
) -> None:
    forget(shop.customer, other)
    again = data.draw(st.lists(st.sampled_from(events), max_size=len(events)), label="doubled")
    arriving = data.draw(st.permutations(events + again), label="arriving")
    size = data.draw(st.integers(1, 10), label="batch size")

    for batch in batched(arriving, size, strict=False):
        assert aggregate(batch) == []

    assert (counted(shop.customer), counted(other)) == (open_now(shop.customer), open_now(other)) == (2, 2)


def test_f13_a_crash_anywhere_and_the_message_again_count_once(shop: Shop) -> None:
    product, buyer = shop.product(1000), shop.manager  # whom no limit refuses

    def begin(*moves: str) -> Callable[[], QueuedEvent]:
        def make() -> QueuedEvent:
            with streamed("orders") as records:
                path = f"/api/v1/orders/{shop.buy({product: 1}, by=buyer).json['id']}"
                for move in moves:
                    shop.move(path, move)
            *earlier, latest = order_events(records)
            if earlier:
                aggregate(earlier)
            return latest

        return make

    points = 0
    for moves in ((), ("confirm",), ("cancel",)):
        for name, event in crashes(begin(*moves), lambda it: aggregate([it])):
            points += 1
            aggregate([event])
            aggregate([event])
            assert counted(buyer) == open_now(buyer), name
        # The run that made all its calls ended without a crash.
        assert counted(buyer) == open_now(buyer)
    assert points == 12


@pytest.fixture
def placed(shop: Shop) -> QueuedEvent:
    with streamed("orders") as records:
        shop.buy({shop.product(1): 1})
    (event,) = order_events(records)
    return event


@pytest.mark.parametrize("failure", [conflicted, failing("ThrottlingException")])
def test_conflicts_with_other_writes_of_the_user_pass(
    shop: Shop, placed: QueuedEvent, no_sleep: list[float], failure: Callable[[Call], Exception]
) -> None:
    with intercepted(refuse("TransactWriteItems", failure, times=3)):
        assert aggregate([placed]) == []

    assert (counted(shop.customer), len(no_sleep)) == (1, 3)


def test_a_lost_answer_is_no_second_count(shop: Shop, placed: QueuedEvent, no_sleep: list[float]) -> None:
    with intercepted(lose_answer("TransactWriteItems")):
        assert aggregate([placed]) == []

    assert (counted(shop.customer), len(no_sleep)) == (1, 1)


def test_f16_a_message_that_cannot_be_counted_now_or_ever_is_returned_alone(
    shop: Shop, events: list[QueuedEvent], no_sleep: list[float]
) -> None:
    stubborn = events[0]["data"]["id"]

    def refuse_one(made: Call) -> Any:
        if made.operation == "TransactWriteItems" and stubborn in str(made.parameters):
            raise conflicted(made)
        return made.send()

    with intercepted(refuse_one):
        back = aggregate(["no event", *events, {"data": {}}])

    of_the_order = [str(place) for place, it in enumerate(events, 1) if it["data"]["id"] == stubborn]
    assert sorted(back, key=int) == ["0", *of_the_order, str(len(events) + 1)]
    assert counted(shop.customer) == open_now(shop.customer), "the failing order is no longer open"


def test_a_message_that_is_not_begun_in_time_is_returned(
    monkeypatch: pytest.MonkeyPatch, events: list[QueuedEvent], no_sleep: list[float]
) -> None:
    """If each transaction of several orders is refused, each event needs its own calls."""
    passed = 0.0

    def plan(made: Call) -> Any:
        nonlocal passed
        passed += LONGEST_CALL
        if made.operation == "TransactWriteItems" and sum("Put" in it for it in made.parameters["TransactItems"]) > 1:
            raise failing("ValidationException")(made)
        return made.send()

    monkeypatch.setattr(clock, "monotonic", lambda: passed)
    with intercepted(plan):
        back = aggregate(events)

    assert 0 < len(back) < len(events)
    assert passed <= aggregation.START_DEADLINE_SECONDS + LONGEST_CALL


def test_another_batch_with_the_same_order_makes_it_look_again(shop: Shop, no_sleep: list[float]) -> None:
    with streamed("orders") as records:
        path = f"/api/v1/orders/{shop.buy({shop.product(1): 1}).json['id']}"
        shop.move(path, "cancel")
    placed, ended = order_events(records)
    waiting = [ended]

    def plan(made: Call) -> Any:
        if made.operation == "TransactWriteItems" and waiting:
            aggregate([waiting.pop()])
        return made.send()

    with intercepted(plan):
        aggregate([placed])

    assert counted(shop.customer) == open_now(shop.customer) == 0


def test_an_order_of_a_missing_user_is_finished(shop: Shop, placed: QueuedEvent) -> None:
    user = user_of(shop.customer)
    table("identity").delete(user.pk, user.sk)

    assert aggregate([placed, placed]) == []

    assert user_of(shop.customer) is None, "counting creates no user"
    (order,) = orders_stored()
    applied = get_item(AppliedContribution, AppliedContribution.key(f"order#{order.id}", 0))
    assert applied
    assert applied.version == 1


def test_a_count_is_no_change_of_the_user(shop: Shop, placed: QueuedEvent) -> None:
    before = user_of(shop.customer).serialize()

    with streamed("identity") as records:
        aggregate([placed])

    after = user_of(shop.customer).serialize()
    assert after == before | {"open_orders": {"N": "1"}}
    assert len(records) == 1
    assert registry.events_from_change(Change.of(records[0])) == [], "the stream of the users publishes nothing"


# ---- the other side: requests that change users ---------------------------------------------------------------------


@pytest.fixture
def admin(person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch) -> Person:
    monkeypatch.setattr(passwords, "COST", 4)
    put_item(Admins(*ADMINS_KEY, n=1))
    return person("admin")


PASSWORD = "correct horse battery"


def mailed(who: Person, purpose: str) -> str:
    stored, token = mailed_tokens.mint(user_of(who), purpose)
    put_item(stored)
    return str(token)


CHANGES: dict[str, Callable[[Person, Person], Any]] = {
    "names": lambda who, _: call("PATCH", "/api/v1/auth/me", {"first_name": "Bo"}, token=who.token),
    "role": lambda who, admin: call(
        "PATCH", f"/api/v1/admin/users/{who.id}/role", {"role": "admin"}, token=admin.token
    ),
    "status": lambda who, admin: call(
        "PATCH", f"/api/v1/admin/users/{who.id}/status", {"status": "disabled"}, token=admin.token
    ),
    "unlock": lambda who, admin: call("POST", f"/api/v1/admin/users/{who.id}/unlock", token=admin.token),
    "reset": lambda who, _: call(
        "POST", "/api/v1/auth/password/reset", {"token": mailed(who, "reset"), "new_password": PASSWORD}
    ),
    "verify": lambda who, _: call("POST", "/api/v1/auth/email/verify", {"token": mailed(who, "verify")}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_user_that_meets_the_count_is_still_made_and_keeps_it(
    person: Callable[..., Person], admin: Person, no_sleep: list[float], change: str
) -> None:
    customer = person("customer", email_verified=False)
    set_count(customer, 3)
    # Otherwise there is nothing to verify.
    update_item(User(*user_key(customer.id)), [User.email_verified.set(False)])
    met = conflicts_on(customer, times=2)

    with intercepted(met) as calls:
        answer = CHANGES[change](customer, admin)

    assert answer.status in (200, 204), answer.text
    assert len(no_sleep) == 2, [it.operation for it in calls]
    assert counted(customer) == 3


def conflicts_on(who: Person, *, times: int) -> Callable[[Call], Any]:
    """Lets the first writes of this user's item conflict with the aggregator's transaction."""
    met = 0

    def plan(made: Call) -> Any:
        nonlocal met
        places = [place for place, key in enumerate(_keys_written(made)) if key == f"user#{who.id}/user"]
        if places and met < times:
            met += 1
            if made.operation != "TransactWriteItems":
                raise conflicted(made)
            reasons = [Reason() for _ in made.parameters["TransactItems"]]
            reasons[places[0]] = Reason("TransactionConflict")
            raise cancelled(reasons)
        return made.send()

    return plan


def _keys_written(made: Call) -> list[str]:
    """Yields `pk/sk` of each item that a call writes; no key for an item of a table with other keys."""
    if not made.writes:
        return []
    writes = [it for write in made.parameters.get("TransactItems", []) for it in write.values()] or [made.parameters]
    keys = [it.get("Key") or it.get("Item") or {} for it in writes]
    return ["/".join(key[name]["S"] for name in ("pk", "sk") if name in key) for key in keys]
