"""The limit of unfinished exports of a user and of a schedule, and that each end frees its place."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from oms.core.dynamodb import update_item
from oms.core.errors import TooManyExportsError
from oms.exports import service, sharing, worker
from oms.exports.models import Export
from oms.exports.schemas import ExportOrdersQuery
from oms.exports.unfinished import MAX_UNFINISHED
from tests.support.aws_calls import intercepted
from tests.support.database import table
from tests.support.exports import ADDRESS, an_order, process_once, request_export
from tests.support.faults import Crash, crash_after, crash_before, lose_answer
from tests.support.fixtures import files
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person

__all__ = ["files"]

EXPORTS, EXPORT_ORDERS = "/api/v1/reports/exports", "/api/v1/reports/export/orders"

pytestmark = [
    pytest.mark.usefixtures("files"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


def exports_stored() -> int:
    return sum(it["kind"]["S"] == "export" for it in table("reports").items())


def fill(by: Person) -> list[Export]:
    return [request_export(by) for _ in range(MAX_UNFINISHED)]


def test_a25_one_more_is_refused_by_either_route_and_nothing_is_stored(manager: Person, admin: Person) -> None:
    fill(manager)

    by_post = call("POST", EXPORTS, {"report": "inventory"}, token=manager.token)
    by_get = call("GET", EXPORT_ORDERS, token=manager.token)

    for answer in (by_post, by_get):
        assert_problem(answer, 409, "too-many-exports")
        assert answer.headers["Retry-After"] == "10"
    assert exports_stored() == MAX_UNFINISHED
    assert call("POST", EXPORTS, {"report": "inventory"}, token=admin.token).status == 202, (
        "each user has their own limit"
    )


def test_those_of_get_count_and_one_that_is_shared_or_replayed_needs_no_place(manager: Person) -> None:
    shared = sharing.share_export(ExportOrdersQuery(), by=manager, address=ADDRESS)
    headers = {"Idempotency-Key": "k"}
    first = call("POST", EXPORTS, {"report": "orders"}, token=manager.token, headers=headers)
    for _ in range(MAX_UNFINISHED - 2):
        request_export(manager)

    assert_problem(call("POST", EXPORTS, {"report": "orders"}, token=manager.token), 409, "too-many-exports")
    again = sharing.share_export(ExportOrdersQuery(), by=manager, address=ADDRESS)
    replayed = call("POST", EXPORTS, {"report": "orders"}, token=manager.token, headers=headers)
    assert again.id == shared.id
    assert (replayed.status, replayed.json["id"]) == (202, first.json["id"])


def _done(export: Export, by: Person) -> None:
    assert process_once(export)


def _failed(export: Export, by: Person) -> None:
    worker.fail(export.id, "internal-error")


def _cancelled(export: Export, by: Person) -> None:
    service.cancel(export.id, by=by, address=ADDRESS)


def _crashed_at_its_end(export: Export, by: Person) -> None:
    """Lets the worker die right after the export is done; its message is not delivered again."""

    def die(made: Any) -> Any:
        answer = made.send()
        if made.operation == "UpdateItem" and answer["Attributes"].get("status") == {"S": "done"}:
            raise Crash
        return answer

    with intercepted(die), pytest.raises(Crash):
        process_once(export)


@pytest.mark.parametrize("end", [_done, _failed, _cancelled, _crashed_at_its_end])
def test_a25_each_end_gives_its_place_back(manager: Person, end: Callable[[Export, Person], None]) -> None:
    an_order()
    first, *_ = fill(manager)
    with pytest.raises(TooManyExportsError):
        request_export(manager)

    end(first, manager)

    request_export(manager)
    with pytest.raises(TooManyExportsError):
        request_export(manager)


def test_a_worker_that_died_has_not_finished(manager: Person) -> None:
    first, *_ = fill(manager)
    update_item(first, [Export.status.set("running")])

    with pytest.raises(TooManyExportsError):
        request_export(manager)


def test_a25_requests_at_the_same_time_do_not_get_past_the_bound(manager: Person) -> None:
    """Other requests take all places between the read and the write of a request."""
    an_order()
    for export in fill(manager):
        assert process_once(export)
    meanwhile = iter([True])

    def interfere(made: Any) -> Any:
        if made.operation == "TransactWriteItems" and next(meanwhile, False):
            fill(manager)
        return made.send()

    with intercepted(interfere), pytest.raises(TooManyExportsError):
        request_export(manager)

    assert exports_stored() == 2 * MAX_UNFINISHED


def test_cut_off_at_any_call_a_request_leaves_no_place_taken_without_an_export(manager: Person) -> None:
    an_order()
    for moment in range(1, 8):
        for plan in (crash_before(moment), crash_after(moment)):
            for export in fill_up(manager):
                assert process_once(export)  # so that the request has to free a place
            with intercepted(plan), suppress(Crash):
                request_export(manager)

            for export in fill_up(manager):
                assert process_once(export)


def fill_up(by: Person) -> list[Export]:
    """Takes all free places, so that the number of unfinished exports is at its limit."""
    for item in list(table("reports").items()):
        if item["kind"]["S"] == "export":
            process_once(Export.from_raw_data(item))
    made = fill(by)
    with pytest.raises(TooManyExportsError):
        request_export(by)
    return made


def test_an_answer_that_was_lost_takes_one_place(manager: Person) -> None:
    with intercepted(lose_answer("TransactWriteItems")):
        request_export(manager)

    for _ in range(MAX_UNFINISHED - 1):
        request_export(manager)
    with pytest.raises(TooManyExportsError):
        request_export(manager)
