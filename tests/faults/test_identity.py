"""The process dies before or after any call of a change to an account: all of the change is stored, or nothing."""

from collections.abc import Callable
from typing import Any, cast

import bcrypt
import pytest

from oms.core.dynamodb import get_item, put_item
from oms.identity import mailed_tokens, passwords
from oms.identity.models import (
    ADMINS_KEY,
    Admins,
    Claim,
    IdentityItem,
    Session,
    User,
    claim_key,
    session_key,
    user_key,
)
from tests.support.aws_calls import intercepted
from tests.support.database import table
from tests.support.faults import conflicted, crashes, lose_answer, refuse
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

OLD, NEW = "correct horse battery", "a quite different one"
AUTH, USERS = "/api/v1/auth", "/api/v1/admin/users"


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", 4)


@pytest.fixture
def account(person: Callable[..., Person]) -> Callable[[], Person]:
    """A factory of signed-in users with the password OLD."""

    def make() -> Person:
        hashed = bcrypt.hashpw(passwords.peppered(OLD, "1"), bcrypt.gensalt(4)).decode()
        who = person(email_verified=False)
        user = now(who)
        user.password_hash = hashed
        put_item(user)
        put_item(Claim(*claim_key(user.email_folded), user_id=user.id))
        return who

    return make


@pytest.fixture
def admin(person: Callable[..., Person]) -> Person:
    put_item(Admins(*ADMINS_KEY, n=1))
    return person("admin")


def now(who: Person) -> User:
    return cast(User, get_item(IdentityItem, user_key(who.id)))


def has_password(who: Person, password: str) -> bool:
    user = now(who)
    return bcrypt.checkpw(passwords.peppered(password, "1"), user.password_hash.encode())


def entries(who: Person, action: str) -> int:
    """Returns the number of successful audit entries of an action on this user."""
    found = table("audit").items()
    return sum(
        it["action"]["S"] == action and it["target"]["S"] == f"user#{who.id}" and it["outcome"]["S"] == "success"
        for it in found
    )


def check(who: Person, action: str) -> bool:
    """Asserts that hash, epoch and audit changed together; returns whether they did."""
    user, made = now(who), has_password(who, NEW)
    assert (user.auth_epoch, user.version, entries(who, action)) == ((1, 2, 1) if made else (0, 1, 0))
    return made


addresses = iter(f"203.0.{high}.{low}" for high in range(256) for low in range(256))


def change(who: Person, current: str = OLD) -> Any:
    body = {"current_password": current, "new_password": NEW}
    return call("PUT", f"{AUTH}/password", body, token=who.token, address=next(addresses))


def test_a_password_change_is_whole_or_not_at_all(account: Callable[[], Person]) -> None:
    points = 0
    for name, who in crashes(account, change):
        points += 1
        made = check(who, "password.changed")
        session = cast(Session, get_item(IdentityItem, session_key(who.id, who.session_id)))
        assert session.epoch == now(who).auth_epoch, name
        assert change(who, current=NEW if made else OLD).status == 204, name
    assert points == 8


def test_a_password_reset_is_whole_or_not_at_all(account: Callable[[], Person]) -> None:
    def begin() -> tuple[Person, str]:
        who = account()
        stored, token = mailed_tokens.mint(now(who), "reset")
        put_item(stored)
        return who, str(token)

    def reset(it: tuple[Person, str]) -> Any:
        return call("POST", f"{AUTH}/password/reset", {"token": it[1], "new_password": NEW})

    points = 0
    for name, (who, token) in crashes(begin, reset):
        points += 1
        made = check(who, "password.reset")
        assert now(who).email_verified is made, name
        again = reset((who, token))
        assert again.status == (422 if made else 204), name
        assert has_password(who, NEW)
    assert points == 6


@pytest.mark.parametrize(("member", "value"), [("role", "admin"), ("status", "disabled")])
def test_a_change_of_role_or_status_is_whole_or_not_at_all(
    admin: Person, account: Callable[[], Person], member: str, value: str
) -> None:
    def patch(who: Person) -> Any:
        return call("PATCH", f"{USERS}/{who.id}/{member}", {member: value}, token=admin.token)

    points = 0
    for name, who in crashes(account, patch):
        points += 1
        made = getattr(now(who), member) == value
        assert entries(who, f"user.{member}_changed") == made, name
        again = patch(who)
        assert (again.status, again.json[member], now(who).version) == (200, value, 2), name
        assert entries(who, f"user.{member}_changed") == 1, name
        assert counted() == active_admins(), name
    assert points == 6


def counted() -> int:
    return cast(Admins, get_item(Admins, ADMINS_KEY)).n


def active_admins() -> int:
    items = table("identity").items()
    return sum(User.from_raw_data(it).is_active_admin for it in items if it["kind"]["S"] == "user")


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_after_conflicts_a_lost_answer_is_still_a_change_that_was_made(
    admin: Person, account: Callable[[], Person], no_sleep: list[float], failures: int
) -> None:
    who = account()

    with intercepted(lose_answer("TransactWriteItems", after=failures, failure=conflicted)):
        answer = call("PATCH", f"{USERS}/{who.id}/role", {"role": "admin"}, token=admin.token)

    assert (answer.status, now(who).version, counted()) == (200, 2, 2)
    assert len(no_sleep) == failures + 1


def test_a_conflict_that_does_not_end_is_a_503_and_changes_nothing(
    admin: Person, account: Callable[[], Person], no_sleep: list[float]
) -> None:
    who = account()

    with intercepted(refuse("TransactWriteItems", conflicted)):
        answers = [
            call("PATCH", f"{USERS}/{who.id}/role", {"role": "admin"}, token=admin.token),
            change(who),
        ]

    for answer in answers:
        assert_problem(answer, 503, "unavailable")
    assert (now(who).version, has_password(who, OLD), counted()) == (1, True, 1)
