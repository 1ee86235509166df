"""The request log: `GET /admin/requests` reads the lines that the functions have logged."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.emulator import log_events
from oms.core import clock
from oms.core.errors import InvalidRequestError
from oms.core.settings import settings
from oms.request_log import service as request_log
from oms.request_log.pattern import pattern_of
from oms.request_log.schemas import ListRequestsQuery
from orders import handler as orders
from tests.support.aws_calls import Call, intercepted
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.request_log import recorded, write
from tests.support.service_keys import a_key

ORDERS, REQUESTS = "/api/v1/orders", "/api/v1/admin/requests"


@pytest.fixture(autouse=True)
def lines(admin: Person) -> Iterator[list[dict[str, Any]]]:
    with recorded() as events:
        yield events


def ask(admin: Person, **filters: object) -> Answer:
    query = "&".join(f"{name.removesuffix('_')}={value}" for name, value in filters.items())
    return call("GET", f"{REQUESTS}?{query}", token=admin.token)


def listed(admin: Person, **filters: object) -> list[Any]:
    """Returns the listed requests, without those of the list itself."""
    answer = ask(admin, **filters)
    assert answer.status == 200, answer.text
    return [it for it in answer.json["items"] if it["operation"] != "list_requests"]


def failing(code: str, *, from_call: int = 1) -> Callable[[Call], Any]:
    """Returns a plan in which CloudWatch Logs answers its calls with this error, from the call of this number on."""
    numbers = count(1)

    def decide(it: Call) -> Any:
        if it.service == "logs" and next(numbers) >= from_call:
            raise ClientError({"Error": {"Code": code, "Message": code}}, it.operation)
        return it.send()

    return decide


def at_milliseconds(moment: int) -> str:
    return clock.timestamp(clock.from_seconds(moment / 1000)).replace("+00:00", "Z")


def test_a_request_by_key_is_listed_with_its_key_outcome_and_address(admin: Person) -> None:
    key = a_key("orders:read")

    answer = call("POST", f"{ORDERS}/0C8Z4V6T2R9QKX1M5N7P/confirm", {}, token=key.text, address="203.0.113.7")

    assert_problem(answer, 403, "insufficient-scope")
    (entry,) = listed(admin)
    assert entry.pop("duration_ms") > 0
    assert entry.pop("at") <= clock.timestamp(clock.now())
    assert entry == {
        "request_id": "request-1",
        "method": "POST",
        "path": f"{ORDERS}/0C8Z4V6T2R9QKX1M5N7P/confirm",
        "operation": "confirm_order",
        "status": 403,
        "code": "insufficient-scope",
        "actor": {"id": key.id, "role": "service"},
        "key_id": key.id,
        "address": "203.0.113.7",
    }


def test_a_users_request_has_no_address_and_one_without_a_user_no_actor(admin: Person, customer: Person) -> None:
    call("GET", ORDERS, token=customer.token)
    call("POST", "/api/v1/nowhere")

    unknown, own = listed(admin)

    assert (own["actor"], own["key_id"], own["address"]) == ({"id": customer.id, "role": "customer"}, None, None)
    assert (own["status"], own["code"]) == (200, None)
    assert (unknown["actor"], unknown["operation"], unknown["code"]) == (None, None, "not-found")


def test_the_newest_request_is_the_first(admin: Person, time_machine: Callable[[timedelta], None]) -> None:
    for path in (ORDERS, "/api/v1/auth/me", "/health"):
        call("GET", path)
        time_machine(timedelta(seconds=1))

    assert [it["path"] for it in listed(admin)] == ["/health", "/api/v1/auth/me", ORDERS]


def test_filters_select_requests_and_combine(admin: Person, customer: Person) -> None:
    key, other = a_key("orders:read"), a_key("orders:read")
    call("GET", f"{ORDERS}?limit=1", token=key.text)  # A
    call("GET", ORDERS, token=other.text)  # B
    call("POST", ORDERS, {"items": []}, token=customer.token)  # C
    call("GET", f"{ORDERS}/none", token=customer.token)  # D
    call("GET", "/api/v1/auth/me")  # E

    def found(**filters: object) -> str:
        names = {(key.id, 200): "A", (other.id, 200): "B", (None, 422): "C", (None, 404): "D", (None, 401): "E"}
        return "".join(sorted(names[it["key_id"], it["status"]] for it in listed(admin, **filters)))

    assert found() == "ABCDE"
    assert found(key=key.id) == "A"
    assert found(key=f"{key.id},{other.id}") == "AB"
    assert found(actor=customer.id) == "CD"
    assert found(actor=f"{customer.id},{other.id}") == "BCD"
    assert found(status=404) == "D"
    assert found(status="4xx") == "CDE"
    assert found(status="2xx,401") == "ABE"
    assert found(method="POST") == "C"
    assert found(path=ORDERS) == "ABC"
    assert found(path=f"{ORDERS}/none") == "D"
    assert found(operation="create_order,get_order") == "CD"
    assert found(status="4xx", actor=customer.id, method="GET") == "D"
    assert found(key=key.id, status="5xx") == ""
    assert found(request_id="request-1") == "ABCDE"
    assert found(request_id="request-2") == ""


def test_a_span_of_time_includes_its_start_and_not_its_end(
    admin: Person, lines: list[dict[str, Any]], time_machine: Callable[[timedelta], None]
) -> None:
    for _ in range(3):
        call("GET", "/health")
        time_machine(timedelta(seconds=1))
    first, second, third = (at_milliseconds(it["timestamp"]) for it in lines)

    assert [it["at"] for it in listed(admin, from_=first, to=third)] == [second, first]
    assert listed(admin, from_=first, to=first) == []
    assert listed(admin, to="2026-01-01") == []


def test_the_log_goes_back_seven_days(time_machine: Callable[[timedelta], None]) -> None:
    def number(**filters: str) -> int:
        return len(request_log.list_requests(ListRequestsQuery.model_validate(filters), after=None).items)

    call("GET", "/health")
    time_machine(timedelta(days=7, seconds=-10))
    before = number(), number(**{"from": "2026-01-01"})
    time_machine(timedelta(seconds=20))

    assert before == (1, 1)
    assert (number(), number(**{"from": "2026-01-01"})) == (0, 0)


def test_pages_have_each_request_once(admin: Person) -> None:
    for number in range(7):
        call("GET", f"{ORDERS}/{number}")  # within the same milliseconds

    seen, filters = [], {"operation": "get_order", "limit": 3}
    for _ in range(4):
        page = ask(admin, **filters).json
        seen += [it["path"].rpartition("/")[2] for it in page["items"]]
        if page["next_cursor"] is None:
            break
        filters["cursor"] = page["next_cursor"]

    assert sorted(seen) == [str(number) for number in range(7)]


def test_a_page_of_a_busy_log_ends_after_ten_calls_and_the_next_one_continues(
    admin: Person, monkeypatch: pytest.MonkeyPatch, time_machine: Callable[[timedelta], None]
) -> None:
    monkeypatch.setattr(log_events, "SEARCHED_IN_A_CALL", 1)
    call("GET", f"{ORDERS}/none")
    time_machine(timedelta(seconds=1))
    for _ in range(10):
        call("GET", "/health")

    with intercepted() as made:
        first = ask(admin, operation="get_order").json
    second = ask(admin, operation="get_order", cursor=first["next_cursor"]).json

    assert [it.operation for it in made].count("FilterLogEvents") == 10
    assert first["items"] == []
    assert [it["operation"] for it in second["items"]] == ["get_order"]


def test_no_call_starts_after_five_seconds(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_events, "SEARCHED_IN_A_CALL", 1)
    for _ in range(5):
        call("GET", "/health")
    seconds = iter((0.0, 3.0, 6.0))
    monkeypatch.setattr(request_log.clock, "monotonic", lambda: next(seconds, 6.0))

    with intercepted() as made:
        page = request_log.list_requests(ListRequestsQuery(operation=("get_order",)), after=None)

    assert len(made) == 2
    assert page.position


def test_a_limited_first_call_is_a_503_and_a_later_one_ends_the_page(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_events, "SEARCHED_IN_A_CALL", 1)
    call("GET", "/health")
    call("GET", "/health")

    answers = []
    for number in (1, 2):
        with intercepted(failing("ThrottlingException", from_call=number)):
            answers.append(ask(admin))

    assert_problem(answers[0], 503, "unavailable")
    assert answers[0].headers["Retry-After"]
    assert len(answers[1].json["items"]) == 1
    assert answers[1].json["next_cursor"]


def test_a_cursor_ends_after_a_day_or_when_cloudwatch_refuses_its_token(
    admin: Person, time_machine: Callable[[timedelta], None]
) -> None:
    for _ in range(3):
        call("GET", "/health")
    query = ListRequestsQuery(limit=1)
    position = request_log.list_requests(query, after=None).position
    cursor = ask(admin, limit=1).json["next_cursor"]

    with intercepted(failing("InvalidParameterException")):
        refused = ask(admin, limit=1, cursor=cursor)
    time_machine(timedelta(days=1, seconds=1))

    assert places(refused) == {"?cursor"}
    with pytest.raises(InvalidRequestError):
        request_log.list_requests(query, after=position)


@pytest.mark.parametrize(
    "query",
    [
        "key=a%22b",
        "key=*",
        "actor=a%5Cb",
        "status=6xx",
        "status=40",
        "status=200,201,202,203",
        "method=get",
        "path=/api/*",
        "path=orders",
        "path=/%22",
        "operation=get%20order",
        "request_id=%22%20%7C%7C%20",
        "from=2026-01-02&to=2026-01-01",
    ],
)
def test_a36_a_filter_that_is_no_plain_text_is_refused_without_a_call(admin: Person, query: str) -> None:
    with intercepted() as made:
        answer = call("GET", f"{REQUESTS}?{query}", token=admin.token)

    assert_problem(answer, 422, "validation-failed")
    assert "logs" not in {it.service for it in made}


def test_the_longest_pattern_is_within_cloudwatchs_limit() -> None:
    ids = tuple(f"{number}{'A' * 19}" for number in range(3))
    query = ListRequestsQuery(
        key=ids,
        actor=ids,
        status=("1xx", "2xx", "3xx"),
        method=("DELETE", "OPTIONS", "PATCH"),
        path=f"/{'a' * 99}",
        operation=tuple(f"{it}{'a' * 29}" for it in "abc"),
        request_id="A" * 64,
    )

    assert len(pattern_of(query)) <= 1024


def test_without_lines_of_requests_there_is_no_log(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "settings", lambda: replace(settings(), request_log_group=""))

    assert_problem(ask(admin), 409, "request-log-off")


def test_a_failed_request_is_listed_as_500(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(orders.app, "resolve", fail)
    with pytest.raises(ZeroDivisionError):
        call("GET", ORDERS, token=admin.token)

    (entry,) = listed(admin)
    assert (entry["status"], entry["operation"], entry["code"]) == (500, "list_orders", None)


def test_other_lines_of_the_log_group_are_not_listed(admin: Person) -> None:
    for text in ("REPORT RequestId: 1", '{"message": "other", "status": 200}', '{"message": "request"}', "[]"):
        write(text)

    assert listed(admin) == []


def test_a36_nothing_secret_in_a_request_reaches_its_line(admin: Person, lines: list[dict[str, Any]]) -> None:
    key, token = a_key("orders:read").text, admin.token
    secrets = [key, token, "ada@example.com", "s" * 43]
    for secret in secrets:
        call("GET", f"{ORDERS}?q={secret}", token=key)
        call("GET", f"{ORDERS}/{secret}", token=key)
        call("GET", f"/{secret}/more")
        call("POST", "/api/v1/auth/login", {"email": secret, "password": secret}, headers={"X-Any": secret})

    text = json.dumps([it["message"] for it in lines], ensure_ascii=False)
    assert len(lines) == 16
    assert [secret for secret in secrets if secret in text] == []
    assert listed(admin, path="/…/more", limit=100) != []
