"""F5: a failure of a service other than DynamoDB, which the request needs, ends in 503, and a repetition succeeds."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from oms.core.settings import WatchedQueue, settings
from oms.reports import statistics
from tests.support.aws_calls import intercepted
from tests.support.faults import Failure, failing, refuse, timed_out
from tests.support.gateway import call
from tests.support.invocation import Answer, Person

CHECK, STATS = "/api/v1/admin/stock-check", "/api/v1/admin/stats"
FAILURES = {
    "throttled": failing("RequestThrottled"),
    "internal error": failing("InternalError", status=500),
    "unavailable": failing("ServiceUnavailable", status=503),
    "no answer": timed_out,
}


@pytest.fixture
def admin(person: Callable[..., Person]) -> Person:
    return person("admin")


def check_busy(answer: Answer) -> None:
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_f05_a_stock_check_whose_message_was_refused_is_started_again(admin: Person, failure: Failure) -> None:
    with intercepted(refuse("SendMessage", failure)):
        check_busy(call("POST", CHECK, {}, token=admin.token))
    started = call("GET", CHECK, token=admin.token).json["id"]
    with intercepted() as calls:
        again = call("POST", CHECK, {}, token=admin.token)

    assert (again.status, again.json["id"]) == (202, started)
    assert "SendMessage" in [it.operation for it in calls]


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_f05_statistics_without_the_depths_of_the_queues_are_unavailable(
    admin: Person, failure: Failure, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = settings().stock_check_queue_url.rpartition("/")[2]
    watched = (WatchedQueue("StockCheck", name, name),)
    monkeypatch.setattr(statistics, "settings", lambda: replace(settings(), queues=watched))

    with intercepted(refuse("GetQueueAttributes", failure, times=1)):
        check_busy(call("GET", STATS, token=admin.token))

    assert call("GET", STATS, token=admin.token).status == 200


def test_f05_an_error_that_no_repetition_can_change_is_not_hidden(admin: Person) -> None:
    with intercepted(refuse("SendMessage", failing("AccessDenied", status=403))), pytest.raises(ClientError):
        call("POST", CHECK, {}, token=admin.token)
