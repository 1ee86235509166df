import json
from pathlib import Path

import pytest

from tests.functional.gateway import assert_problem, call


@pytest.mark.parametrize("base", ["", "/api/v1"])
def test_health_says_the_version(cloud: None, base: str) -> None:
    answer = call("GET", f"{base}/health")

    assert (answer.status, answer.json) == (200, {"status": "ok", "version": "0.1.0"})


@pytest.mark.parametrize("base", ["", "/api/v1"])
def test_the_document_is_the_committed_one(cloud: None, base: str) -> None:
    committed = Path(__file__).parents[2] / "functions/docs/openapi.json"

    answer = call("GET", f"{base}/openapi.json")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json == json.loads(committed.read_text())


@pytest.mark.parametrize("base", ["", "/api/v1"])
def test_the_public_keys_may_be_cached(cloud: None, base: str) -> None:
    answer = call("GET", f"{base}/.well-known/jwks.json")

    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert {tuple(sorted(key)) for key in answer.json["keys"]} == {("alg", "crv", "kid", "kty", "use", "x", "y")}


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/.well-known/jwks.json"])
def test_what_is_public_needs_no_token_and_minds_none(cloud: None, path: str) -> None:
    assert call("GET", path, token="nonsense").status == 200


def test_every_path_that_no_group_has_is_answered_here(cloud: None) -> None:
    assert_problem(call("GET", "/wp-login.php"), 404, "not-found")
    assert call("DELETE", "/api/v1/health").headers["Allow"] == "GET, HEAD"
