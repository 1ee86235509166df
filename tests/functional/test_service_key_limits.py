"""A34: a service key's requests a minute are limited, over all functions and workers of the API."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from oms.core import clock
from oms.core.errors import TooManyRequestsError
from oms.service_keys import limits
from oms.service_keys.limits import MAX_LEASE, NOTED_EVERY_SECONDS, KeyLeases, NotedUses
from tests.support.aws_calls import answer_lost, intercepted
from tests.support.database import table
from tests.support.gateway import assert_problem, call
from tests.support.service_keys import a_key, change

CATEGORIES = "/api/v1/inventory/categories"
NOON = datetime(2026, 1, 31, 12, 0, 15, tzinfo=UTC)
WORKERS = 20
FULL = 6_000

type Move = Callable[[timedelta], None]


@pytest.fixture(autouse=True)
def new_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oms.http.admission.KEY_LEASES", KeyLeases())
    monkeypatch.setattr("oms.http.admission.NOTED_USES", NotedUses())


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> Move:
    """Fixes the clock at noon; the function moves it."""
    now = NOON

    def move(by: timedelta) -> None:
        nonlocal now
        now += by

    monkeypatch.setattr(clock, "now", lambda: now)
    return move


def passed(worker: KeyLeases, requests: int = 1, limit: int = FULL) -> int:
    """Returns the number of one key's requests that pass, all on the same worker."""
    count = 0
    for _ in range(requests):
        try:
            worker.use("K", limit)
            count += 1
        except TooManyRequestsError:
            pass
    return count


# ---- one worker -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cloud")
def test_a34_a_key_over_its_limit_gets_the_time_to_retry(noon: Move) -> None:
    key = a_key("catalogue:read", rate_limit=5)
    assert [call("GET", CATEGORIES, token=key.text).status for _ in range(5)] == [200] * 5

    refused = call("GET", CATEGORIES, token=key.text)

    assert_problem(refused, 429, "too-many-requests")
    assert refused.headers["Retry-After"] == "45"
    assert refused.headers["RateLimit-Policy"] == '"key";q=5;w=60'
    assert call("GET", CATEGORIES, token=a_key().text).status == 200, "another key is not limited"
    noon(timedelta(seconds=45))
    assert call("GET", CATEGORIES, token=key.text).status == 200


@pytest.mark.usefixtures("cloud")
def test_a34_another_limit_applies_from_the_next_request(noon: Move) -> None:
    key = a_key(rate_limit=FULL)
    assert [call("GET", CATEGORIES, token=key.text).status for _ in range(12)] == [200] * 12

    change(key.id, rate_limit=13)
    assert call("GET", CATEGORIES, token=key.text).status == 429, "20 were taken"
    change(key.id, rate_limit=21)
    assert [call("GET", CATEGORIES, token=key.text).status for _ in range(2)] == [200, 429]


@pytest.mark.usefixtures("cloud")
def test_a_tenth_of_the_requests_makes_a_call_more(noon: Move) -> None:
    key = a_key()
    assert call("GET", CATEGORIES, token=key.text).status == 200, "and the use is noted"

    with intercepted() as others:
        for _ in range(MAX_LEASE - 1):
            assert call("GET", CATEGORIES, token=key.text).status == 200
    with intercepted() as eleventh:
        assert call("GET", CATEGORIES, token=key.text).status == 200

    assert [it.operation for it in others] == ["BatchGetItem", "Query"] * (MAX_LEASE - 1)
    assert [it.operation for it in eleventh] == ["BatchGetItem", "UpdateItem", "Query"]


@pytest.mark.usefixtures("cloud")
def test_a34_a_refused_client_costs_no_write_until_the_minute_ends(noon: Move) -> None:
    worker = KeyLeases()
    assert passed(worker, 6, limit=5) == 5

    with intercepted() as calls:
        assert passed(worker, 20, limit=5) == 0

    assert not calls
    noon(timedelta(minutes=1))
    assert passed(worker, limit=5) == 1


@pytest.mark.usefixtures("cloud")
def test_the_count_is_forgotten(noon: Move) -> None:
    passed(KeyLeases())

    (slot,) = table("identity").items()

    assert (slot["pk"]["S"].rpartition("#")[0], slot["n"]["N"]) == ("slot#key#K", "10")
    assert int(slot["ttl"]["N"]) == int(NOON.timestamp()) + 120


# ---- many workers ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("limit", [1, 7, 60, 399, 400, 1_000, FULL])
def test_a34_twenty_workers_never_pass_the_limit_and_use_95_percent(noon: Move, limit: int) -> None:
    """Requests reach random workers, some more often than others."""
    workers, draw = [KeyLeases() for _ in range(WORKERS)], random.Random(limit)
    weights = [draw.random() for _ in workers]

    total = sum(passed(it, limit=limit) for it in draw.choices(workers, weights, k=limit + limit // 10 + 50))

    assert 0.95 * limit <= total <= limit


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("limit", [1, 7, 60, 400, FULL])
def test_a34_workers_that_get_one_request_each_leave_95_percent_to_another(noon: Move, limit: int) -> None:
    early = sum(passed(KeyLeases(), limit=limit) for _ in range(WORKERS - 1))

    total = early + passed(KeyLeases(), 2 * limit, limit=limit)

    assert 0.95 * limit <= total <= limit


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("limit", [60, FULL])
def test_a34_workers_in_threads_never_pass_the_limit(noon: Move, limit: int) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        total = sum(pool.map(lambda _: passed(KeyLeases(), limit // 10, limit=limit), range(WORKERS)))

    assert 0.95 * limit <= total <= limit


@pytest.mark.usefixtures("cloud")
def test_a_busy_key_costs_a_tenth_of_a_write_for_each_request(noon: Move) -> None:
    workers = [KeyLeases() for _ in range(WORKERS)]

    with intercepted() as calls:
        assert sum(passed(it) for _ in range(100) for it in workers) == 2_000

    assert len(calls) == 200


@pytest.mark.usefixtures("cloud")
def test_a34_a_lost_answer_takes_twice_and_never_passes_the_limit(noon: Move) -> None:
    with answer_lost("UpdateItem"):
        assert passed(KeyLeases(), 30, limit=20) == 19


@pytest.mark.usefixtures("cloud")
def test_a_worker_remembers_a_limited_number_of_keys() -> None:
    leases = KeyLeases(size=2)
    for key in ("a", "b", "c"):
        leases.use(key, FULL)

    with intercepted() as calls:
        leases.use("c", FULL)
        leases.use("b", FULL)
        assert not calls
        leases.use("a", FULL)

    assert [it.operation for it in calls] == ["UpdateItem"], "the oldest one is removed"


# ---- noted uses -----------------------------------------------------------------------------------------------------


def noted() -> list[int]:
    return [int(it["at"]["N"]) for it in table("identity").items() if it["pk"]["S"].startswith("key-use#")]


@pytest.mark.usefixtures("cloud")
def test_a_use_is_noted_once_in_ten_minutes_over_all_workers(noon: Move) -> None:
    workers = [NotedUses() for _ in range(3)]
    for _ in range(5):
        for worker in workers:
            worker.note("K")
        noon(timedelta(seconds=100))

    assert noted() == [int(NOON.timestamp())]
    noon(timedelta(seconds=NOTED_EVERY_SECONDS - 500))
    with intercepted() as calls:
        workers[2].note("K")
        workers[2].note("K")
    assert noted() == [int(NOON.timestamp()) + NOTED_EVERY_SECONDS]
    assert len(calls) == 1


@pytest.mark.usefixtures("cloud")
def test_a_use_that_cannot_be_noted_fails_no_request(noon: Move) -> None:
    key = a_key()

    with answer_lost("UpdateItem", nth=2):
        assert call("GET", CATEGORIES, token=key.text).status == 200


@pytest.mark.usefixtures("cloud")
def test_a_worker_remembers_the_uses_of_a_limited_number_of_keys(noon: Move) -> None:
    worker = NotedUses(size=1)
    worker.note("a")
    worker.note("b")

    with intercepted() as calls:
        worker.note("a")

    assert len(calls) == 1


def test_the_sizes_leave_a_twentieth_at_most() -> None:
    for limit in range(1, 100_001):
        assert WORKERS * (limits._lease_size(limit, 0) - 1) <= limit / 20
