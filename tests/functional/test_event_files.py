"""The files about events: `make events` writes them with this test, from the models and from published events."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from local import events
from oms.core import clock
from oms.core.dynamodb import get_item, update_item
from oms.events.envelope import Event
from oms.events.types import EVENT_TYPES
from oms.exports import service as exports
from oms.exports.models import Export
from oms.exports.schemas import CreateExportRequest
from oms.identity import passwords
from oms.publishing.registry import PAYLOADS
from oms.webhooks import events as webhook_events
from oms.webhooks.models import Subscription
from tests.support.event_bus import published
from tests.support.gateway import call
from tests.support.invocation import Answer, Person
from tests.support.shop import Shop
from tests.support.streams import streamed

PASSWORD = "correct horse battery"
PRODUCT = {
    "sku": "COF-ESP-1000",
    "name": "Espresso Beans Monte Chiaro, 1 kg",
    "description": "Dark roast, with chocolate and hazelnut.",
    "category": "Coffee",
    "price": "24.90",
    "low_stock_threshold": 5,
    "attributes": {"origin": "Brazil, India", "roast": "dark"},
}
ADDRESS = {
    "name": "Alice Moreau",
    "line1": "12 Harbour Street",
    "city": "Bremen",
    "postal_code": "28195",
    "country": "DE",
}


class Story:
    """A day in a shop, with the same times and ids in each run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
        monkeypatch.setattr(clock, "now", lambda: self._now)
        monkeypatch.setattr(clock.secrets, "choice", random.Random(1).choice)
        monkeypatch.setattr(passwords, "COST", 4)

    def run(self, shop: Shop, admin: Person) -> list[Any]:
        """Runs the day, and returns its events."""
        with streamed("orders", "inventory", "identity", "webhooks", "reports") as records:
            self._sell(shop)
            self._keep_accounts(admin)
            test = self._end_a_webhook(admin)
            self._export(shop.manager)
        return [*published(records), test]

    def _sell(self, shop: Shop) -> None:
        product = self._done(shop.manage("POST", "products", PRODUCT | {"stock": 20}))["id"]
        order = self._buy(shop, product, 2)
        self._moved(shop, order, "confirm", {})
        parcel = {
            "carrier": "DHL",
            "tracking_number": "JD014600003RU",
            "tracking_url": "https://www.dhl.de/JD014600003RU",
        }
        self._moved(shop, order, "ship", parcel)
        self._moved(shop, order, "deliver", {})
        self._moved(shop, order, "return", {"reason": "The bag was open"})
        adjustment = {"adjustment": -4, "reason": "Damp"}
        self._done(shop.manage("PATCH", f"products/{product}/stock", adjustment))
        order = self._buy(shop, product, 12)
        edit = {"metadata": {"cart_id": "c-7781"}, "tags": ["wholesale"]}
        self._done(call("PATCH", f"/api/v1/orders/{order}", edit, token=shop.manager.token))
        self._moved(shop, order, "cancel", {"reason": "Ordered twice"})
        self._buy(shop, product, 16)
        self._pass(minutes=31)
        shop.sweep()
        for status in ("active", "archived"):
            edited = PRODUCT | {"price": "26.50", "status": status}
            self._done(shop.manage("PUT", f"products/{product}", edited))

    def _keep_accounts(self, admin: Person) -> None:
        account = {"email": "alice@example.com", "password": PASSWORD, "first_name": "Alice"}
        user = self._done(call("POST", "/api/v1/auth/register", account))["id"]
        for name, value in (("role", "manager"), ("status", "disabled")):
            self._done(call("PATCH", f"/api/v1/admin/users/{user}/{name}", {name: value}, token=admin.token))
        wrong = {"email": account["email"], "password": "wrong"}
        for number in range(5):
            assert call("POST", "/api/v1/auth/login", wrong, address=f"203.0.113.{number}").status == 401

    def _end_a_webhook(self, admin: Person) -> Any:
        """Publishes the event of the test route, and disables the subscription, as the sender does."""
        wanted = {"url": "https://hooks.example/orders", "events": ["order.*", "stock.low"], "description": "Warehouse"}
        made = self._done(call("POST", "/api/v1/webhooks", wanted, token=admin.token))
        webhook = get_item(Subscription, Subscription.key(made["id"]))
        assert webhook
        test = webhook_events.new_test(webhook, by=admin)
        failing_since = clock.timestamp(clock.now())
        self._pass(days=5)
        it = Subscription
        ending = {"status": "disabled", "disabled_reason": "failing", "failing_since": failing_since, "version": 2}
        ending |= {"updated_at": clock.timestamp(clock.now()), "updated_by": "system", "updated_by_role": "system"}
        update_item(webhook, [getattr(it, name).set(value) for name, value in ending.items()])
        return json.loads(test.text())

    def _export(self, manager: Person) -> None:
        """Stores the result of an export, as the exporter does."""
        wanted = CreateExportRequest.model_validate({"report": "orders", "from": "2026-01-01", "to": "2026-01-31"})
        export = exports.create_export(wanted, by=manager, address="198.51.100.1").value
        self._pass(minutes=1)
        done = {"status": "done", "version": 4, "rows": 3, "progress": 100, "size": 512, "ended": True}
        done |= {"sha256": sha256(b"").hexdigest(), "finished_at": clock.timestamp(clock.now())}
        update_item(export, [getattr(Export, name).set(value) for name, value in done.items()])

    def _buy(self, shop: Shop, product: str, quantity: int) -> str:
        body = {"items": [{"product_id": product, "quantity": quantity}], "shipping_cost": "4.90"}
        more = {"shipping_address": ADDRESS, "note": "Please ring twice"}
        return str(self._done(shop.post("/api/v1/orders", body | more))["id"])

    def _moved(self, shop: Shop, order: str, name: str, body: Any) -> None:
        self._done(shop.post(f"/api/v1/orders/{order}/{name}", body, by=shop.manager))

    def _done(self, answer: Answer) -> Any:
        assert answer.status < 300, answer.text
        self._pass(minutes=1)
        return answer.json

    def _pass(self, **time: int) -> None:
        self._now += timedelta(**time)


@pytest.fixture
def story(webhooks: None, names: Any, monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(monkeypatch)


@pytest.fixture
def samples(story: Story, person: Callable[..., Person]) -> dict[str, Any]:
    """Returns the first event of each type."""
    shop, admin = Shop(person("customer"), person("manager")), person("admin")
    return {it["type"]: it for it in reversed(story.run(shop, admin))}


def test_the_files_are_generated_from_the_models_and_the_system(
    samples: dict[str, Any], pytestconfig: pytest.Config
) -> None:
    if pytestconfig.getoption("--write-events"):
        events.write(samples)

    assert samples.keys() == EVENT_TYPES.keys()
    assert events.committed() == events.files(samples), "stale: run `make events` and commit the files"


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_a_sample_is_its_model_to_the_letter(name: str) -> None:
    sample = json.loads((events.FOLDER / f"{name}.sample.json").read_text())
    model = Event[PAYLOADS[name]]  # type: ignore[name-defined]

    assert json.loads(model.model_validate_json(json.dumps(sample)).text()) == sample


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_a_schema_names_every_field_of_its_sample_and_requires_it(name: str) -> None:
    sample, schema = (json.loads((events.FOLDER / f"{name}.{kind}.json").read_text()) for kind in ("sample", "schema"))
    data = schema["$defs"][schema["properties"]["data"]["$ref"].rpartition("/")[2]]

    assert list(sample) == schema["required"]
    assert list(sample["data"]) == data["required"] == list(data["properties"])
    assert (schema["title"], schema["properties"]["type"]["const"]) == (name, name)
