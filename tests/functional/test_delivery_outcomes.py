"""The outcomes of delivery attempts, counted by day."""

from datetime import timedelta
from typing import Any

import pytest

from oms.core.dynamodb import get_item, update_item
from oms.webhooks.models import DayOfAttempts, Subscription
from tests.support.aws_calls import Call, intercepted
from tests.support.faults import failing, lose_answer
from tests.support.webhook_simulation import (
    QUICK,
    WebhookSimulation,
    answering,
    begun,
    delivery_of,
    one_attempt,
    silent,
)

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

NONE = dict.fromkeys(("delivered", "retried", "failed", "paused"), 0)


def counted(simulation: WebhookSimulation, *, days_ago: int = 0) -> dict[str, int]:
    day = (simulation.now.date() - timedelta(days=days_ago)).isoformat()
    found = get_item(DayOfAttempts, DayOfAttempts.key(day))
    return {name: getattr(found, name) for name in NONE} if found else NONE


def test_each_attempt_is_counted_by_its_outcome(simulation: WebhookSimulation) -> None:
    begun(simulation, answering(500), answering(200))
    begun(simulation, answering(410))
    paused = begun(simulation)
    update_item(paused, [Subscription.status.set("paused")])

    simulation.run(simulation.now + timedelta(minutes=10))

    assert counted(simulation) == {"delivered": 1, "retried": 1, "failed": 1, "paused": 1}


def test_a_trigger_that_comes_late_twice_or_early_counts_nothing(simulation: WebhookSimulation) -> None:
    begun(simulation, answering(200))
    (trigger,) = simulation.messages()
    one_attempt(simulation)

    simulation.handle(QUICK, trigger, trigger | {"due_at": trigger["due_at"] + 60_000})

    assert counted(simulation) == NONE | {"delivered": 1}


def test_it_is_the_utc_day_of_the_attempt_that_counts(simulation: WebhookSimulation) -> None:
    simulation.now = simulation.now.replace(hour=23, minute=59, second=58)
    begun(simulation, silent, answering(200))

    simulation.run(simulation.now + timedelta(minutes=10))

    assert counted(simulation, days_ago=1) == NONE | {"retried": 1}
    assert counted(simulation) == NONE | {"delivered": 1}
    assert counted(simulation, days_ago=2) == NONE


def is_the_count(call: Call) -> bool:
    return call.operation == "UpdateItem" and call.parameters["Key"]["pk"] == {"S": "outcomes"}


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "AccessDeniedException"])
def test_an_attempt_that_cannot_be_counted_is_still_done(simulation: WebhookSimulation, code: str) -> None:
    subscription = begun(simulation, answering(200))

    def refuse_the_count(call: Call) -> Any:
        if is_the_count(call):
            raise failing(code)(call)
        return call.send()

    with intercepted(refuse_the_count) as calls:
        one_attempt(simulation)

    assert sum(map(is_the_count, calls)) == 1, "a statistic is not retried"
    assert delivery_of(subscription).status == "delivered"
    assert counted(simulation) == NONE


@pytest.mark.parametrize("answered", range(3))
def test_an_attempt_counts_once_after_any_lost_answer(simulation: WebhookSimulation, answered: int) -> None:
    begun(simulation, answering(200))

    with intercepted(lose_answer("UpdateItem", after=answered)) as calls:
        one_attempt(simulation)

    assert [it.operation for it in calls].count("UpdateItem") > answered

    assert counted(simulation) == NONE | {"delivered": 1}
