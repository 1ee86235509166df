"""`make key`: creates a service key of a stage, by an operator with write access to its tables."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from oms.commands import key, stacks
from oms.core.dynamodb import put_item, tables_named
from oms.core.settings import settings
from oms.service_keys.models import ServiceKeyCount
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.service_keys import audited, count

ARN = "arn:aws:iam::123456789012:user/olga"
CATEGORIES = "/api/v1/inventory/categories"
pytestmark = pytest.mark.usefixtures("cloud")


def made(**options: str) -> str:
    arguments = {"name": "Warehouse", "scopes": "catalogue:read,stock:write"} | options
    return key.create_key(**arguments, stage=settings().stage, operator_arn=ARN)


def test_a_key_of_an_operator_works_and_is_audited_with_their_name(admin: Person) -> None:
    text = made()

    assert call("GET", CATEGORIES, token=text).status == 200
    (shown,) = call("GET", "/api/v1/admin/keys", token=admin.token).json["items"]
    assert (shown["name"], shown["created_by"]) == ("Warehouse", "system")
    assert shown["scopes"] == ["catalogue:read", "stock:write"]
    (entry,) = audited()
    assert (entry.action, entry.actor_id, entry.actor_role) == ("service-key.created", ARN, "operator")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"scopes": "orders:all"}, "^scopes: .*The scopes are catalogue:read,"),
        ({"scopes": ""}, "^scopes: "),
        ({"name": " "}, "^name: "),
    ],
)
def test_a_wrong_argument_is_named_and_makes_no_key(options: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        made(**options)

    assert count() == 0


def run(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(stage: str, tables: Mapping[Any, str]) -> AbstractContextManager[None]:
        assert stage == "local"
        return tables_named({model: domain.lower() for model, domain in tables.items()})

    monkeypatch.setattr(stacks, "acting_on", here)
    monkeypatch.setattr(key, "acting_on", here)
    monkeypatch.setattr(key, "operator", lambda: ARN)
    monkeypatch.setattr("sys.argv", ["key", "--stage", "local", "--name", "A", "--scopes", "orders:read"])
    key.main()


def test_the_command_prints_the_key_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch)

    assert re.fullmatch(r"oms_local_\w{20}_\w{49}\n", capsys.readouterr().out)


def test_the_command_explains_that_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    put_item(ServiceKeyCount(*ServiceKeyCount.key(), n=100))

    with pytest.raises(SystemExit, match="The limit of 100 service keys is reached"):
        run(monkeypatch)
