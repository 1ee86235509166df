import json
from pathlib import Path

import pytest

from local import events
from oms.core.secret_store import Reloaded
from oms.events.types import EVENT_TYPES
from oms.identity import keyring
from tests.support.aws_calls import intercepted
from tests.support.faults import refuse, timed_out
from tests.support.gateway import assert_problem, call


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
def test_the_event_catalogue_shows_each_type_as_in_the_files(cloud: None, base: str) -> None:
    answer = call("GET", f"{base}/event-catalogue")

    assert answer.status == 200
    assert [it["type"] for it in answer.json["items"]] == list(EVENT_TYPES)
    for entry in answer.json["items"]:
        schema, sample = (
            json.loads((events.FOLDER / f"{entry['type']}.{kind}.json").read_text()) for kind in ("schema", "sample")
        )
        assert (entry["schema"], entry["sample"]) == (schema, sample)
        assert entry["description"]
        assert entry["role"] == ("admin" if entry["type"].startswith("user.") else "manager")


@pytest.mark.parametrize("base", ["", "/api/v1"])
def test_the_public_keys_may_be_cached(cloud: None, base: str) -> None:
    answer = call("GET", f"{base}/.well-known/jwks.json")

    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert {tuple(sorted(key)) for key in answer.json["keys"]} == {("alg", "crv", "kid", "kty", "use", "x", "y")}


@pytest.mark.parametrize("base", ["", "/api/v1"])
def test_a_set_without_keys_is_not_to_be_remembered(cloud: None, monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setattr(keyring, "PUBLIC", Reloaded(dict))

    answer = call("GET", f"{base}/.well-known/jwks.json")

    assert (answer.status, answer.json) == (200, {"keys": []})
    assert answer.headers["Cache-Control"] == "no-store"


def test_that_the_keys_cannot_be_read_is_not_to_be_remembered(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "PUBLIC", Reloaded(keyring.load_public))

    with intercepted(refuse("GetParameter", timed_out)):
        answer = call("GET", "/.well-known/jwks.json")

    assert_problem(answer, 503, "unavailable")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/event-catalogue", "/.well-known/jwks.json"])
def test_a_public_route_needs_no_token_and_ignores_one(cloud: None, path: str) -> None:
    assert call("GET", path, token="nonsense").status == 200


def test_every_path_that_no_group_has_is_answered_here(cloud: None) -> None:
    assert_problem(call("GET", "/wp-login.php"), 404, "not-found")
    assert call("DELETE", "/api/v1/health").headers["Allow"] == "GET, HEAD"
