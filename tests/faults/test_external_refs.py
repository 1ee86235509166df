"""F8: importers that race send the same orders by their external references, and are cut off at random."""

import random
from collections import Counter
from typing import Any

import pytest

from tests.support.aws_calls import Call, intercepted
from tests.support.faults import Crash
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.service_keys import a_key
from tests.support.shop import Shop, new_process, orders_stored

ORDERS, IMPORTERS = 200, 8


class Race:
    """Importers that send all orders, each in an order of its own. Before and after each write another importer may
    send its next order, and a call may be the importer's last one before it begins again.
    """

    def __init__(self, shop: Shop, token: str, choices: random.Random) -> None:
        self.product = shop.product(ORDERS)
        self.token, self.choices = token, choices
        self.left = [choices.sample(range(ORDERS), ORDERS) for _ in range(IMPORTERS)]
        self.busy: set[int] = set()
        self.answers: Counter[int] = Counter()

    def run(self) -> None:
        with intercepted(self._interfere):
            while waiting := [number for number in range(IMPORTERS) if self.left[number]]:
                self._send_next(self.choices.choice(waiting))

    def _send_next(self, importer: int) -> None:
        number = self.left[importer][-1]
        self.busy.add(importer)
        try:
            answer = self._send(number)
        except Crash:
            new_process()
            return  # it sends the order again
        finally:
            self.busy.discard(importer)
        self.answers[answer.status] += 1
        if answer.status == 201:
            self.left[importer].pop()

    def _send(self, number: int) -> Any:
        body = {
            "items": [{"product_id": self.product, "quantity": 1}],
            "customer": {"email": f"buyer{number}@example.org"},
            "external_ref": {"channel": "market", "id": str(number)},
        }
        return call("POST", "/api/v1/orders", body, token=self.token)

    def _interfere(self, sent: Call) -> Any:
        if not sent.writes:
            return sent.send()
        self._switch()
        if self.choices.random() < 0.02:
            raise Crash
        answer = sent.send()
        if self.choices.random() < 0.02:
            raise Crash
        self._switch()
        return answer

    def _switch(self) -> None:
        waiting = [number for number in range(IMPORTERS) if self.left[number] and number not in self.busy]
        if waiting and self.choices.random() < 0.3:
            self._send_next(self.choices.choice(waiting))


@pytest.mark.parametrize("seed", [1])
def test_f08_racing_importers_make_each_order_once(
    customer: Person, manager: Person, no_sleep: list[float], seed: int
) -> None:
    shop = Shop(customer, manager)
    race = Race(shop, a_key("orders:create", rate_limit=100_000).text, random.Random(seed))

    race.run()

    stored = orders_stored()
    assert len(stored) == ORDERS
    assert {order.external_ref.id for order in stored} == {str(number) for number in range(ORDERS)}
    assert race.answers.keys() <= {201, 503}
    shop.check_stock()
