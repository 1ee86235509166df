"""The functions' handlers, and the defaults that they have in common."""

import re
from pathlib import Path

from benchmarks.cold import modules_of_functions
from oms.stock_ledger import check as stock_check
from sweeper import worker
from tests.support.recorder import FUNCTIONS
from tests.support.template import HTTP, Synthesized
from verifier import handler as verifier

ROOT = Path(__file__).parents[2]

HANDLERS = {
    "Auth": "auth.handler.lambda_handler",
    "Passwords": "auth.passwords.lambda_handler",
    "Inventory": "inventory.handler.lambda_handler",
    "Orders": "orders.handler.lambda_handler",
    "Admin": "admin.handler.lambda_handler",
    "Webhooks": "webhooks.handler.lambda_handler",
    "Reports": "reports.handler.lambda_handler",
    "Docs": "docs.handler.lambda_handler",
    "Publisher": "publisher.handler.lambda_handler",
    "Feeder": "feeder.handler.lambda_handler",
    "Dispatcher": "dispatcher.handler.lambda_handler",
    "Sender": "sender.handler.lambda_handler",
    "Replayer": "sweeper.replays.lambda_handler",
    "Aggregator": "aggregator.handler.lambda_handler",
    "Notifier": "notifier.handler.lambda_handler",
    "Sweeper": "sweeper.handler.lambda_handler",
    "Expiry": "sweeper.worker.lambda_handler",
    "Bookkeeper": "bookkeeper.handler.lambda_handler",
    "Finder": "finder.handler.lambda_handler",
    "Scheduler": "scheduler.handler.lambda_handler",
    "Verifier": "verifier.handler.lambda_handler",
    "Sealer": "sealer.handler.lambda_handler",
    "Exporter": "exporter.handler.lambda_handler",
    "Importer": "importer.handler.lambda_handler",
}


def test_the_handlers_are_the_contract(prod: Synthesized) -> None:
    assert {name: function["Handler"] for name, function in prod.functions().items()} == HANDLERS
    assert {name: f"{module}.lambda_handler" for module, name in FUNCTIONS.items()} == HANDLERS


def test_the_cold_start_of_every_function_is_measured() -> None:
    assert {f"{module}.lambda_handler" for module in modules_of_functions()} == set(HANDLERS.values())


def test_every_function_has_the_common_defaults(prod: Synthesized) -> None:
    layers = list(prod.all("AWS::Lambda::LayerVersion"))
    groups = prod.all("AWS::Logs::LogGroup")
    assert len(layers) == 2
    for function in prod.functions().values():
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["arm64"]
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert [layer["Ref"] for layer in function["Layers"]] == layers
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


def test_a_request_ends_by_its_own_limits_before_lambda_or_the_gateway_end_it(prod: Synthesized) -> None:
    """The code's own limits allow at most 28 s; the HTTP API ends a request after 30 s."""
    timeouts = {name: function["Timeout"] for name, function in prod.functions().items() if name in HTTP}

    assert set(timeouts) == HTTP
    assert all(28 < seconds < 30 for seconds in timeouts.values())


def test_the_expiry_worker_has_time_beyond_the_reserve_for_its_last_hold(prod: Synthesized) -> None:
    assert prod.functions()["Expiry"]["Timeout"] >= 2 * worker.RESERVE_SECONDS


def test_the_verifier_has_the_core_and_the_time_that_lambda_gives(prod: Synthesized) -> None:
    function = prod.functions()["Verifier"]

    assert (function["MemorySize"], function["Timeout"]) == (1769, 900)
    assert function["Timeout"] >= 2 * verifier.RESERVE_SECONDS
    assert stock_check._WORKER_LEASE.total_seconds() > function["Timeout"]


def test_passwords_get_a_full_core_and_can_be_capped(prod: Synthesized, local: Synthesized) -> None:
    assert prod.functions()["Passwords"]["MemorySize"] == 1769
    assert prod.functions()["Passwords"]["ReservedConcurrentExecutions"] == 20
    assert "ReservedConcurrentExecutions" not in local.functions()["Passwords"]


def test_the_architecture_names_each_function_with_its_code() -> None:
    """A row may name several functions. One whose code is not in its own folder's handler has its file there."""
    page = (ROOT / "docs/develop/architecture.md").read_text()
    rows = re.findall(r"^\| ([A-Z]\w+(?:, [A-Z]\w+)*) \| (.*?)\s*\| ", page, re.MULTILINE)
    documented = {name: cell for names, cell in rows for name in names.split(", ")}
    files = {name: f"functions/{handler.rpartition('.')[0].replace('.', '/')}.py" for name, handler in HANDLERS.items()}

    assert documented.keys() == files.keys()
    assert {name for name, file in files.items() if file != f"functions/{name.lower()}/handler.py"} == {
        name for name, file in files.items() if f"`{file}`" in documented[name]
    }
