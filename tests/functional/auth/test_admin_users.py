"""The routes by which admins manage users."""

from collections.abc import Callable
from itertools import permutations
from random import Random
from typing import Any, cast

import pytest

from oms.core.dynamodb import client, get_item, put_item
from oms.identity import administration, mailed_tokens, service
from oms.identity.models import ADMINS_KEY, Admins, IdentityItem, User, email_key, user_key
from tests.support.accounts import audit_entries, log_in
from tests.support.audit_addresses import hidden
from tests.support.aws_calls import answer_lost, changed_meanwhile, intercepted
from tests.support.big_table import BigTable
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person

USERS = "/api/v1/admin/users"


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account("ada@example.com")


@pytest.fixture
def admins(person: Callable[..., Person]) -> Callable[[int], list[Person]]:
    """A factory of active admins, which are counted."""

    def make(count: int) -> list[Person]:
        put_item(Admins(*ADMINS_KEY, n=count))
        return [person("admin", email=f"admin{number}@example.org") for number in range(count)]

    return make


@pytest.fixture
def boss(admins: Callable[[int], list[Person]]) -> Person:
    return admins(2)[0]


def counted() -> int:
    return cast(Admins, get_item(Admins, ADMINS_KEY)).n


def active_admins() -> int:
    items = client().scan(TableName="identity")["Items"]
    return sum(User.from_raw_data(it).is_active_admin for it in items if it["kind"]["S"] == "user")


def now(user_id: str) -> User:
    return cast(User, get_item(IdentityItem, user_key(user_id)))


def patch(who: Person, user_id: str, member: str, value: str, **headers: str) -> Answer:
    sent = {name.replace("_", "-"): it for name, it in headers.items()}
    return call("PATCH", f"{USERS}/{user_id}/{member}", {member: value}, token=who.token, headers=sent)


# ---- list -----------------------------------------------------------------------------------------------------------


def emails_of(who: Person, query: str = "") -> list[str]:
    """Returns the addresses of all pages, two on each page."""
    found: list[str] = []
    cursor = ""
    for _ in range(50):
        page = call("GET", f"{USERS}?limit=2{query}{cursor}", token=who.token)
        assert page.status == 200, page.text
        found += [it["email"] for it in page.json["items"]]
        if page.json["next_cursor"] is None:
            return found
        cursor = f"&cursor={page.json['next_cursor']}"
    raise AssertionError("the list does not end")


@pytest.fixture
def crowd(boss: Person, account: Callable[..., User]) -> Person:
    for name in ("Zoe@example.com", "adam@example.com", "ada@example.com", "ada.b@example.com"):
        account(name)
    account("Åsa@example.com", email_folded="åsa@example.com")
    account("mara@example.com", role="manager", status="disabled")
    account("max@example.com", role="manager")
    return boss


def test_users_are_listed_by_folded_address(crowd: Person) -> None:
    listed = emails_of(crowd)

    assert len(listed) == 9
    assert listed == sorted(listed, key=lambda it: it.casefold().encode())


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("&role=manager", ["mara@example.com", "max@example.com"]),
        ("&role=manager&status=active", ["max@example.com"]),
        ("&status=disabled", ["mara@example.com"]),
        ("&role=manager,admin&q=m", ["mara@example.com", "max@example.com"]),
        ("&q=ADA", ["ada.b@example.com", "ada@example.com", "adam@example.com"]),
        ("&q=z", ["Zoe@example.com"]),
        ("&q=%20zoe@", ["Zoe@example.com"]),
        ("&q=%C3%A5SA", ["Åsa@example.com"]),
        ("&q=nobody", []),
        (f"&q={'%EF%B7%BA' * 254}", []),  # one character, folded to eighteen
    ],
)
def test_filters_narrow_it(crowd: Person, query: str, found: list[str]) -> None:
    assert emails_of(crowd, query) == found


def test_a_beginning_of_blanks_is_refused_and_finds_not_everybody(crowd: Person) -> None:
    refused = call("GET", "/api/v1/admin/users?q=%20", token=crowd.token)

    assert (refused.status, refused.json["errors"][0]["parameter"]) == (422, "q")


def test_an_international_domain_is_found_by_any_form(boss: Person, account: Callable[..., User]) -> None:
    account("post@bücher.example")

    for beginning in ("post@b%C3%BCcher.exa", "POST@xn--bcher-kva", "post@b%C3%BCcher"):
        assert emails_of(boss, f"&q={beginning}") == ["post@xn--bcher-kva.example"], beginning


def test_a_beginning_longer_than_any_address_finds_none(boss: Person, account: Callable[..., User]) -> None:
    """It is cut to the size of a key; one that folds to more characters than it has is compared whole."""
    domain = f"{'a' * 63}.{'a' * 63}.{'a' * 57}.com"
    account(f"{'s' * 64}@{domain}")

    assert emails_of(boss, f"&q={'%C3%9F' * 32}@{domain}") == [f"{'s' * 64}@{domain}"]
    assert emails_of(boss, f"&q={'%C3%9F' * 32}@{domain}x") == []


@pytest.mark.parametrize("rare", [{"role": "admin"}, {"status": "disabled"}], ids=["admins", "disabled"])
def test_the_few_among_a_hundred_thousand_are_found_in_few_pages(
    boss: Person, account: Callable[..., User], rare: dict[str, str]
) -> None:
    ((name, value),) = rare.items()
    query = f"{name}={value}"
    raw, few = account("0@example.com").serialize(), range(1000, 100_000, 33_333)
    crowd = []
    for number in range(100_000):
        user_id, email = f"{number:020}", f"{number:06}@example.com"
        texts = {"pk": user_key(user_id)[0], "id": user_id, "email": email, "email_folded": email}
        texts |= {"email_key": email_key(email, user_id)} | (rare if number in few else {})
        crowd.append(raw | {name: {"S": text} for name, text in texts.items()})
    there = [it for it in client().scan(TableName="identity")["Items"] if it["pk"]["S"] != raw["pk"]["S"]]
    table = BigTable("identity", [*there, *crowd], most=5000)

    found, pages, cursor = [], 0, ""
    with intercepted(table.plan) as calls:
        while cursor is not None:
            page = call("GET", f"{USERS}?{query}{cursor}", token=boss.token).json
            found += [it["id"] for it in page["items"] if it["email"].endswith("@example.com")]
            pages += 1
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"

    assert found == [f"{number:020}" for number in few]
    assert pages <= 21
    assert len(calls) <= 3 * pages


def test_an_index_that_lags_shows_no_role_that_is_gone(crowd: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    real = administration.batch_get

    def late(*arguments: Any) -> Any:
        found = real(*arguments)
        for user in found.values():
            user.role = "customer"
        return found

    monkeypatch.setattr(administration, "batch_get", late)

    assert emails_of(crowd, "&role=manager") == []


def test_a_filter_that_is_no_word_of_it_is_refused(boss: Person) -> None:
    assert places(call("GET", f"{USERS}?role=boss", token=boss.token)) == {"?role"}
    assert places(call("GET", f"{USERS}?q=", token=boss.token)) == {"?q"}


def test_a_user_is_shown_with_its_version_and_without_secrets(boss: Person, ada: User) -> None:
    answer = call("GET", f"{USERS}/{ada.id}", token=boss.token)

    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
    assert answer.json.keys() == {
        "id",
        "email",
        "email_verified",
        "first_name",
        "last_name",
        "role",
        "status",
        "created_at",
    }
    assert_problem(call("GET", f"{USERS}/none", token=boss.token), 404, "not-found")


# ---- role and status ------------------------------------------------------------------------------------------------


def test_a06_a_role_counts_from_the_next_request_on_with_the_old_token(
    boss: Person, person: Callable[..., Person]
) -> None:
    customer = person()
    path = "/api/v1/inventory/products"
    assert call("POST", path, {}, token=customer.token).status == 403

    answer = patch(boss, customer.id, "role", "manager")

    assert (answer.status, answer.json["role"], answer.headers["ETag"]) == (200, "manager", '"2"')
    assert call("POST", path, {}, token=customer.token).status == 422
    patch(boss, customer.id, "role", "customer")
    assert call("POST", path, {}, token=customer.token).status == 403


@pytest.mark.parametrize(
    ("old", "new", "known_length", "kept"),
    [
        ("customer", "manager", 15, True),
        ("customer", "manager", 8, False),
        ("customer", "admin", 0, False),  # set before lengths were stored
        ("manager", "admin", 0, False),
        ("admin", "manager", 0, True),
        ("manager", "customer", 0, True),
    ],
)
def test_a10_a_promotion_removes_a_password_that_is_too_short_for_the_new_role(
    boss: Person, account: Callable[..., User], old: str, new: str, known_length: int, kept: bool
) -> None:
    user = account("eve@example.com", role=old, password_min_length=known_length)
    tokens = log_in("eve@example.com").json

    assert patch(boss, user.id, "role", new).status == 200

    assert (call("GET", "/api/v1/auth/me", token=tokens["access_token"]).status == 200) == kept
    assert (log_in("eve@example.com").status == 200) == kept
    (entry,) = [it for it in audit_entries() if it.action == "user.role_changed"]
    assert entry.details == {"old": old, "new": new, **({} if kept else {"password": "removed"})}


def test_a_promoted_user_without_a_password_sets_one_that_is_long_enough(
    boss: Person, account: Callable[..., User]
) -> None:
    user = account("eve@example.com", password_min_length=8)
    patch(boss, user.id, "role", "manager")
    stored, token = mailed_tokens.mint(now(user.id), "reset")
    put_item(stored)

    def reset(password: str) -> Answer:
        return call("POST", "/api/v1/auth/password/reset", {"token": str(token), "new_password": password})

    assert places(reset("kx7#Qm2v-kx7#Q")) == {"#/new_password"}
    assert reset("kx7#Qm2v-kx7#Qm").status == 204
    assert log_in("eve@example.com", "kx7#Qm2v-kx7#Qm").status == 200
    assert now(user.id).password_min_length == 15


def test_a06_disabling_ends_every_session_permanently(boss: Person, ada: User) -> None:
    sessions = [log_in(address=f"203.0.113.{number}").json for number in range(3)]

    answer = patch(boss, ada.id, "status", "disabled")

    assert (answer.status, answer.json["status"]) == (200, "disabled")
    assert patch(boss, ada.id, "status", "active").status == 200
    for tokens in sessions:
        assert call("GET", "/api/v1/auth/me", token=tokens["access_token"]).status == 401
        assert call("POST", "/api/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status == 401
    assert log_in().status == 200


@pytest.mark.parametrize(("member", "value"), [("role", "customer"), ("status", "active")])
def test_a_change_without_an_effect_is_answered_and_nothing_is_written(
    boss: Person, ada: User, member: str, value: str
) -> None:
    answer = patch(boss, ada.id, member, value)

    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
    assert audit_entries() == []


def test_a_change_is_audited_with_the_former_value(boss: Person, ada: User) -> None:
    patch(boss, ada.id, "role", "manager")
    patch(boss, ada.id, "status", "disabled")

    entries = audit_entries()
    assert {(it.action, it.details["old"], it.details["new"]) for it in entries} == {
        ("user.role_changed", "customer", "manager"),
        ("user.status_changed", "active", "disabled"),
    }
    assert {(it.actor_id, it.actor_role, it.target, it.address) for it in entries} == {
        (boss.id, "admin", f"user#{ada.id}", hidden("198.51.100.1", entries[0].at))
    }


def test_missing_comes_before_stale_and_stale_before_ones_own(boss: Person, ada: User) -> None:
    assert_problem(patch(boss, "none", "role", "manager", If_Match='"9"'), 404, "not-found")
    assert_problem(patch(boss, boss.id, "role", "manager", If_Match='"9"'), 412, "stale-version")
    assert_problem(patch(boss, ada.id, "role", "manager", If_Match='"9"'), 412, "stale-version")
    assert patch(boss, ada.id, "role", "manager", If_Match='"1"').status == 200


@pytest.mark.parametrize(("member", "value"), [("role", "manager"), ("status", "disabled"), ("role", "admin")])
def test_ones_own_account_is_for_another_admin(admins: Callable[[int], list[Person]], member: str, value: str) -> None:
    first, _ = admins(2)

    assert_problem(patch(first, first.id, member, value), 409, "own-account")

    assert now(first.id).version == 1


@pytest.mark.parametrize(("member", "value"), [("role", "manager"), ("status", "disabled")])
def test_the_last_admin_stays_one(admins: Callable[[int], list[Person]], member: str, value: str) -> None:
    (only,) = admins(1)

    assert_problem(patch(only, only.id, member, value), 409, "last-admin")

    assert (active_admins(), counted()) == (1, 1)


@pytest.mark.parametrize(("member", "value"), [("role", "customer"), ("status", "disabled")])
def test_a30_an_admin_unmade_while_unmaking_the_other_does_not(
    admins: Callable[[int], list[Person]], member: str, value: str
) -> None:
    """Both were admins at the time of their requests: the second transaction finds one left."""
    first, second = admins(2)

    with changed_meanwhile("TransactWriteItems", lambda: patch(second, first.id, member, value)):
        answer = patch(first, second.id, member, value)

    assert_problem(answer, 409, "last-admin")
    assert (active_admins(), counted()) == (1, 1)


def test_the_count_follows_every_change(admins: Callable[[int], list[Person]], ada: User) -> None:
    boss = admins(1)[0]
    steps = [("role", "admin"), ("status", "disabled"), ("role", "customer"), ("status", "active"), ("role", "manager")]

    # Of the 120 orders; each begins where the previous one ended.
    for order in Random(7).sample(list(permutations(steps)), 20):
        for member, value in order:
            assert patch(boss, ada.id, member, value).status == 200
            assert counted() == active_admins()


def test_an_admin_made_by_the_system_is_counted(cloud: None) -> None:
    for number, role in enumerate(("admin", "manager", "admin")):
        service.create_user(
            email=f"{number}@example.com",
            password="a long password",
            first_name="A",
            role=role,  # type: ignore[arg-type]
        )

    assert counted() == active_admins() == 2


def test_one_made_by_a_write_whose_answer_is_lost_is_counted_once(cloud: None) -> None:
    with answer_lost("TransactWriteItems"):
        service.create_user(email="a@example.com", password="a long password", first_name="A", role="admin")

    assert counted() == active_admins() == 1


@pytest.mark.parametrize(
    ("member", "value", "more"), [("role", "admin", 1), ("role", "manager", 0), ("status", "disabled", 0)]
)
def test_a_change_whose_answer_is_lost_is_made_once(
    admins: Callable[[int], list[Person]], ada: User, member: str, value: str, more: int
) -> None:
    boss = admins(1)[0]

    with answer_lost("TransactWriteItems"):
        answer = patch(boss, ada.id, member, value, If_Match='"1"')

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert counted() == active_admins() == 1 + more
    assert len(audit_entries()) == 1


def test_unmaking_an_admin_whose_answer_is_lost_is_no_refusal(admins: Callable[[int], list[Person]]) -> None:
    first, second = admins(2)

    with answer_lost("TransactWriteItems"):
        assert patch(first, second.id, "role", "customer").status == 200

    assert counted() == active_admins() == 1


def test_a_change_that_conflicts_is_made_on_the_newer_version(boss: Person, ada: User) -> None:
    with changed_meanwhile("TransactWriteItems", lambda: patch(boss, ada.id, "role", "admin")):
        answer = patch(boss, ada.id, "status", "disabled")

    assert (answer.json["role"], answer.json["status"]) == ("admin", "disabled")
    assert counted() == active_admins() == 2


# ---- unlock ---------------------------------------------------------------------------------------------------------


def test_an_unlock_lifts_every_lock(boss: Person, ada: User) -> None:
    device = log_in().json["device_token"]
    for number in range(5):
        log_in(password="wrong", address=f"203.0.113.{number}")
        log_in(password="wrong", address=f"203.0.114.{number}", device_token=device)

    assert call("POST", f"{USERS}/{ada.id}/unlock", token=boss.token).status == 204

    assert log_in(address="203.0.113.9", device_token=device).status == 200
    assert log_in(address="203.0.113.9").status == 200
    (entry,) = [it for it in audit_entries() if it.action == "account.unlocked"]
    assert (entry.actor_id, entry.target) == (boss.id, f"user#{ada.id}")


def test_an_unlock_leaves_known_devices_known(boss: Person, ada: User) -> None:
    device, other = (log_in(address=f"203.0.112.{number}").json["device_token"] for number in range(2))
    for number in range(5):
        log_in(password="wrong", address=f"203.0.114.{number}", device_token=other)

    call("POST", f"{USERS}/{ada.id}/unlock", token=boss.token)

    for number in range(5):  # a stranger locks the account again
        log_in(password="wrong", address=f"203.0.113.{number}")
    assert log_in(address="203.0.113.9").status == 401
    for known in (device, other):
        assert log_in(address="203.0.113.9", device_token=known).status == 200


def test_a_device_that_was_unlocked_is_locked_by_five_more_failures(boss: Person, ada: User) -> None:
    device = log_in(address="203.0.112.1").json["device_token"]
    for network in ("203.0.113", "203.0.114"):
        for number in range(5):
            log_in(password="wrong", address=f"{network}.{number}", device_token=device)
        assert log_in(address=f"{network}.9", device_token=device).status == 401
        call("POST", f"{USERS}/{ada.id}/unlock", token=boss.token)

    assert log_in(address="203.0.113.9", device_token=device).status == 200


def test_an_unlock_needs_a_locked_user(boss: Person) -> None:
    assert_problem(call("POST", f"{USERS}/none/unlock", token=boss.token), 404, "not-found")
