"""`make restore`: which items it copies back and which not, and that no stream consumer publishes the copies."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from bookkeeper import handler as bookkeeper
from oms.commands.restore import RULES, NotRestoredError, Restore, Tally, read_plan, restore
from oms.core.dynamodb import client, put_item
from oms.core.settings import settings
from oms.events.streams import RESTORED, Change
from oms.publishing import registry
from oms.schedules.models import Schedule, ScheduleCount, ScheduleKey
from oms.webhooks.models import Replay, Subscription, SubscriptionCount
from orders import handler as orders
from tests.support.invocation import Answer, Person, invoke
from tests.support.service_keys import a_key, delete
from tests.support.streams import streamed
from tests.support.tables import create_tables
from tests.support.webhooks import a_delivery, subscribe, subscription_now

COPIES = "restored-"
DOMAINS = {domain: getattr(settings(), f"{domain.lower()}_table") for domain in RULES}

type Items = dict[str, Any]


@pytest.fixture(scope="module")
def _copies(_aws: None) -> Iterator[None]:
    create_tables(COPIES)
    yield
    for table in DOMAINS.values():
        boto3.client("dynamodb").delete_table(TableName=COPIES + table)


@pytest.fixture
def copy(cloud: None, _copies: None) -> Callable[[str], None]:
    """`copy("Orders")`: what DynamoDB would restore to this moment."""

    def take(domain: str) -> None:
        for item in items_of(DOMAINS[domain]).values():
            client().put_item(TableName=COPIES + DOMAINS[domain], Item=item)

    return take


def items_of(table: str) -> Items:
    found = client().scan(TableName=table, ConsistentRead=True)["Items"]
    return {"/".join(it[name]["S"] for name in (("pk", "sk") if "pk" in it else ("id",))): it for it in found}


def run(domain: str, *, apply: bool = True, plan: Any = None) -> tuple[Tally, list[str]]:
    lines: list[str] = []
    table = DOMAINS[domain]
    return restore(domain, COPIES + table, table, plan=plan, apply=apply, say=lines.append), lines


def copied(domain: str) -> Items:
    return items_of(COPIES + DOMAINS[domain])


def live(domain: str) -> Items:
    """Without the marks."""
    return {
        key: {name: value for name, value in it.items() if name != RESTORED}
        for key, it in items_of(DOMAINS[domain]).items()
    }


def confirm(manager: Person, order_id: str) -> None:
    moved = invoke(orders, "POST", f"/api/v1/orders/{order_id}/confirm", token=manager.token)
    assert moved.status == 200, moved.text


def put(domain: str, item: dict[str, Any], *, into_copy: bool = False) -> None:
    client().put_item(TableName=(COPIES if into_copy else "") + DOMAINS[domain], Item=item)


@pytest.fixture
def broken(
    copy: Callable[[str], None], customer: Person, manager: Person, order: Callable[..., Answer]
) -> dict[str, str]:
    """Maps each kind of difference from the earlier copy to the id of the order that has it."""
    kept, changed, missing = (str(order(customer).json["id"]) for _ in range(3))
    copy("Orders")
    copy("Inventory")
    confirm(manager, changed)
    client().delete_item(TableName=DOMAINS["Orders"], Key={"id": {"S": missing}})
    return {"kept": kept, "changed": changed, "missing": missing, "new": str(order(customer).json["id"])}


def test_without_apply_the_differences_are_named_and_nothing_is_written(broken: dict[str, str]) -> None:
    before = items_of(DOMAINS["Orders"])

    tally, lines = run("Orders", apply=False)

    assert items_of(DOMAINS["Orders"]) == before
    assert tally.found == {"missing": 1, "changed": 1, "new": 1}
    assert sorted(line.split(" ")[:2] for line in lines) == [
        ["changed", f'["{broken["changed"]}"]'],
        ["missing", f'["{broken["missing"]}"]'],
        ["new", f'["{broken["new"]}"]'],
    ]
    (changed,) = (line for line in lines if line.startswith("changed"))
    assert {"status", "version", "history"} <= set(changed.split(" ")[2:])


@pytest.mark.parametrize("domain", ["Orders", "Inventory"])
def test_a_table_is_as_it_was_and_a_second_run_finds_nothing(broken: dict[str, str], domain: str) -> None:
    assert live(domain) != copied(domain)

    run(domain)

    assert live(domain) == copied(domain)
    assert run(domain)[1] == []


def test_restored_items_are_ignored_by_the_consumers_of_the_streams(broken: dict[str, str], manager: Person) -> None:
    with streamed("orders", "inventory") as records:
        run("Orders")
        run("Inventory")
    kinds = {(it["eventName"], "NewImage" in it["dynamodb"]) for it in records}
    assert {name for name, _ in kinds} == {"INSERT", "MODIFY", "REMOVE"}
    assert any(it["eventName"] == "REMOVE" and it["dynamodb"]["Keys"].get("sk") == {"S": "stock"} for it in records)

    assert [registry.events_from_change(Change.of(it)) for it in records] == [[]] * len(records)
    assert [bookkeeper.decode(Change.of(it)) for it in records] == [None] * len(records)

    with streamed("orders") as later:
        confirm(manager, broken["changed"])
    (event,) = registry.events_from_change(Change.of(later[0]))
    assert (event.type, event.sequence) == ("order.confirmed", 2)


def test_an_item_that_changes_after_it_was_compared_is_left_as_it_is(broken: dict[str, str], manager: Person) -> None:
    table = DOMAINS["Orders"]
    copy_back = Restore(COPIES + table, table, RULES["Orders"], mark="now")
    found = {it.key[0]: it for it in copy_back.differences(Tally())}
    confirm(manager, broken["new"])
    put("Orders", copied("Orders")[broken["missing"]] | {"status": {"S": "cancelled"}})
    client().delete_item(TableName=table, Key={"id": {"S": broken["changed"]}})
    before = items_of(table)

    assert [copy_back.apply(found[broken[how]]) for how in ("new", "missing", "changed")] == [False] * 3

    assert items_of(table) == before


def test_a_plan_names_the_items_that_are_copied(broken: dict[str, str], tmp_path: Path) -> None:
    _, lines = run("Orders", apply=False)
    plan = tmp_path / "plan.txt"
    plan.write_text("\n".join(line for line in lines if line.startswith("missing")))

    tally, _ = run("Orders", plan=read_plan(plan))

    assert (tally.compared, tally.found["missing"]) == (1, 1)
    assert live("Orders")[broken["missing"]] == copied("Orders")[broken["missing"]]
    assert live("Orders")[broken["changed"]]["status"] == {"S": "confirmed"}
    assert broken["new"] in live("Orders")


@pytest.mark.parametrize("line", ["", "missing", "gone [1]", "missing [1]", "missing {}", "changed ["])
def test_a_line_that_is_none_of_a_plan_is_refused(line: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.txt"
    plan.write_text(f'missing ["A"]\n{line}\n')

    with pytest.raises(NotRestoredError, match="Line 2 of"):
        read_plan(plan)


def test_a_restored_user_is_signed_out_and_sessions_and_counts_stay(
    copy: Callable[[str], None], person: Callable[..., Person]
) -> None:
    someone = person("manager")
    key, session = f"user#{someone.id}/user", f"user#{someone.id}/session#{someone.session_id}"
    copy("Identity")
    user = items_of(DOMAINS["Identity"])[key]
    now = {"auth_epoch": {"N": "4"}, "open_orders": {"N": "7"}, "role": {"S": "customer"}}
    put("Identity", user | now)
    put("Identity", items_of(DOMAINS["Identity"])[session] | {"revoked_at": {"S": "2026-01-01T00:00:00.000000Z"}})

    run("Identity")

    after = live("Identity")
    raised = {"auth_epoch": {"N": "5"}, "devices_epoch": {"N": "1"}, "locks_epoch": {"N": "1"}}
    assert after[key] == user | raised | {"open_orders": {"N": "7"}}
    assert "revoked_at" in after[session]
    assert run("Identity")[1] == []


def test_a_service_key_is_neither_restored_nor_removed(copy: Callable[[str], None], cloud: None) -> None:
    """A key of the chosen second could have been revoked since, because others had seen it."""
    revoked = a_key("orders:read")
    copy("Identity")
    delete(revoked.id)
    a_key("orders:read")
    before = items_of(DOMAINS["Identity"])

    tally, lines = run("Identity")

    assert (items_of(DOMAINS["Identity"]), lines) == (before, [])
    assert set(tally.found.values()) == {0}


def test_the_audit_log_and_the_feed_are_only_added_to(copy: Callable[[str], None], manager: Person) -> None:
    def item(pk: str, kind: str, text: str) -> dict[str, Any]:
        return {"pk": {"S": pk}, "sk": {"S": "1"}, "kind": {"S": kind}, "text": {"S": text}}

    entry, link = item("day#2026-01-01", "entry", "then"), item("links#2026-01-01", "link", "then")
    for it in (entry, link, item("day#2026-01-02", "entry", "then")):
        put("Audit", it, into_copy=True)
    changed, added = item("day#2026-01-02", "entry", "now"), item("day#2026-01-03", "entry", "now")
    put("Audit", changed)
    put("Audit", added)

    _, lines = run("Audit")

    assert lines == ['missing ["links#2026-01-01", "1"]', 'missing ["day#2026-01-01", "1"]'], "the entry is sealed"
    found = items_of(DOMAINS["Audit"])
    assert [found[f"{it['pk']['S']}/1"] for it in (entry, link, changed, added)] == [entry, link, changed, added]
    assert RULES["Events"].adds_only


def a_replay(subscription: Subscription, position: str) -> Replay:
    due = {"due_at": 1, "due_shard": "replays", "due_key": "1"}
    times = {"started_at": "2026-01-01T00:00:00.000000Z", "expires_at": 9_700_000_000}
    replay = Replay(
        *Replay.key(subscription.id), id="R1", position=position, last="delivery#9", only_failed=False, **due, **times
    )
    put_item(replay)
    return replay


def remove(item: Any) -> None:
    client().delete_item(TableName=DOMAINS["Webhooks"], Key={name: {"S": getattr(item, name)} for name in ("pk", "sk")})


def test_subscriptions_go_back_and_deliveries_and_replays_stay(copy: Callable[[str], None], manager: Person) -> None:
    kept, gone = subscribe("order.*"), subscribe("user.*")
    put_item(SubscriptionCount(*SubscriptionCount.key(), n=2))
    waiting = {"status": "pending", "due_at": 1, "due_shard": "shard", "due_key": "key"}
    delivered, removed = a_delivery(kept, **waiting), a_delivery(kept, **waiting)
    a_replay(kept, "delivery#1")
    a_replay(gone, "delivery#1")
    copy("Webhooks")
    put_item(Subscription(**subscription_now(kept).attribute_values | {"events": ["product.*"], "version": 2}))
    remove(gone)
    made = subscribe("stock.*")
    put_item(SubscriptionCount(*SubscriptionCount.key(), n=7))
    for name in ("due_at", "due_shard", "due_key"):
        setattr(delivered, name, None)
    delivered.status = "delivered"
    put_item(delivered)
    remove(removed)
    a_delivery(kept, **waiting)
    a_delivery(made)
    a_replay(kept, "delivery#5")
    remove(a_replay(gone, "delivery#5"))
    before = {key: it for key, it in live("Webhooks").items() if key.startswith("sub#")}

    _, lines = run("Webhooks")

    after = live("Webhooks")
    assert {key: it for key, it in after.items() if key.startswith("sub#")} == before
    back = {"pace"}  # an attempt finds it out again
    assert {key: it for key, it in after.items() if key not in before} == {
        key: {name: value for name, value in it.items() if name not in back}
        for key, it in copied("Webhooks").items()
        if not key.startswith("sub#")
    }
    assert sorted(line.split(" ")[0] for line in lines) == ["changed", "changed", "missing", "new"]
    assert run("Webhooks")[1] == []


def test_a_subscription_goes_back_without_the_findings_of_attempts(copy: Callable[[str], None], cloud: None) -> None:
    failing = {"failing_since": "2025-01-01T00:00:00.000000Z", "pace": "slow", "probed_until": 5}
    same, changed, gone = (subscribe(**failing) for _ in range(3))
    copy("Webhooks")
    put_item(Subscription(**same.attribute_values | {"pace": "quick", "failing_since": None}))
    put_item(Subscription(**changed.attribute_values | {"url": "https://wrong.example", "pace": "quick"}))
    remove(gone)

    _, lines = run("Webhooks")

    assert sorted(line.split(" ")[0] for line in lines) == ["changed", "missing"]
    assert subscription_now(same).pace == "quick"
    for it in (changed, gone):
        after = subscription_now(it)
        assert (after.url, after.failing_since, after.pace, after.probed_until) == (it.url, None, None, None)


def test_a_subscription_that_goes_back_to_disabled_is_no_news(copy: Callable[[str], None], cloud: None) -> None:
    disabled, gone = (subscribe(status="disabled", disabled_reason="gone") for _ in range(2))
    copy("Webhooks")
    put_item(Subscription(**disabled.attribute_values | {"status": "active", "version": 2}))
    remove(gone)
    subscribe()

    with streamed("webhooks") as records:
        run("Webhooks")

    assert {it["eventName"] for it in records} == {"INSERT", "MODIFY", "REMOVE"}
    assert [registry.events_from_change(Change.of(it)) for it in records] == [[]] * len(records)


def a_schedule(schedule_id: str, covered_until: str = "2026-01-01T00:00:00.000000Z", **fields: Any) -> Schedule:
    values = {"id": schedule_id, "report": "sales", "expression": "rate(1 day)", "recipients": ["M1"]} | fields
    at = "2026-01-01T00:00:00.000000Z"
    schedule = Schedule(
        *Schedule.key(schedule_id), **values, covered_until=covered_until, created_at=at, created_by="M1"
    )
    put_item(schedule)
    return schedule


def test_of_the_reports_schedules_go_back_and_exports_and_sums_stay(copy: Callable[[str], None], cloud: None) -> None:
    def item(pk: str, kind: str, status: str) -> dict[str, Any]:
        return {"pk": {"S": pk}, "sk": {"S": kind}, "kind": {"S": kind}, "status": {"S": status}}

    a_schedule("same")
    a_schedule("wrong")
    gone = a_schedule("gone")
    put_item(ScheduleCount(*ScheduleCount.key(), n=3))
    key = ScheduleKey(*ScheduleKey.key("K"), schedule_id="gone", request_hash="v1:")
    put_item(key)
    for kind in ("export", "recent", "sum"):
        put("Reports", item(f"{kind}#missing", kind, "running"), into_copy=True)
        put("Reports", item(f"{kind}#changed", kind, "running"), into_copy=True)
    copy("Reports")
    others = [item(f"{kind}#{it}", kind, "done") for kind in ("export", "recent", "sum") for it in ("changed", "new")]
    for it in others:
        put("Reports", it)
    for deleted in (gone, key):
        client().delete_item(TableName=DOMAINS["Reports"], Key={"pk": {"S": deleted.pk}, "sk": {"S": deleted.sk}})
    later = "2026-02-01T00:00:00.000000Z"
    a_schedule("same", later)
    a_schedule("wrong", later, expression="rate(1 hour)")
    a_schedule("new")

    with streamed("reports") as records:
        _, lines = run("Reports")

    assert sorted(line.split(" ")[0] for line in lines) == ["changed", "missing", "missing", "new"]
    after = live("Reports")
    assert {key: after.pop(key) for key in [key for key in after if not key.startswith("schedule")]} == {
        f"{it['pk']['S']}/{it['sk']['S']}": it for it in others
    }
    expected = copied("Reports")
    for name in ("same", "wrong"):
        expected[f"schedules/{name}"]["covered_until"] = {"S": later}  # the days of a run are not reported twice
    assert after == {key: it for key, it in expected.items() if key.startswith("schedule")}
    looks = [json.loads(it.text()) for record in records for it in registry.events_from_change(Change.of(record))]
    assert sorted(it["schedule"] for it in looks) == ["gone", "new"]


def test_an_expired_item_is_not_put_back(copy: Callable[[str], None], cloud: None) -> None:
    ended = {"pk": {"S": "day#1"}, "sk": {"S": "1"}, "kind": {"S": "row"}, "ttl": {"N": "1700000000"}}
    lasting = {"pk": {"S": "day#2"}, "sk": {"S": "1"}, "kind": {"S": "row"}, "ttl": {"N": "9700000000"}}
    for it in (ended, lasting):
        put("Events", it, into_copy=True)

    run("Events")

    assert items_of(DOMAINS["Events"]) == {"day#2/1": lasting}


def test_a_table_that_is_not_a_restored_one_of_the_domain_is_refused(
    copy: Callable[[str], None], manager: Person
) -> None:
    orders_table = DOMAINS["Orders"]
    for source, why in (
        (orders_table, "the stage's own table"),
        ("restored-nothing", "There is no table"),
        (COPIES + DOMAINS["Identity"], "has other keys"),
    ):
        with pytest.raises(NotRestoredError, match=why):
            Restore(source, orders_table, RULES["Orders"], mark="now")
