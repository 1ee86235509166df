"""Random requests to every route of the document: each answer is one of the contract, never a 500."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer, Person

DOCUMENT = json.loads((Path(__file__).parents[2] / "functions/docs/openapi.json").read_text())
OPERATIONS = [(method.upper(), path, it) for path, item in DOCUMENT["paths"].items() for method, it in item.items()]
SCHEMAS = DOCUMENT["components"]["schemas"]

# 254 characters, each folded to 18 (NFKC): the maximum of an e-mail address and of a product's name.
LONGER_FOLDED = "\ufdfa" * 254
TEXT = st.one_of(
    st.text(max_size=12),
    st.text(st.characters(), max_size=8),  # with lone surrogates
    st.sampled_from(
        ["", "1", "é", "\ud800", "\x00", "x" * 600, LONGER_FOLDED, "../..", "'; --", "${a}", "%F0", "\U0010ffff", "🛒"]
    ),
)
SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 10**12, 10**40, 10**400, 1.5, 1e300, -0.0]),
    TEXT,
)
ANYTHING = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["If-Match", "Idempotency-Key", "Content-Encoding", "Accept", "X-Origin-Secret", "Origin", "Content-Type"]
    ),
    TEXT | st.sampled_from(['"1"', "W/", "*", "application/json", "identity", "k"]),
    max_size=3,
)
PARAMETERS = sorted(
    {it["name"] for _, _, operation in OPERATIONS for it in operation.get("parameters", []) if it.get("in") == "query"}
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from([*PARAMETERS, "x", ""]),
        TEXT | st.sampled_from(["1", "active", "pending,expired", "name", "true", "2026-01-31", "0.01", ",", "9" * 50]),
    ),
    max_size=3,
)


def near(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Bodies that are similar to a schema, so that some pass the first check."""
    if "$ref" in schema:
        return near(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return st.one_of(*(near(choice) for choice in schema["anyOf"]))
    if "properties" in schema:
        fields = {name: st.one_of(*[near(inner)] * 5, ANYTHING) for name, inner in schema["properties"].items()}
        required = {name: fields.pop(name) for name in schema.get("required", [])}
        return st.fixed_dictionaries(required, optional=fields)
    match schema.get("type"):
        case "array":
            return st.lists(near(schema["items"]), max_size=3)
        case "integer":
            return st.integers(int(schema.get("minimum", -9)), 10_000)
        case "number":
            return st.decimals(0, 100, places=2).map(float)
        case "null":
            return st.none()
    return st.sampled_from(["mine", "mine", "active", "DE", "a@example.com", "10.00"]) | TEXT


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, Any, str, dict[str, str]]:
    method, path, operation = draw(st.sampled_from(OPERATIONS))
    method = draw(st.sampled_from([method] * 8 + ["HEAD", "OPTIONS", "DELETE"]))
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    likely = near(content["schema"]) if content else st.none()
    changed = st.tuples(likely, TEXT, ANYTHING).map(lambda it: (it[0] or {}) | {it[1]: it[2]})
    body = draw(st.one_of(*[it.map(json.dumps) for it in (likely, likely, likely, changed, ANYTHING)], TEXT, st.none()))
    query = "&".join(f"{name}={value}" for name, value in draw(QUERIES))
    return method, re.sub(r"\{\w+\}", "<id>", path), body, query, draw(HEADERS)


@hypothesis_settings(
    max_examples=examples(250),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    requests(),
    st.sampled_from(["none", "customer", "customer", "manager", "manager", "manager"]),
    TEXT | st.just("mine") | st.just("mine"),
)
def test_a18_any_request_gets_an_answer_of_the_contract(
    ids: dict[str, str],
    tokens: dict[str, str | None],
    request_made: tuple[str, str, Any, str, dict[str, str]],
    role: str,
    resource: str,
) -> None:
    method, path, body, query, headers = request_made
    kind = "order" if "orders" in path else "product"
    path = path.replace("<id>", ids[kind] if resource == "mine" else resource)
    body = body and body.replace('"mine"', json.dumps(ids["product"]))

    answer = call(method, path.replace("?", ""), body, query=query, token=tokens[role], headers=headers)

    assert answer.status < 500, answer.text
    if answer.status >= 400 and method != "HEAD":
        assert_problem(answer, answer.status, answer.json["code"])
        answer.text.encode()


@pytest.fixture
def ids(manager: Person, order: Callable[..., Answer]) -> dict[str, str]:
    placed = order(manager).json
    return {"order": placed["id"], "product": placed["items"][0]["product_id"]}


@pytest.fixture
def tokens(customer: Person, manager: Person) -> dict[str, str | None]:
    return {"none": None, "customer": customer.token, "manager": manager.token}
