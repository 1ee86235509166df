"""The tests' DynamoDB beyond AWS's interface: restoring a mark, streams, and access without the API."""

import threading
from typing import Any

import pytest

from tests.support.dynamodb.database import Database
from tests.support.dynamodb.errors import RefusedError
from tests.support.dynamodb_cases.backend import PAIRS, Backend, new_key, spelled


@pytest.fixture
def database() -> Database:
    made = Database(clock=lambda: 1_800_000_000.5)
    Backend("ours", made.execute).create_tables()
    return made


def put(database: Database, item: dict[str, Any]) -> None:
    database.execute("PutItem", {"TableName": PAIRS, "Item": item})


def in_index(database: Database, kind: str) -> list[Any]:
    asked = spelled(values={"k": {"S": kind}}, TableName=PAIRS, IndexName="keys", KeyConditionExpression="kind = :k")
    return [item["sk"]["S"] for item in database.execute("Query", asked)["Items"]]


def test_a_mark_leads_back_to_items_and_indexes_as_they_were(database: Database) -> None:
    kind = {"kind": {"S": "k"}}
    kept, changed, gone = new_key("kept"), new_key("changed"), new_key("gone")
    for number, item in enumerate((kept, changed, gone)):
        put(database, item | kind | {"rank": {"N": str(number)}})
    before, mark = database.table(PAIRS).items(), database.snapshot()

    put(database, changed | kind | {"rank": {"N": "-1"}})
    put(database, new_key("new") | kind | {"rank": {"N": "9"}})
    database.execute("DeleteItem", {"TableName": PAIRS, "Key": gone})
    assert in_index(database, "k") == ["changed", "kept", "new"]
    database.restore(mark)

    assert database.table(PAIRS).items() == before
    assert in_index(database, "k") == ["kept", "changed", "gone"]
    assert len(database.records()) == 3


def test_a_stream_has_each_change_with_both_images(database: Database) -> None:
    key = new_key()
    put(database, key | {"a": {"B": b"\x00"}})
    put(database, key | {"a": {"B": b"\x00"}})  # changes nothing, so it has no record
    put(database, key | {"a": {"S": "2"}})
    database.table(PAIRS).put(new_key())  # without the API
    database.execute("DeleteItem", {"TableName": PAIRS, "Key": key})

    records = database.records()

    assert [it["eventName"] for it in records] == ["INSERT", "MODIFY", "REMOVE"]
    changes = [it["dynamodb"] for it in records]
    assert changes[1]["OldImage"] == key | {"a": {"B": "AA=="}}
    assert changes[1]["NewImage"] == key | {"a": {"S": "2"}}
    assert "NewImage" not in changes[2]
    numbers = [int(it["SequenceNumber"]) for it in changes]
    assert numbers == sorted({*numbers})
    assert {it["ApproximateCreationDateTime"] for it in changes} == {1_800_000_000.0}


def test_a_cancelled_transaction_makes_no_record(database: Database) -> None:
    operations = [
        {"Put": {"TableName": PAIRS, "Item": new_key()}},
        {"ConditionCheck": {"TableName": PAIRS, "Key": new_key(), "ConditionExpression": "attribute_exists(pk)"}},
    ]

    with pytest.raises(RefusedError):
        database.execute("TransactWriteItems", {"TransactItems": operations})

    assert database.records() == []
    assert database.table(PAIRS).items() == []


def test_unknown_parameters_are_not_ignored(database: Database) -> None:
    with pytest.raises(NotImplementedError, match="Expected"):
        database.execute("PutItem", {"TableName": PAIRS, "Item": new_key(), "Expected": {}})
    with pytest.raises(NotImplementedError, match="ExportTableToPointInTime"):
        database.execute("ExportTableToPointInTime", {})


def test_threads_lose_no_update(database: Database) -> None:
    key = new_key()
    counted = spelled(
        values={"one": {"N": "1"}}, TableName=PAIRS, Key=key, UpdateExpression="SET n = if_not_exists(n, :one) + :one"
    )

    def count() -> None:
        for _ in range(200):
            database.execute("UpdateItem", counted)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = database.table(PAIRS).get(key["pk"]["S"], key["sk"]["S"])
    assert found
    assert found["n"] == {"N": "1601"}
