"""Cases of single items: stored values, refusals, returned values."""

from typing import Any

import pytest

from tests.support.dynamodb_cases.backend import NUMBERS, PAIRS, SINGLES, Backend, case, new_key, refused

EVERY_TYPE: dict[str, Any] = {
    "text": {"S": "ünï"},
    "empty": {"S": ""},
    "number": {"N": "-12.5"},
    "bytes": {"B": b"\x00\xff"},
    "truth": {"BOOL": False},
    "nothing": {"NULL": True},
    "list": {"L": [{"S": "a"}, {"N": "1"}, {"L": []}]},
    "map": {"M": {"a": {"M": {}}, "b": {"S": "c"}}},
}


@case
def an_item_is_read_as_it_was_put(db: Backend) -> None:
    item = new_key() | EVERY_TYPE

    db.put(item)

    assert db.stored(item) == item


@case
def sets_have_no_order(db: Backend) -> None:
    item = new_key() | {"texts": {"SS": ["b", "a"]}, "numbers": {"NS": ["2", "10"]}, "bytes": {"BS": [b"b", b"a"]}}

    db.put(item)

    found = db.stored(item)
    assert found
    for name, kind in (("texts", "SS"), ("numbers", "NS"), ("bytes", "BS")):
        assert {*found[name][kind]} == {*item[name][kind]}


@case
def an_item_that_is_not_there_is_no_error(db: Backend) -> None:
    key = new_key()

    assert db.stored(key) is None
    db.call("DeleteItem", {"TableName": PAIRS, "Key": key})


@case
def a_put_replaces_the_whole_item(db: Backend) -> None:
    key = new_key()
    db.put(key | {"a": {"S": "1"}, "b": {"S": "1"}})

    before = db.put(key | {"a": {"S": "2"}}, ReturnValues="ALL_OLD")

    assert before["Attributes"] == key | {"a": {"S": "1"}, "b": {"S": "1"}}
    assert db.stored(key) == key | {"a": {"S": "2"}}


@case
def a_delete_hands_back_the_item(db: Backend) -> None:
    item = new_key() | {"a": {"S": "1"}}
    db.put(item)

    before = db.call(
        "DeleteItem", {"TableName": PAIRS, "Key": {it: item[it] for it in ("pk", "sk")}, "ReturnValues": "ALL_OLD"}
    )

    assert before["Attributes"] == item
    assert db.stored(item) is None


@case
def numbers_lose_needless_zeros(db: Backend) -> None:
    item = new_key() | {"a": {"N": "1.50"}, "b": {"N": "007"}, "c": {"N": "1e3"}, "d": {"N": "-0"}}

    db.put(item)

    found = db.stored(item)
    assert found
    assert [found[name]["N"] for name in "abcd"] == ["1.5", "7", "1000", "0"]


@case
def a_number_has_38_digits_at_most(db: Backend) -> None:
    key = new_key()
    db.put(key | {"a": {"N": "9" * 38}, "b": {"N": "0." + "1" * 38}, "c": {"N": "1" + "0" * 60}})

    with refused():
        db.put(key | {"a": {"N": "9" * 39}})
    with refused():
        db.put(key | {"a": {"N": "1." + "1" * 38}})


@case
def a_number_has_a_range(db: Backend) -> None:
    key = new_key()
    db.put(key | {"a": {"N": "9.99e125"}, "b": {"N": "1e-130"}})

    for number in ("1e126", "1e-131", "one", "", "1_000", "NaN", "Infinity"):
        with refused():
            db.put(key | {"a": {"N": number}})


@case
def a_set_is_never_empty_and_has_nothing_twice(db: Backend) -> None:
    for value in ({"SS": []}, {"NS": []}, {"SS": ["a", "a"]}, {"NS": ["1", "1.0"]}):
        with refused():
            db.put(new_key() | {"a": value})


@case
def an_item_lacks_no_key(db: Backend) -> None:
    for item in ({"pk": {"S": "a"}}, {"sk": {"S": "a"}}, {"pk": {"S": "a"}, "sk": {"N": "1"}}):
        with refused():
            db.put(item)


@case
def a_key_is_exactly_the_tables_key(db: Backend) -> None:
    key = new_key()

    for wrong in ({"pk": key["pk"]}, key | {"more": {"S": "a"}}, key | {"sk": {"N": "1"}}, {"id": {"S": "a"}}):
        with refused():
            db.call("GetItem", {"TableName": PAIRS, "Key": wrong})


@case
def a_key_is_no_empty_string(db: Backend) -> None:
    for wrong in ({"pk": {"S": ""}}, {"sk": {"S": ""}}):
        with refused():
            db.put(new_key() | wrong)
        with refused():
            db.call("GetItem", {"TableName": PAIRS, "Key": new_key() | wrong})


@case
def a_partition_key_has_2048_bytes_at_most(db: Backend) -> None:
    db.put({"id": {"S": "é" * 1024}}, SINGLES)

    with refused():
        db.put({"id": {"S": "é" * 1024 + "a"}}, SINGLES)
    with refused():
        db.call("GetItem", {"TableName": SINGLES, "Key": {"id": {"S": "a" * 2049}}})


@case
def a_sort_key_has_1024_bytes_at_most(db: Backend) -> None:
    db.put(new_key("é" * 512))

    with refused():
        db.put(new_key("é" * 512 + "a"))


@case
def a_key_of_an_index_has_its_type_and_is_not_empty(db: Backend) -> None:
    for wrong in ({"kind": {"N": "1"}}, {"rank": {"S": "1"}}, {"kind": {"S": ""}}, {"label": {"S": ""}}):
        with refused():
            db.put(new_key() | wrong)


@case
def a_key_of_an_index_has_the_size_of_a_key(db: Backend) -> None:
    db.put(new_key() | {"kind": {"S": "a" * 2048}, "rank": {"N": "1"}})

    with refused():
        db.put(new_key() | {"kind": {"S": "a" * 2049}, "rank": {"N": "1"}})
    with refused():
        db.put(new_key() | {"kind": {"S": "a"}, "label": {"S": "a" * 1025}})


@case
def an_update_minds_the_keys_of_indexes(db: Backend) -> None:
    item = new_key()
    db.put(item)

    for value in ({"N": "1"}, {"S": ""}, {"S": "a" * 2049}):
        with refused():
            db.update(item, "SET kind = :v", values={"v": value})
    assert db.stored(item) == item


@case
def an_item_has_400_kb_at_most(db: Backend) -> None:
    """Names and values together, in bytes of UTF-8."""
    key = {"id": {"S": "k" * 98}}  # 100 with its name
    room = 400 * 1024 - 100 - len("text")
    db.put(key | {"text": {"S": "a" * room}}, SINGLES)

    with refused():
        db.put(key | {"text": {"S": "a" * (room + 1)}}, SINGLES)
    with refused():
        db.put(key | {"text": {"S": "é" * (room // 2 + 1)}}, SINGLES)


@case
def an_update_may_not_make_an_item_too_large(db: Backend) -> None:
    item = new_key() | {"a": {"S": "a" * 300_000}}
    db.put(item)

    with refused():
        db.update(item, "SET b = :v", values={"v": {"S": "b" * 120_000}})

    assert db.stored(item) == item


@case
def maps_and_lists_take_bytes_of_their_own(db: Backend) -> None:
    """3 for each, and 1 for each element."""
    key = {"id": {"S": "k" * 98}}
    rows = 100_000
    fixed = 100 + len("rows") + 3
    each = 1 + 1  # its own, and that of the boolean in it
    rest = 400 * 1024 - fixed - rows * each - len("text")
    rows_there = {"rows": {"L": [{"BOOL": True}] * rows}}
    db.put(key | rows_there | {"text": {"S": "a" * rest}}, SINGLES)

    with refused():
        db.put(key | rows_there | {"text": {"S": "a" * (rest + 1)}}, SINGLES)


@case
def documents_have_32_levels_at_most(db: Backend) -> None:
    def nested(levels: int) -> dict[str, Any]:
        return {"L": [nested(levels - 1)]} if levels else {"S": "a"}

    db.put(new_key() | {"a": nested(31)})

    with refused():
        db.put(new_key() | {"a": nested(33)})


@case
def a_failed_condition_stores_nothing(db: Backend) -> None:
    item = new_key() | {"a": {"S": "1"}}
    db.put(item)

    with refused("ConditionalCheckFailedException"):
        db.put(item | {"a": {"S": "2"}}, ConditionExpression="attribute_not_exists(pk)")

    assert db.stored(item) == item


@case
def a_failed_condition_shows_the_item_on_request(db: Backend) -> None:
    item = new_key() | {"a": {"S": "1"}}
    db.put(item)
    asked = {"ConditionExpression": "attribute_not_exists(pk)"}

    with refused("ConditionalCheckFailedException") as plain:
        db.put(item, **asked)
    with refused("ConditionalCheckFailedException") as shown:
        db.put(item, **asked, ReturnValuesOnConditionCheckFailure="ALL_OLD")

    assert "Item" not in plain.value.response
    assert shown.value.response["Item"] == item


@case
def a_failed_condition_shows_nothing_where_nothing_is(db: Backend) -> None:
    with refused("ConditionalCheckFailedException") as caught:
        db.put(
            new_key(),
            ConditionExpression="attribute_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    assert "Item" not in caught.value.response


@case
def a_read_may_be_of_some_attributes(db: Backend) -> None:
    key = new_key()
    db.put(
        key
        | {"a": {"S": "1"}, "b": {"S": "2"}, "m": {"M": {"x": {"S": "3"}, "y": {"S": "4"}}}}
        | {"l": {"L": [{"S": "5"}, {"S": "6"}, {"S": "7"}]}}
    )

    found = db.call(
        "GetItem",
        {
            "TableName": PAIRS,
            "Key": key,
            "ProjectionExpression": "a, m.x, l[2], l[0], absent, #n",
            "ExpressionAttributeNames": {"#n": "b"},
        },
    )["Item"]

    assert found == {
        "a": {"S": "1"},
        "b": {"S": "2"},
        "m": {"M": {"x": {"S": "3"}}},
        "l": {"L": [{"S": "5"}, {"S": "7"}]},
    }


@case
def a_projection_has_no_paths_that_overlap(db: Backend) -> None:
    for paths in ("a, a", "m, m.x", "l[0], l[0].x"):
        with refused():
            db.call("GetItem", {"TableName": PAIRS, "Key": new_key(), "ProjectionExpression": paths})


@case
def a_table_that_is_not_there_is_not_found(db: Backend) -> None:
    with refused("ResourceNotFoundException"):
        db.put(new_key(), "no-such-table")
    with refused("ResourceNotFoundException"):
        db.call("DescribeTable", {"TableName": "no-such-table"})


@case
def a_put_hands_back_no_new_values(db: Backend) -> None:
    with refused():
        db.put(new_key(), ReturnValues="ALL_NEW")


@case
def units_are_counted_by_size(db: Backend) -> None:
    key = {"id": {"S": "units"}}

    written = db.put(key | {"a": {"S": "a" * 2000}}, SINGLES, ReturnConsumedCapacity="TOTAL")
    less = db.put(key, SINGLES, ReturnConsumedCapacity="TOTAL")
    db.put(key | {"a": {"S": "a" * 5000}}, SINGLES)
    read = db.call("GetItem", {"TableName": SINGLES, "Key": key, "ReturnConsumedCapacity": "TOTAL"})
    sure = db.call(
        "GetItem", {"TableName": SINGLES, "Key": key, "ConsistentRead": True, "ReturnConsumedCapacity": "TOTAL"}
    )

    units = [it["ConsumedCapacity"]["CapacityUnits"] for it in (written, less, read, sure)]
    assert units == [2, 2, 1, 2]


@case
def units_are_counted_for_indexes_too(db: Backend) -> None:
    item = new_key() | {"kind": {"S": "units"}, "rank": {"N": "1"}}

    put = db.put(item, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    moved = db.put(item | {"rank": {"N": "2"}}, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    same = db.put(item | {"rank": {"N": "2"}, "a": {"S": "b"}}, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]

    assert (put["CapacityUnits"], put["GlobalSecondaryIndexes"]["keys"]["CapacityUnits"]) == (2, 1)
    assert (moved["CapacityUnits"], moved["GlobalSecondaryIndexes"]["keys"]["CapacityUnits"]) == (3, 2)
    assert same["CapacityUnits"] == 1


@case
def what_an_answer_holds_is_a_copy(db: Backend) -> None:
    item = new_key() | {"m": {"M": {"a": {"L": [{"S": "1"}]}}}}
    db.put(item)

    found = db.stored(item)
    assert found
    found["m"]["M"]["a"]["L"].append({"S": "2"})
    item["m"]["M"]["a"]["L"].clear()

    assert db.stored(item) == item | {"m": {"M": {"a": {"L": [{"S": "1"}]}}}}


@case
def a_sort_key_may_be_a_number(db: Backend) -> None:
    pk = new_key()["pk"]
    for number in ("10", "9", "-1", "1.5"):
        db.put({"pk": pk, "sk": {"N": number}}, NUMBERS)

    found = db.query("pk = :p", NUMBERS, values={"p": pk})["Items"]

    assert [it["sk"]["N"] for it in found] == ["-1", "1.5", "9", "10"]


@case
def a_value_has_one_type(db: Backend) -> None:
    for value in ({}, {"S": "a", "N": "1"}, {"NULL": False}):
        with pytest.raises(Exception):  # noqa: B017, PT011 - botocore refuses some of it before it is sent
            db.put(new_key() | {"a": value})
