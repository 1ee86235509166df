"""Requests for exports: stored items, their events, and sharing of equal exports."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.core.dynamodb import get_item, update_item
from oms.core.errors import ExportFinishedError, IdempotencyKeyReusedError, InvalidRequestError, NotFoundError
from oms.exports import service, sharing
from oms.exports.models import Export, UploadedPart
from oms.exports.schemas import CreateExportRequest, ExportOrdersQuery, ExportResponse
from tests.support.aws_calls import intercepted
from tests.support.database import table
from tests.support.event_bus import entries_of
from tests.support.faults import lose_answer
from tests.support.invocation import Person
from tests.support.streams import record, streamed

ADDRESS = "198.51.100.1"

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def wanted(**fields: Any) -> CreateExportRequest:
    return CreateExportRequest.model_validate({"report": "orders", **fields})


def asked(**fields: Any) -> ExportOrdersQuery:
    return ExportOrdersQuery.model_validate(fields)


def request_export(by: Person, key: str | None = None, **fields: Any) -> Export:
    return service.create_export(wanted(**fields), by=by, address=ADDRESS, key=key).value


def share_export(by: Person, **query: Any) -> Export:
    return sharing.share_export(asked(**query), by=by, address=ADDRESS)


def cancel(export: Export, by: Person) -> None:
    service.cancel(export.id, by=by, address=ADDRESS)


def end(export: Export, status: str) -> Export:
    at = clock.timestamp(clock.now())
    return update_item(
        export, [Export.status.set(status), Export.finished_at.set(at), Export.version.set(export.version + 1)]
    )


def stored() -> list[Export]:
    items = table("reports").items()
    return [Export.from_raw_data(it) for it in items if it["kind"]["S"] == "export"]


# ---- events ---------------------------------------------------------------------------------------------------------


def events_of(records: Any) -> list[str]:
    return [entry["DetailType"] for entry in entries_of(records)]


def test_a_new_export_sends_a_message_to_its_worker_and_publishes_no_event(manager: Person) -> None:
    with streamed("reports") as records:
        export = request_export(manager)

    (entry,) = entries_of(records)
    assert (entry["Source"], entry["DetailType"]) == ("oms.internal", "export.look")
    assert entry["Detail"] == f'{{"export": "{export.id}"}}'


def test_a_checkpoint_publishes_nothing_and_the_end_publishes_once_that_the_report_is_ready(manager: Person) -> None:
    export = request_export(manager)

    with streamed("reports") as records:
        update_item(export, [Export.run.add(1), Export.status.set("running"), Export.rows.set(9)])
        done = end(export, "done")
        update_item(done, [Export.version.add(1)])

    assert events_of(records) == ["report.ready"]


def test_a_cancelled_export_is_brought_to_its_worker_to_clean_up_and_a_failed_one_is_not(manager: Person) -> None:
    cancelled, failed = request_export(manager), request_export(manager)

    with streamed("reports") as records:
        cancel(cancelled, manager)
        end(failed, "failed")

    assert events_of(records) == ["export.look"]


def test_an_export_that_is_removed_publishes_nothing(manager: Person) -> None:
    request_export(manager)
    (item,) = (it for it in table("reports").items() if it["kind"]["S"] == "export")

    assert events_of([record(item, None, of="reports")]) == []


# ---- once for each key ----------------------------------------------------------------------------------------------


def test_the_same_key_is_one_export_and_another_body_is_refused(manager: Person) -> None:
    first = service.create_export(wanted(gzip=True), by=manager, address=ADDRESS, key="k")
    again = service.create_export(wanted(gzip=True), by=manager, address=ADDRESS, key="k")

    assert (first.replayed, again.replayed, again.value.id) == (False, True, first.value.id)
    with pytest.raises(IdempotencyKeyReusedError):
        service.create_export(wanted(gzip=False), by=manager, address=ADDRESS, key="k")
    assert len(stored()) == 1


def test_anothers_key_and_no_key_make_another_export(manager: Person, admin: Person) -> None:
    exports = [request_export(it, key) for it, key in ((manager, "k"), (admin, "k"), (manager, None), (manager, None))]

    assert len({it.id for it in exports}) == len(stored()) == 4


def test_an_export_whose_answer_was_lost_is_made_once_and_has_one_entry(manager: Person) -> None:
    with intercepted(lose_answer("TransactWriteItems")):
        export = request_export(manager)

    assert [it.id for it in stored()] == [export.id]
    assert len(table("audit").items()) == 1


# ---- valid requests -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"report": "inventory", "from": "2026-01-01"}, {"#/from"}),
        ({"report": "inventory", "to": "2026-01-01", "status": "pending"}, {"#/to", "#/status"}),
        ({"report": "sales", "status": "pending"}, {"#/status"}),
        ({"report": "sales", "from": "2026-01-01T10:00:00Z", "to": "2026-01-02T11:00:00Z"}, {"#/from", "#/to"}),
        ({"report": "sales", "from": "2025-01-01", "to": "2026-01-02"}, {"#/from"}),
    ],
)
def test_a_field_that_a_report_does_not_have_is_refused_at_its_place(
    manager: Person, fields: dict[str, str], pointers: set[str]
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        request_export(manager, **fields)

    assert {it["pointer"] for it in refusal.value.extra["errors"]} == pointers
    assert stored() == []


def test_sales_are_of_366_days_at_most_and_of_the_last_thirty_by_default(
    manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: clock.instant("2026-03-01T12:00:00+00:00"))

    year = request_export(manager, report="sales", **{"from": "2024-01-01", "to": "2024-12-31"})
    month = request_export(manager, report="sales")

    assert (year.from_, year.to) == ("2024-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"), "a leap year"
    assert (month.from_, month.to) == ("2026-01-31T00:00:00.000Z", "2026-03-02T00:00:00.000Z")


# ---- shared within a minute -----------------------------------------------------------------------------------------


def test_the_same_query_within_a_minute_shares_an_export(
    manager: Person, time_machine: Callable[[timedelta], None]
) -> None:
    first = share_export(manager, status="shipped")
    time_machine(timedelta(seconds=59))
    again = share_export(manager, status="shipped")
    time_machine(timedelta(seconds=2))
    later = share_export(manager, status="shipped")

    assert again.id == first.id
    assert later.id != first.id


def test_a_query_that_says_the_same_in_another_way_shares_it_too(manager: Person) -> None:
    """For each optional field, with the value that the export shows for it."""
    plain = share_export(manager)
    shown = ExportResponse.of(plain).model_dump()
    fields = {name: shown[name] for name in ("format", "bom", "columns")}
    assert fields.keys() == ExportOrdersQuery.model_fields.keys() - {"from_", "to", "status"}, "which are filters"

    assert {share_export(manager, **{name: it}).id for name, it in fields.items()} == {plain.id}
    assert share_export(manager, **fields).id == plain.id
    assert share_export(manager, status="shipped,pending").id == share_export(manager, status="pending,shipped").id


def test_another_query_and_another_user_have_exports_of_their_own(manager: Person, admin: Person) -> None:
    exports = [share_export(manager), share_export(manager, status="shipped"), share_export(admin)]

    assert len({it.id for it in exports}) == 3


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_failed_or_cancelled_export_is_not_shared(manager: Person, status: str) -> None:
    end(share_export(manager), status)

    second, third = share_export(manager), share_export(manager)

    assert second.status == "queued"
    assert third.id == second.id


def test_a_shared_export_whose_answer_was_lost_is_made_once(manager: Person) -> None:
    with intercepted(lose_answer("TransactWriteItems")):
        export = share_export(manager)

    assert [it.id for it in stored()] == [export.id]


# ---- cancelled ------------------------------------------------------------------------------------------------------


def test_an_export_is_cancelled_twice_as_well_as_once(manager: Person) -> None:
    export = request_export(manager)

    cancel(export, manager)
    cancel(export, manager)

    (it,) = stored()
    assert (it.status, it.version) == ("cancelled", 2)


def test_a_cancel_whose_answer_was_lost_has_succeeded(manager: Person) -> None:
    export = request_export(manager)

    with intercepted(lose_answer("TransactWriteItems")):
        cancel(export, manager)

    assert [it.status for it in stored()] == ["cancelled"]


@pytest.mark.parametrize("status", ["done", "failed"])
def test_a_finished_export_is_not_cancelled_also_when_that_is_seen_late(manager: Person, status: str) -> None:
    export = request_export(manager)
    end(export, status)
    with pytest.raises(ExportFinishedError):
        cancel(export, manager)
    unfinished = request_export(manager)

    def finish_meanwhile(call: Any) -> Any:
        if call.operation == "TransactWriteItems":
            end(unfinished, status)
        return call.send()

    with pytest.raises(ExportFinishedError), intercepted(finish_meanwhile):
        cancel(unfinished, manager)

    assert {it.status for it in stored()} == {status}


def test_expired_items_are_not_found_before_dynamodb_has_removed_them(
    manager: Person, time_machine: Callable[[timedelta], None]
) -> None:
    export = request_export(manager)

    time_machine(timedelta(days=30, seconds=1))

    for look in (lambda: service.get(export.id), lambda: cancel(export, manager)):
        with pytest.raises(NotFoundError):
            look()
    assert service.list_exports(limit=10, after=None).items == []
    assert get_item(Export, Export.key(export.id)) is not None


# ---- listed ---------------------------------------------------------------------------------------------------------


def test_the_list_shows_exports_as_their_own_route_does_and_reads_no_parts(manager: Person) -> None:
    export = request_export(manager, status="shipped", gzip=True, **{"from": "2026-01-01"})
    update_item(
        export, [Export.parts.set([UploadedPart(number=it, etag="e") for it in range(1, 4)]), Export.rows.set(9)]
    )
    answers = []

    def note(call: Any) -> Any:
        answers.append((call.operation, call.send()))
        return answers[-1][1]

    with intercepted(note):
        (listed,) = service.list_exports(limit=10, after=None).items

    ((table_read, items),) = [
        it for name, answer in answers if name == "BatchGetItem" for it in answer["Responses"].items()
    ]
    assert (table_read, ["parts" in it for it in items]) == ("reports", [False])
    assert ExportResponse.of(listed) == ExportResponse.of(service.get(export.id))
