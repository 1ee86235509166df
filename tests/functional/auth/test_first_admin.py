"""`make admin`: creates the first admin of a deployment, by an operator with write access to its tables."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from oms.audit.models import AuditItem
from oms.commands import first_admin, stacks
from oms.commands.first_admin import AdmissionRefusedError, grant_admin
from oms.core import clock
from oms.core.dynamodb import client, get_item, put_item, table_name, tables_named, update_item
from oms.identity.models import ADMINS_KEY, Admins, IdentityItem, User
from tests.support.accounts import PASSWORD, Clock, audit_entries, log_in
from tests.support.aws_calls import Call, answer_lost, intercepted
from tests.support.faults import failing, refuse
from tests.support.gateway import call
from tests.support.invocation import Answer
from tests.support.tables import create_tables

NEW, ARN = "a quite different one", "arn:aws:iam::123456789012:user/olga"
pytestmark = pytest.mark.usefixtures("cloud")


def reset(token: object) -> Answer:
    return call("POST", "/api/v1/auth/password/reset", {"token": str(token), "new_password": NEW})


def users() -> list[User]:
    items = client().scan(TableName=table_name(IdentityItem))["Items"]
    return [User.from_raw_data(it) for it in items if it["kind"]["S"] == "user"]


def counted() -> int:
    found = get_item(Admins, ADMINS_KEY)
    return found.n if found else 0


def test_the_first_admin_is_made_without_a_password_and_sets_one_by_the_link() -> None:
    admitted = grant_admin("olga@example.com", operator_arn=ARN)

    assert admitted.done == "made"
    for guess in (PASSWORD, "", "None"):
        assert log_in("olga@example.com", guess).status == 401
    assert reset(admitted.token).status == 204
    token = log_in("olga@example.com", NEW, address="203.0.113.9").json["access_token"]
    assert call("GET", "/api/v1/admin/users", token=token).status == 200
    assert counted() == 1
    (entry,) = [it for it in audit_entries() if it.action == "first-admin.made"]
    assert (entry.actor_id, entry.target) == (ARN, f"user#{users()[0].id}")


def test_the_link_is_valid_for_half_an_hour(frozen: Clock) -> None:
    admitted = grant_admin("olga@example.com", operator_arn=ARN)
    frozen.advance(minutes=30)

    assert reset(admitted.token).status == 422
    again = grant_admin("Olga@example.com", operator_arn=ARN)
    assert (again.done, reset(again.token).status) == ("linked", 204)
    (entry,) = [it for it in audit_entries() if it.action == "first-admin.linked"]
    assert (entry.actor_id, entry.target) == (ARN, f"user#{users()[0].id}")


@pytest.mark.parametrize("attributes", [{}, {"role": "admin", "status": "disabled"}, {"status": "disabled"}])
def test_an_account_that_is_there_is_promoted(account: Callable[..., User], attributes: dict[str, str]) -> None:
    ada = account("ada@example.com", **attributes)
    before = log_in().json.get("access_token")

    admitted = grant_admin("ada@example.com", operator_arn=ARN)

    assert admitted.done == "promoted"
    (entry,) = [it for it in audit_entries() if it.action == "first-admin.promoted"]
    assert (entry.actor_id, entry.target) == (ARN, f"user#{ada.id}")
    (user,) = users()
    assert (user.id, user.role, user.status, user.version) == (ada.id, "admin", "active", 2)
    assert counted() == 1
    assert call("GET", "/api/v1/auth/me", token=before or "none").status == 401
    assert reset(admitted.token).status == 204


def test_attempts_counted_during_a_promotion_stay_counted(account: Callable[..., User]) -> None:
    ada = account("ada@example.com")

    def count_first(made: Call) -> Any:
        if made.operation == "TransactWriteItems":
            update_item(User(ada.pk, ada.sk), [User.open_orders.add(2)])
        return made.send()

    with intercepted(count_first):
        assert grant_admin("ada@example.com", operator_arn=ARN).done == "promoted"

    assert users()[0].open_orders == 2


def test_a_stranger_who_registered_the_operators_address_first_gets_no_admins_account(
    account: Callable[..., User],
) -> None:
    account("olga@example.com")  # a stranger's account, whose mail was never read
    device = log_in("olga@example.com").json["device_token"]

    admitted = grant_admin("olga@example.com", operator_arn=ARN)

    for known in ({}, {"device_token": device}):
        assert log_in("olga@example.com", PASSWORD, **known).status == 401
    (user,) = users()
    assert (user.password_hash, user.pepper_version, user.email_verified) == (None, None, True)
    assert reset(admitted.token).status == 204
    assert log_in("olga@example.com", PASSWORD, address="203.0.113.8").status == 401
    assert log_in("olga@example.com", NEW, address="203.0.113.9").status == 200


def test_while_another_admin_is_active_no_admin_is_created(account: Callable[..., User]) -> None:
    grant_admin("olga@example.com", operator_arn=ARN)
    account("ada@example.com")

    for email in ("ada@example.com", "new@example.com"):
        with pytest.raises(AdmissionRefusedError, match="/role"):
            grant_admin(email, operator_arn=ARN)

    assert sorted((user.email, user.role) for user in users()) == [
        ("ada@example.com", "customer"),
        ("olga@example.com", "admin"),
    ]
    assert counted() == 1


def test_a_lost_answer_makes_one_admin() -> None:
    with answer_lost("TransactWriteItems"):
        admitted = grant_admin("olga@example.com", operator_arn=ARN)

    assert (len(users()), counted()) == (1, 1)
    assert reset(admitted.token).status == 204


def test_a_deployment_whose_admins_are_all_gone_can_have_one_again(account: Callable[..., User]) -> None:
    put_item(Admins(*ADMINS_KEY, n=0))
    account("ada@example.com")

    assert grant_admin("ada@example.com", operator_arn=ARN).done == "promoted"


@pytest.fixture
def stage(cloud: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The prefix of a deployed stage's tables, which differ from those with which the process began."""
    prefix = f"Oms-dev-{clock.random_id()}-"
    create_tables(prefix)
    monkeypatch.setattr(stacks, "table_of", lambda _stage, domain: f"{prefix}{domain.lower()}")
    return prefix


def in_tables(stage: str) -> AbstractContextManager[None]:
    return tables_named({IdentityItem: f"{stage}identity", AuditItem: f"{stage}audit"})


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, public_url: str | None = "https://shop.example") -> None:
    monkeypatch.setattr("sys.argv", ["first_admin", *arguments])
    monkeypatch.setattr(first_admin, "output_of", lambda _stage, _name: public_url)
    monkeypatch.setattr(first_admin, "operator", lambda: ARN)
    first_admin.main()


def test_the_command_prints_the_link_and_no_more(stage: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    run(monkeypatch, "--stage", "dev", "--email", "olga@example.com")

    said, where = capsys.readouterr().out.splitlines()
    assert said == "olga@example.com: made an admin"
    (token,) = re.findall(r"within 30 minutes: https://shop\.example/reset-password#token=(\S+)$", where)
    with in_tables(stage):
        assert reset(token).status == 204
    kinds = {it["kind"]["S"] for it in client().scan(TableName=f"{stage}identity")["Items"]}
    assert {"user", "claim", "admins"} <= kinds
    assert client().scan(TableName=f"{stage}audit")["Items"]
    for untouched in ("identity", "audit"):
        assert client().scan(TableName=untouched)["Items"] == []


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
@pytest.mark.parametrize("operation", ["GetItem", "TransactWriteItems"])
@pytest.mark.usefixtures("stage")
def test_the_command_says_so_where_it_may_not_write(monkeypatch: pytest.MonkeyPatch, operation: str, code: str) -> None:
    with (
        intercepted(refuse(operation, failing(code))),
        pytest.raises(SystemExit, match=f"'dev' cannot be reached.*{code}"),
    ):
        run(monkeypatch, "--stage", "dev", "--email", "olga@example.com")


@pytest.mark.parametrize(
    ("email", "public_url", "why"),
    [
        ("olga@example.com", None, "public_url"),
        ("olga", "https://shop.example", "must be an e-mail address"),
        ("eve@example.com", "https://shop.example", "There is an active admin"),
    ],
)
def test_the_command_says_why_it_does_nothing(
    stage: str, monkeypatch: pytest.MonkeyPatch, email: str, public_url: str | None, why: str
) -> None:
    if why.startswith("There"):
        run(monkeypatch, "--stage", "dev", "--email", "olga@example.com")
    with in_tables(stage):
        before = len(users())

    with pytest.raises(SystemExit, match=why):
        run(monkeypatch, "--stage", "dev", "--email", email, public_url=public_url)

    with in_tables(stage):
        assert len(users()) == before == why.startswith("There")


def test_the_local_stage_has_its_admin_from_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "--stage", "local", "--email", "olga@example.com")
