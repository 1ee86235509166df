"""Cases of transactions."""

from typing import Any

from tests.support.dynamodb_cases.backend import PAIRS, SINGLES, Backend, Item, case, key_of, new_key, refused, spelled


def put(item: Item, table: str = PAIRS, **options: Any) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": item, **spelled(**options)}}


def update(item: Item, expression: str, **options: Any) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": PAIRS,
            "Key": key_of(item),
            "UpdateExpression": expression,
            **spelled(**options),
        }
    }


def delete(item: Item, **options: Any) -> dict[str, Any]:
    return {"Delete": {"TableName": PAIRS, "Key": key_of(item), **spelled(**options)}}


def check(item: Item, condition: str, **options: Any) -> dict[str, Any]:
    return {
        "ConditionCheck": {
            "TableName": PAIRS,
            "Key": key_of(item),
            "ConditionExpression": condition,
            **spelled(**options),
        }
    }


def stored(db: Backend, *attributes: dict[str, Any]) -> list[Item]:
    items = [new_key() | its for its in attributes]
    for item in items:
        db.put(item)
    return items


def codes(reasons: list[dict[str, Any]]) -> list[str]:
    return [reason["Code"] for reason in reasons]


@case
def a_transaction_does_all(db: Backend) -> None:
    changed, gone, checked = stored(db, {"n": {"N": "1"}}, {}, {"a": {"S": "1"}})
    fresh, single = new_key() | {"a": {"S": "new"}}, {"id": new_key()["pk"]}

    db.transact(
        put(fresh, ConditionExpression="attribute_not_exists(pk)"),
        put(single, SINGLES),
        update(changed, "SET n = n + :v", values={"v": {"N": "2"}}, ConditionExpression="n < :v"),
        delete(gone, ConditionExpression="attribute_exists(pk)"),
        check(checked, "a = :v", values={"v": {"S": "1"}}),
    )

    assert db.stored(fresh) == fresh
    assert db.stored(single, SINGLES) == single
    assert db.stored(changed) == changed | {"n": {"N": "3"}}
    assert db.stored(gone) is None
    assert db.stored(checked) == checked


@case
def a_transaction_does_all_or_nothing(db: Backend) -> None:
    one, two = stored(db, {"n": {"N": "1"}}, {"n": {"N": "1"}})
    fresh = new_key()

    reasons = db.cancelled(
        put(fresh),
        update(one, "SET n = :v", values={"v": {"N": "2"}}),
        update(two, "SET n = :v", values={"v": {"N": "2"}}, ConditionExpression="n > :v"),
        delete(new_key()),
    )

    assert codes(reasons) == ["None", "None", "ConditionalCheckFailed", "None"]
    assert db.stored(fresh) is None
    assert db.stored(one) == one


@case
def every_operation_that_fails_has_its_reason(db: Backend) -> None:
    one, two = stored(db, {"n": {"N": "1"}}, {"n": {"N": "2"}})

    reasons = db.cancelled(
        check(one, "n = :v", values={"v": {"N": "9"}}),
        put(new_key()),
        delete(two, ConditionExpression="attribute_not_exists(pk)"),
    )

    assert codes(reasons) == ["ConditionalCheckFailed", "None", "ConditionalCheckFailed"]


@case
def a_reason_shows_the_item_on_request(db: Backend) -> None:
    one, two = stored(db, {"n": {"N": "1"}}, {"n": {"N": "2"}})
    show = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}

    reasons = db.cancelled(
        put(one, ConditionExpression="attribute_not_exists(pk)", **show),
        put(two, ConditionExpression="attribute_not_exists(pk)"),
        update(new_key(), "SET a = :v", values={"v": {"N": "2"}}, ConditionExpression="attribute_exists(pk)", **show),
    )

    assert reasons[0]["Item"] == one
    assert "Item" not in reasons[1]
    assert not reasons[2].get("Item")


@case
def an_update_that_does_not_fit_the_item_is_a_reason(db: Backend) -> None:
    (one,) = stored(db, {"s": {"S": "text"}})
    fresh = new_key()

    for expression, values in (
        ("SET s = s + :v", {"v": {"N": "1"}}),
        ("SET n = absent + :v", {"v": {"N": "1"}}),
        ("SET s.x = :v", {"v": {"N": "1"}}),
        ("SET kind = :v", {"v": {"N": "1"}}),
    ):
        reasons = db.cancelled(put(fresh), update(one, expression, values=values))
        assert codes(reasons) == ["None", "ValidationError"], expression
    assert db.stored(fresh) is None


@case
def an_invalid_request_is_refused_whole(db: Backend) -> None:
    for wrong in (
        put({"pk": {"S": "a"}}),
        put(new_key(), ConditionExpression="status = :v", values={"v": {"S": "a"}}),
        update(new_key(), "SET pk = :v", values={"v": {"S": "a"}}),
        update(new_key(), "SET a = :v", values={"v": {"S": "a"}, "w": {"S": "b"}}),
    ):
        with refused():
            db.transact(put(new_key()), wrong)


@case
def a_transaction_has_one_operation_on_an_item(db: Backend) -> None:
    item = new_key()

    for other in (put(item), delete(item), check(item, "attribute_exists(pk)")):
        with refused():
            db.transact(update(item, "SET a = :v", values={"v": {"S": "1"}}), other)
    assert db.stored(item) is None


@case
def a_transaction_has_100_operations_at_most(db: Backend) -> None:
    items = [new_key() for _ in range(101)]

    with refused():
        db.transact(*map(put, items))
    db.transact(*map(put, items[:100]))

    assert db.stored(items[99]) == items[99]
    assert db.stored(items[100]) is None


@case
def a_transaction_has_4_mb_at_most(db: Backend) -> None:
    items = [new_key() | {"text": {"S": "a" * 390_000}} for _ in range(11)]

    db.transact(*map(put, items[:10]))
    with refused():
        db.transact(*map(put, items))

    assert db.stored(items[10]) is None


@case
def conditions_see_the_items_as_they_were(db: Backend) -> None:
    one, two = new_key(), new_key()

    db.transact(
        put(one, ConditionExpression="attribute_not_exists(pk)"),
        update(two, "SET a = :v", values={"v": {"S": "1"}}, ConditionExpression="attribute_not_exists(a)"),
    )

    assert db.stored(two) == two | {"a": {"S": "1"}}


@case
def a_transaction_reads_all_at_once(db: Backend) -> None:
    (one,) = stored(db, {"a": {"S": "1"}, "b": {"S": "2"}})

    answers = db.call(
        "TransactGetItems",
        {
            "TransactItems": [
                {"Get": {"TableName": PAIRS, "Key": key_of(one), "ProjectionExpression": "b"}},
                {"Get": {"TableName": PAIRS, "Key": new_key()}},
            ]
        },
    )["Responses"]

    assert answers[0] == {"Item": {"b": {"S": "2"}}}
    assert not answers[1].get("Item")


@case
def a_write_of_a_transaction_takes_twice_the_units(db: Backend) -> None:
    answer = db.transact(put(new_key() | {"a": {"S": "a" * 1500}}), ReturnConsumedCapacity="TOTAL")

    (consumed,) = answer["ConsumedCapacity"]
    assert consumed["CapacityUnits"] == 4


@case
def a_batch_of_writes_takes_25(db: Backend) -> None:
    items = [new_key() for _ in range(26)]
    requests = [{"PutRequest": {"Item": item}} for item in items]

    db.call("BatchWriteItem", {"RequestItems": {PAIRS: requests[:25]}})
    with refused():
        db.call("BatchWriteItem", {"RequestItems": {PAIRS: requests}})
    with refused():
        db.call("BatchWriteItem", {"RequestItems": {PAIRS: [requests[0], requests[0]]}})
    db.call("BatchWriteItem", {"RequestItems": {PAIRS: [{"DeleteRequest": {"Key": items[0]}}]}})

    assert db.stored(items[0]) is None
    assert db.stored(items[24]) == items[24]
