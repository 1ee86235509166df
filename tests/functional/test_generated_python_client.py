"""The client that openapi-python-client generates reads every failure, also those of API Gateway itself."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.documented import OPERATIONS, resolved

DOCUMENT = Path(__file__).parents[2] / "functions/docs/openapi.json"
GENERATOR = Path(sys.executable).with_name("openapi-python-client")
PACKAGE = "oms_client_of_failures"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("generated")
    command = [GENERATOR, "generate", "--path", DOCUMENT, "--output-path", folder / PACKAGE, "--meta=none"]
    subprocess.run(command, check=True, capture_output=True)
    sys.path.insert(0, str(folder))
    yield importlib.import_module(PACKAGE)
    sys.path.remove(str(folder))
    for name in [it for it in sys.modules if it.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def answered(generated: Any, status: int, content: dict[str, Any], media_type: str) -> Iterator[Any]:
    """In this context, the client gets this answer to its calls."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=content, headers={"Content-Type": media_type})

    client = generated.AuthenticatedClient(
        "http://oms.test", "t", httpx_args={"transport": httpx.MockTransport(answer)}
    )
    models = importlib.import_module(f"{PACKAGE}.models")
    item = models.OrderItem(product_id="1", quantity=1)
    for tag, operation, fields in (
        ("orders", "list_orders", {}),
        ("orders", "create_order", {"body": models.CreateOrderRequest(items=[item])}),
        ("auth", "log_in", {"body": models.LoginRequest(email="ada@example.com", password="x")}),
        ("docs", "get_health", {}),
    ):
        api = importlib.import_module(f"{PACKAGE}.api.{tag}.{operation}")
        yield api.sync_detailed(client=client, **fields).parsed


@pytest.mark.parametrize("status", [413, 429, 431, 500, 503])
def test_the_gateways_own_answer_is_read(generated: Any, status: int) -> None:
    for parsed in answered(generated, status, {"message": "Too Many Requests"}, "application/json"):
        assert (type(parsed).__name__, parsed.message) == ("GatewayProblem", "Too Many Requests")


@pytest.mark.parametrize("status", [405, 429, 500, 503])
def test_a_problem_is_read(generated: Any, status: int) -> None:
    content = {
        "type": "/docs/errors#x",
        "title": "X",
        "status": status,
        "detail": "It is x.",
        "instance": "/api/v1/orders",
        "code": "x",
        "request_id": "r",
    }

    for parsed in answered(generated, status, content, "application/problem+json"):
        assert (type(parsed).__name__, parsed.code) == ("Problem", "x")


def test_a_refusal_has_one_schema_for_both_media_types() -> None:
    """Generators read the schema of one media type only, also if an answer has several."""
    for name, operation in OPERATIONS.items():
        for status, response in operation["responses"].items():
            content = resolved(response).get("content", {})
            if "application/problem+json" in content:
                schemas = [it["schema"] for it in content.values()]
                assert all(it == schemas[0] for it in schemas), f"{name} {status}"
