"""The smoke test of a stage: it reports each failure, and always cleans up what it created."""

import json
from types import SimpleNamespace
from typing import Any, cast

import jwt
import pytest
import urllib3
from cryptography.hazmat.primitives.asymmetric import ec

from oms.commands.smoke import Client, SmokeError, run, try_stage
from oms.core import settings

PRODUCT = "/api/v1/inventory/products/41"


class Api:
    """One product and its order. `broken` are requests that are answered by a 500, as `POST /api/v1/orders`."""

    def __init__(self, *broken: str, role: str = "admin", movements: int = 2) -> None:
        self.broken, self.role, self.movements = broken, role, movements
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.published = self.key
        self.called: list[str] = []
        self.available = 1
        self.one_order = True

    def request(self, method: str, url: str, *, body: str | None, **_: Any) -> Any:
        path = url.removeprefix("https://api.example")
        self.called.append(f"{method} {path}")
        if f"{method} {path}" in self.broken:
            return SimpleNamespace(status=500, data=b'{"code":"internal-error"}')
        status, answer = self._answer(method, path, json.loads(body) if body else None)
        return SimpleNamespace(status=status, data=json.dumps(answer).encode() if answer is not None else b"")

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        match f"{method} {path}":
            case "GET /health":
                return 200, {"status": "ok", "version": "1.2.3"}
            case "GET /.well-known/jwks.json":
                public = jwt.algorithms.ECAlgorithm.to_jwk(self.published.public_key(), as_dict=True)
                return 200, {"keys": [{**public, "kid": "k", "alg": "ES256"}] if self.published else []}
            case "POST /api/v1/auth/login":
                return 200, {"access_token": jwt.encode({"aud": "oms-api"}, self.key, "ES256", {"kid": "k"})}
            case "GET /api/v1/auth/me":
                return 200, {"role": self.role}
            case "POST /api/v1/inventory/products":
                return 201, {"id": "41", **body}
            case "POST /api/v1/orders":
                self.available = 0
                return 201, {"id": "A" if self.one_order else str(len(self.called))}
            case "POST /api/v1/orders/A/cancel":
                self.available = 1
                return 200, {}
            case _ if path == PRODUCT:
                return 200, {"available": self.available, "reserved": 1 - self.available}
            case _ if path == f"{PRODUCT}/movements":
                return 200, {"items": [{}] * self.movements}
        return 204, None


def attempt(api: Api) -> tuple[list[str], list[float]]:
    """Returns the printed lines, and the waits in seconds."""
    said: list[str] = []
    waits: list[float] = []
    client = Client("https://api.example", said.append, pool=cast(urllib3.PoolManager, api))
    try:
        run(client, email="ada@example.com", password="three quiet lighthouses", sleep=waits.append)
    except SmokeError as error:
        said.append(f"failed: {error}")
    return said, waits


def test_a_stage_that_works_is_left_without_an_open_order_a_product_on_sale_or_a_session() -> None:
    api = Api()

    said, _ = attempt(api)

    assert all(line.startswith("ok ") for line in said)
    assert api.called[-4:] == [
        "POST /api/v1/orders/A/cancel",
        f"GET {PRODUCT}",
        f"PUT {PRODUCT}",
        "POST /api/v1/auth/logout",
    ]


@pytest.mark.parametrize(
    ("broken", "step", "cleaned"),
    [
        ("GET /health", "health", []),
        ("GET /.well-known/jwks.json", "public keys", []),
        ("POST /api/v1/auth/login", "sign-in", []),
        ("POST /api/v1/inventory/products", "product", ["POST /api/v1/auth/logout"]),
        ("POST /api/v1/orders", "order", [f"PUT {PRODUCT}", "POST /api/v1/auth/logout"]),
        (
            f"GET {PRODUCT}/movements",
            "stock ledger",
            ["POST /api/v1/orders/A/cancel", f"PUT {PRODUCT}", "POST /api/v1/auth/logout"],
        ),
    ],
)
def test_a_step_that_fails_is_named_with_its_answer_and_created_resources_are_cleaned_up(
    broken: str, step: str, cleaned: list[str]
) -> None:
    api = Api(broken)

    said, _ = attempt(api)

    assert f"FAIL  {step}: {broken} answered 500" in "\n".join(said)
    assert said[-1] == f"failed: {step}"
    assert [it for it in api.called if it.startswith(("PUT", "POST /api/v1/auth/logout")) or "cancel" in it] == cleaned


def test_a_token_that_the_published_keys_do_not_verify_is_a_failure() -> None:
    api = Api()
    api.published = ec.generate_private_key(ec.SECP256R1())

    said, _ = attempt(api)

    assert "FAIL  sign-in: Signature verification failed" in said


def test_a_customers_account_cannot_try_a_stage() -> None:
    said, _ = attempt(Api(role="customer"))

    assert said[-2].startswith("FAIL  sign-in: the account is a customer's")


def test_two_orders_for_one_key_are_a_failure() -> None:
    api = Api()
    api.one_order = False

    said, _ = attempt(api)

    assert any("one Idempotency-Key created two orders" in line for line in said)


def test_the_stock_ledger_may_lag_and_then_is_a_failure() -> None:
    said, waits = attempt(Api(movements=1))

    assert waits == [1.0] * 120
    assert any(line.startswith("FAIL  stock ledger: no movement after 120 s") for line in said)


def test_a_stage_without_a_server_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise urllib3.exceptions.HTTPError("refused")

    monkeypatch.setattr(urllib3.PoolManager, "request", refuse)

    with pytest.raises(SystemExit, match=r"^The stage does not work: health failed\.$"):
        try_stage("https://api.example/", email="ada@example.com", password="x")

    assert "FAIL  health: refused" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environment", "account"),
    [
        ({"SMOKE_EMAIL": "ada@example.com", "SMOKE_PASSWORD": "secret"}, ("ada@example.com", "secret")),
        ({"SMOKE_EMAIL": "ada@example.com"}, None),
        ({}, None),
    ],
)
def test_the_account_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], account: tuple[str, str] | None
) -> None:
    for name in ("SMOKE_EMAIL", "SMOKE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert settings.smoke_account() == account


def test_a_limit_that_is_used_up_says_when_it_is_free_again() -> None:
    limited = SimpleNamespace(status=429, headers={"Retry-After": "34"}, data=b"{}")
    pool = SimpleNamespace(request=lambda *_, **__: limited)

    with pytest.raises(SmokeError) as raised:
        Client("https://api.example", pool=cast(urllib3.PoolManager, pool)).call("POST", "/api/v1/auth/login", {})

    assert str(raised.value) == ("POST /api/v1/auth/login has reached its rate limit: try again in 34 s")
