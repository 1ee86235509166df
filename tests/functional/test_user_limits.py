"""A31: a user's requests a minute are limited, over all functions and workers of the API."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.core import clock
from oms.core.errors import TooManyRequestsError
from oms.core.settings import read, settings
from oms.identity import user_limits
from oms.identity.user_limits import LEASE_SIZE, LEASED_SHARE, PERIOD_SECONDS, Leases
from tests.support.aws_calls import answer_lost, intercepted
from tests.support.database import DATABASE, table
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer, Person

LIMIT = 40
CATEGORIES = "/api/v1/inventory/categories"
NOON = datetime(2026, 1, 31, 12, 0, 15, tzinfo=UTC)

type Move = Callable[[timedelta], None]


@pytest.fixture(autouse=True)
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = replace(settings(), customer_requests=LIMIT, manager_requests=2 * LIMIT)
    monkeypatch.setattr(user_limits, "settings", lambda: chosen)
    monkeypatch.setattr(user_limits, "LEASES", Leases())


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> Move:
    """Fixes the clock at noon; the function moves it."""
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


def test_a31_a_user_over_the_limit_gets_the_time_to_retry(noon: Move, person: Callable[..., Person]) -> None:
    customer = person()
    assert [ask(customer).status for _ in range(LIMIT)] == [200] * LIMIT

    refused = ask(customer)

    assert_problem(refused, 429, "too-many-requests")
    assert refused.headers["Retry-After"] == "45"
    assert refused.headers["RateLimit-Policy"] == '"user";q=40;w=60'
    assert refused.headers["RateLimit"] == '"user";r=0;t=45'
    assert ask(person()).status == 200, "another user is not limited"


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


def test_leased_requests_are_used_until_their_quarter_of_an_hour_ends(
    noon: Move, person: Callable[..., Person]
) -> None:
    customer = person()
    assert ask(customer).status == 200
    noon(timedelta(seconds=PERIOD_SECONDS - 16))

    with intercepted() as calls:
        assert [ask(customer).status for _ in range(LEASE_SIZE - 2)] == [200] * (LEASE_SIZE - 2)
    assert "UpdateItem" not in [it.operation for it in calls]

    noon(timedelta(seconds=1))
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
    monkeypatch.setattr(user_limits, "settings", lambda: off)
    customer = person()

    with intercepted() as calls:
        assert {ask(customer).status for _ in range(LIMIT + 1)} == {200}

    assert "UpdateItem" not in [it.operation for it in calls]


def test_a_request_without_a_user_counts_for_no_user(noon: Move, person: Callable[..., Person]) -> None:
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

    assert {name: int(slot[name]["N"]) for name in ("used", "leased")} == {"used": 1, "leased": LEASE_SIZE - 1}
    assert int(slot["ttl"]["N"]) == int(NOON.timestamp()) - 15 + 2 * PERIOD_SECONDS


# ---- many workers ---------------------------------------------------------------------------------------------------

FULL = 600
MAX_PASSED = FULL + FULL // LEASED_SHARE


def passed(worker: Leases, requests: int = 1, limit: int = FULL) -> int:
    """Returns the number of one user's requests that pass, all on the same worker."""
    count = 0
    for _ in range(requests):
        try:
            worker.use("user", limit)
            count += 1
        except TooManyRequestsError:
            pass
    return count


def test_a31_the_first_requests_of_as_many_workers_as_the_limit_pass(cloud: None, noon: Move) -> None:
    workers = [Leases() for _ in range(FULL + 20)]

    assert [passed(it) for it in workers[:FULL]] == [1] * FULL
    assert [passed(it) for it in workers[FULL:]] == [0] * 20


def test_a31_a_worker_that_saw_the_limit_far_away_is_refused_beyond_it(cloud: None, noon: Move) -> None:
    first, other = Leases(), Leases()
    assert passed(first, LEASE_SIZE) == LEASE_SIZE

    assert passed(other, 2 * FULL) == FULL - 1, "nine of the first worker's are leased, and not recorded as used"
    assert passed(first, 20) == 0


def test_a31_leases_of_the_minute_before_let_a_quarter_more_pass_at_most(cloud: None, noon: Move) -> None:
    workers = [Leases() for _ in range(60)]
    assert sum(passed(it) for it in workers) == 60
    noon(timedelta(minutes=1))

    assert FULL <= sum(passed(it, 20) for it in workers for _ in range(3)) <= MAX_PASSED
    noon(timedelta(minutes=1))
    assert FULL <= sum(passed(it, 60) for it in workers) <= MAX_PASSED


def test_a31_leases_collected_over_many_minutes_let_a_quarter_more_pass_at_most(cloud: None, noon: Move) -> None:
    workers = [Leases() for _ in range(FULL)]
    for minute in range(10):
        assert sum(passed(it) for it in workers[60 * minute : 60 * minute + 60]) == 60
        noon(timedelta(minutes=1))

    assert FULL <= sum(passed(it, 10) for it in workers) <= MAX_PASSED


@pytest.mark.parametrize(("workers", "requests"), [(1, FULL), (4, FULL // 4), (15, FULL // 15)])
def test_ten_requests_of_a_busy_user_cost_a_write(cloud: None, noon: Move, workers: int, requests: int) -> None:
    many = [Leases() for _ in range(workers)]

    with intercepted() as calls:
        assert sum(passed(it) for _ in range(requests) for it in many) == FULL

    assert len(calls) <= FULL / 10 + 3 * workers


def test_ten_requests_of_a_user_who_makes_one_a_minute_cost_a_write(cloud: None, noon: Move) -> None:
    worker = Leases()

    with intercepted() as calls:
        for _ in range(LEASE_SIZE):
            assert passed(worker) == 1
            noon(timedelta(minutes=1))

    assert len(calls) == 1


def test_where_no_more_is_leased_each_request_costs_one_write(cloud: None, noon: Move) -> None:
    """As many workers as share the leases, and one more, which knows that after its first request."""
    for _ in range(FULL // LEASED_SHARE // (LEASE_SIZE - 1) + 1):
        passed(Leases())
    worker = Leases()
    passed(worker)

    with intercepted() as calls:
        assert passed(worker, 20) == 20

    assert len(calls) == 20


@pytest.mark.parametrize("nth", [1, 2])
def test_a_count_whose_answer_is_lost_gives_its_lease_back_once(cloud: None, noon: Move, nth: int) -> None:
    worker = Leases()

    with answer_lost("UpdateItem", nth=nth):
        assert passed(worker, LEASE_SIZE + 1) == LEASE_SIZE + 1

    (count,) = table("identity").items()
    assert int(count["leased"]["N"]) == 2 * (LEASE_SIZE - 1), "one of them is lost"


class Step(NamedTuple):
    worker: int
    requests: int
    ends: bool
    seconds: int


@pytest.mark.usefixtures("cloud")
@given(
    st.lists(
        st.builds(Step, st.integers(0, 11), st.integers(1, 15), st.booleans(), st.sampled_from([0, 0, 0, 7, 31, 400])),
        min_size=10,
        max_size=60,
    ),
    st.sampled_from([1, 3, 10, 24, LIMIT]),
)
def test_a31_workers_that_come_and_go_let_a_quarter_more_pass_and_refuse_nothing_before_the_limit(
    steps: list[Step], limit: int
) -> None:
    """Some workers end, and lose their leases; the clock moves through minutes and periods."""
    DATABASE.clear()
    workers = {number: Leases() for number in range(12)}
    passes: Counter[int] = Counter()
    now = NOON
    with patch.object(clock, "now", lambda: now):
        for step in steps:
            minute = int(now.timestamp()) // 60
            for _ in range(step.requests):
                if passed(workers[step.worker], limit=limit):
                    passes[minute] += 1
                else:
                    assert passes[minute] >= limit
            if step.ends:
                workers[step.worker] = Leases()
            now += timedelta(seconds=step.seconds)

    assert max(passes.values()) <= limit + limit // LEASED_SHARE


def test_a_worker_remembers_a_limited_number_of_users(cloud: None) -> None:
    leases = Leases(size=2)
    for subject in ("a", "b", "c"):
        leases.use(subject, LIMIT)

    with intercepted() as calls:
        leases.use("c", LIMIT)
        leases.use("b", LIMIT)
        assert not calls
        leases.use("a", LIMIT)

    assert {it.operation for it in calls} == {"UpdateItem"}, "the oldest one is removed"
