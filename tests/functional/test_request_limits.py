"""A31: how many requests a user may make in a minute, over all functions and workers of the API."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.core import clock
from oms.core.errors import TooManyRequestsError
from oms.core.settings import read, settings
from oms.identity import request_limits
from oms.identity.request_limits import LEASE_SECONDS, LEASE_SIZE, Leases
from tests.support.aws_calls import intercepted
from tests.support.database import DATABASE, table
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer, Person

LIMIT = 30
CATEGORIES = "/api/v1/inventory/categories"
NOON = datetime(2026, 1, 31, 12, 0, 15, tzinfo=UTC)

type Move = Callable[[timedelta], None]


@pytest.fixture(autouse=True)
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = replace(settings(), customer_requests=LIMIT, manager_requests=2 * LIMIT)
    monkeypatch.setattr(request_limits, "settings", lambda: chosen)
    monkeypatch.setattr(request_limits, "LEASES", Leases())


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> Move:
    """The clock stands at noon; the function moves it."""
    now = NOON

    def move(by: timedelta) -> None:
        nonlocal now
        now += by

    monkeypatch.setattr(clock, "now", lambda: now)
    return move


def ask(who: Person, path: str = CATEGORIES) -> Answer:
    return call("GET", path, token=who.token)


def test_the_defaults_are_600_for_customers_and_6000_for_managers() -> None:
    assert (read({}).customer_requests, read({}).manager_requests) == (600, 6000)


def test_a31_a_user_over_the_limit_is_told_when_to_come_again(noon: Move, person: Callable[..., Person]) -> None:
    customer = person()
    assert [ask(customer).status for _ in range(LIMIT)] == [200] * LIMIT

    refused = ask(customer)

    assert_problem(refused, 429, "too-many-requests")
    assert refused.headers["Retry-After"] == "45"
    assert refused.headers["RateLimit-Policy"] == '"user";q=30;w=60'
    assert refused.headers["RateLimit"] == '"user";r=0;t=45'
    assert ask(person()).status == 200, "another user is not concerned"


def test_a31_the_limit_is_over_all_functions(noon: Move, person: Callable[..., Person]) -> None:
    customer = person()
    paths = (CATEGORIES, "/api/v1/orders", "/api/v1/auth/me", "/api/v1/auth/sessions", "/api/v1/inventory/products")

    answers = [ask(customer, paths[number % len(paths)]).status for number in range(LIMIT + 1)]

    assert answers == [200] * LIMIT + [429]


@pytest.mark.parametrize("role", ["manager", "admin"])
def test_the_back_office_has_a_limit_of_its_own(noon: Move, person: Callable[..., Person], role: str) -> None:
    somebody = person(role)

    answers = [ask(somebody).status for _ in range(2 * LIMIT + 1)]

    assert answers == [200] * 2 * LIMIT + [429]


@pytest.mark.parametrize(
    "path",
    [
        CATEGORIES,
        "/api/v1/orders",
        "/api/v1/webhooks",
        "/api/v1/reports/exports",
        "/api/v1/admin/users",
        "/api/v1/auth/me",
    ],
)
def test_a_tenth_of_the_requests_makes_a_call_more(person: Callable[..., Person], path: str) -> None:
    admin = person("admin")
    ask(person("admin"), path)  # the keys are read once
    with intercepted() as first:
        assert ask(admin, path).status == 200

    with intercepted() as others:
        for _ in range(LEASE_SIZE - 1):
            assert ask(admin, path).status == 200

    assert [it.operation for it in first][:2] == ["BatchGetItem", "UpdateItem"]
    assert "UpdateItem" not in [it.operation for it in others]


def test_what_was_leased_is_used_after_its_minute(noon: Move, person: Callable[..., Person]) -> None:
    customer = person()
    assert ask(customer).status == 200
    noon(timedelta(seconds=LEASE_SECONDS - 1))

    with intercepted() as calls:
        assert [ask(customer).status for _ in range(LEASE_SIZE - 1)] == [200] * (LEASE_SIZE - 1)

    assert "UpdateItem" not in [it.operation for it in calls]
    with intercepted() as calls:
        assert ask(customer).status == 200
    assert "UpdateItem" in [it.operation for it in calls]


def test_a_lease_ends_after_a_quarter_of_an_hour(noon: Move, person: Callable[..., Person]) -> None:
    customer = person()
    assert ask(customer).status == 200
    noon(timedelta(seconds=LEASE_SECONDS))

    with intercepted() as calls:
        assert ask(customer).status == 200

    assert "UpdateItem" in [it.operation for it in calls]


def test_a31_a_refused_client_costs_no_write_until_the_minute_ends(noon: Move, person: Callable[..., Person]) -> None:
    customer = person()
    for _ in range(LIMIT + 1):
        ask(customer)

    with intercepted() as calls:
        assert [ask(customer).status for _ in range(20)] == [429] * 20
    assert {it.operation for it in calls} == {"BatchGetItem"}

    noon(timedelta(seconds=45))
    assert ask(customer).status == 200


def test_no_limit_makes_no_call(monkeypatch: pytest.MonkeyPatch, person: Callable[..., Person]) -> None:
    off = replace(settings(), customer_requests=0)
    monkeypatch.setattr(request_limits, "settings", lambda: off)
    customer = person()

    with intercepted() as calls:
        assert {ask(customer).status for _ in range(LIMIT + 1)} == {200}

    assert "UpdateItem" not in [it.operation for it in calls]


def test_who_is_not_signed_in_counts_for_nobody(noon: Move, person: Callable[..., Person]) -> None:
    customer = person()
    for _ in range(3 * LIMIT):
        assert call("GET", CATEGORIES, token=f"{customer.token[:-8]}AAAAAAAA").status == 401

    assert ask(customer).status == 200


def test_a_request_that_a_role_may_not_make_counts(noon: Move, person: Callable[..., Person]) -> None:
    customer = person()

    answers = [ask(customer, "/api/v1/admin/users").status for _ in range(LIMIT + 1)]

    assert answers == [403] * LIMIT + [429]


def test_the_count_is_forgotten(noon: Move, person: Callable[..., Person]) -> None:
    customer = person()
    assert ask(customer).status == 200

    (slot,) = [it for it in table("identity").items() if it["pk"]["S"].startswith(f"slot#user#{customer.id}#")]

    assert int(slot["n"]["N"]) == LEASE_SIZE
    assert int(slot["ttl"]["N"]) == int(NOON.timestamp()) + 120


@given(st.lists(st.tuples(st.integers(0, 7), st.booleans()), min_size=60, max_size=150))
def test_a31_many_workers_that_come_and_go_never_pass_the_limit_of_a_minute(requests: list[tuple[int, bool]]) -> None:
    """Each request goes to one of the workers; some end with it and lose what they had leased."""
    DATABASE.clear()
    workers = {number: Leases() for number in range(8)}
    passed = 0
    for number, ends in requests:
        try:
            workers[number].use("user", LIMIT)
            passed += 1
        except TooManyRequestsError:
            pass
        if ends:
            workers[number] = Leases()

    minutes = len({it["pk"]["S"] for it in table("identity").items()})
    assert 3 <= passed <= LIMIT * minutes


def test_a_worker_remembers_so_many_users_and_no_more(cloud: None) -> None:
    leases = Leases(size=2)
    for subject in ("a", "b", "c"):
        leases.use(subject, LIMIT)

    with intercepted() as calls:
        leases.use("c", LIMIT)
        leases.use("b", LIMIT)
        assert not calls
        leases.use("a", LIMIT)

    assert [it.operation for it in calls] == ["UpdateItem"], "the one taken longest ago is forgotten"
