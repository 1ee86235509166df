"""Cases of Query, Scan and BatchGetItem."""

from typing import Any

import pytest

from tests.support.dynamodb_cases.backend import NUMBERS, PAIRS, SINGLES, Backend, Item, case, new_key, refused


def fill(db: Backend, *sort_keys: str, **attributes: Any) -> Item:
    """Items with these sort keys in one partition: its key."""
    pk = new_key()["pk"]
    for sort in sort_keys:
        db.put({"pk": pk, "sk": {"S": sort}, **attributes})
    return {"p": pk}


def sorts(answer: Any) -> list[str]:
    return [item["sk"]["S"] for item in answer["Items"]]


@case
def a_query_is_in_the_order_of_the_bytes(db: Backend) -> None:
    values = fill(db, "b", "a", "é", "Z", "\U0001f600", "\uffee", "a#1", "a")

    assert sorts(db.query("pk = :p", values=values)) == ["Z", "a", "a#1", "b", "é", "\uffee", "\U0001f600"]
    assert sorts(db.query("pk = :p", values=values, ScanIndexForward=False))[:2] == ["\U0001f600", "\uffee"]


@case
def a_query_has_a_condition_on_the_sort_key(db: Backend) -> None:
    values = fill(db, "a", "b", "b#1", "b#2", "c")
    bound = values | {"v": {"S": "b"}}

    assert sorts(db.query("pk = :p AND sk = :v", values=bound)) == ["b"]
    assert sorts(db.query("pk = :p AND sk < :v", values=bound)) == ["a"]
    assert sorts(db.query("pk = :p AND sk <= :v", values=bound)) == ["a", "b"]
    assert sorts(db.query("pk = :p AND sk > :v", values=bound)) == ["b#1", "b#2", "c"]
    assert sorts(db.query("pk = :p AND sk >= :v", values=bound)) == ["b", "b#1", "b#2", "c"]
    assert sorts(db.query("pk = :p AND begins_with(sk, :v)", values=bound)) == ["b", "b#1", "b#2"]
    between = db.query("pk = :p AND sk BETWEEN :v AND :w", values=bound | {"w": {"S": "b#1"}})
    assert sorts(between) == ["b", "b#1"]
    assert sorts(db.query("#p = :p and (sk = :v)", names={"p": "pk"}, values=bound)) == ["b"]


@case
def a_query_takes_no_other_condition(db: Backend) -> None:
    values = {"p": {"S": "p"}, "v": {"S": "b"}}

    for condition in (
        "",
        "sk = :v AND begins_with(pk, :p)",
        "pk < :p AND sk = :v",
        "pk = :p OR sk = :v",
        "pk = :p AND NOT sk = :v",
        "pk = :p AND sk <> :v",
        "pk = :p AND sk IN (:v)",
        "pk = :p AND other = :v",
        "pk = :p AND pk = :v",
        "pk = :p AND contains(sk, :v)",
        "pk = :p AND sk >= :v AND sk <= :v",
    ):
        with refused():
            db.query(condition, values=values)


@case
def a_condition_on_keys_has_their_types(db: Backend) -> None:
    with refused():
        db.query("pk = :p", values={"p": {"N": "1"}})
    with refused():
        db.query("pk = :p AND sk = :v", NUMBERS, values={"p": {"S": "p"}, "v": {"S": "1"}})
    with refused():
        db.query("pk = :p AND begins_with(sk, :v)", NUMBERS, values={"p": {"S": "p"}, "v": {"N": "1"}})


@case
def a_condition_on_keys_minds_their_limits(db: Backend) -> None:
    for values in (
        {"p": {"S": ""}, "v": {"S": "a"}},
        {"p": {"S": "p" * 2049}, "v": {"S": "a"}},
        {"p": {"S": "p"}, "v": {"S": "a" * 1025}},
    ):
        with refused():
            db.query("pk = :p AND sk = :v", values=values)


@case
def bounds_are_in_their_order(db: Backend) -> None:
    with refused():
        db.query("pk = :p AND sk BETWEEN :v AND :w", values={"p": {"S": "p"}, "v": {"S": "b"}, "w": {"S": "a"}})


@case
def a_limit_ends_a_page_and_names_its_last_key(db: Backend) -> None:
    values = fill(db, "a", "b", "c")

    first = db.query("pk = :p", values=values, Limit=2)
    second = db.query("pk = :p", values=values, Limit=2, ExclusiveStartKey=first["LastEvaluatedKey"])

    assert (sorts(first), sorts(second)) == (["a", "b"], ["c"])
    assert first["LastEvaluatedKey"] == {"pk": values["p"], "sk": {"S": "b"}}
    assert "LastEvaluatedKey" not in second


@case
def a_limit_that_is_just_met_names_a_last_key_too(db: Backend) -> None:
    values = fill(db, "a", "b")

    first = db.query("pk = :p", values=values, Limit=2)
    second = db.query("pk = :p", values=values, Limit=2, ExclusiveStartKey=first["LastEvaluatedKey"])

    assert second["Items"] == []
    assert "LastEvaluatedKey" not in second


@case
def pages_lead_backwards_too(db: Backend) -> None:
    values = fill(db, "a", "b", "c")

    first = db.query("pk = :p", values=values, Limit=2, ScanIndexForward=False)
    second = db.query("pk = :p", values=values, ScanIndexForward=False, ExclusiveStartKey=first["LastEvaluatedKey"])

    assert (sorts(first), sorts(second)) == (["c", "b"], ["a"])


@case
def a_page_may_start_at_a_key_that_is_gone(db: Backend) -> None:
    values = fill(db, "a", "c")

    found = db.query("pk = :p", values=values, ExclusiveStartKey={"pk": values["p"], "sk": {"S": "b"}})

    assert sorts(found) == ["c"]


@case
def a_page_starts_within_its_query(db: Backend) -> None:
    values = fill(db, "a", "b")

    for start in ({"pk": {"S": "another"}, "sk": {"S": "a"}}, {"pk": values["p"]}):
        with refused():
            db.query("pk = :p", values=values, ExclusiveStartKey=start)


@case
def a_limit_is_at_least_1(db: Backend) -> None:
    # botocore refuses it before it is sent, if its parameters are checked.
    with pytest.raises(Exception, match=r"(?i)limit"):
        db.query("pk = :p", values={"p": {"S": "p"}}, Limit=0)


@case
def a_filter_comes_after_the_limit(db: Backend) -> None:
    pk = new_key()["pk"]
    for number in range(6):
        db.put({"pk": pk, "sk": {"S": str(number)}, "even": {"BOOL": number % 2 == 0}})

    page = db.query("pk = :p", values={"p": pk, "v": {"BOOL": True}}, FilterExpression="even = :v", Limit=3)

    assert sorts(page) == ["0", "2"]
    assert (page["Count"], page["ScannedCount"]) == (2, 3)
    assert page["LastEvaluatedKey"]["sk"] == {"S": "2"}


@case
def a_filter_is_not_on_keys(db: Backend) -> None:
    with refused():
        db.query("pk = :p", values={"p": {"S": "p"}}, FilterExpression="sk = :p")


@case
def a_page_ends_at_1_mb(db: Backend) -> None:
    values = fill(db, *(f"{number:02}" for number in range(12)), text={"S": "a" * 100_000})

    first = db.query("pk = :p", values=values)
    second = db.query("pk = :p", values=values, ExclusiveStartKey=first["LastEvaluatedKey"])

    assert [len(it["Items"]) for it in (first, second)] == [10, 2]


@case
def a_count_comes_without_items(db: Backend) -> None:
    values = fill(db, "a", "b")

    page = db.query("pk = :p", values=values, Select="COUNT")

    assert page["Count"] == 2
    assert not page.get("Items")


@case
def an_index_has_the_items_with_its_key_alone(db: Backend) -> None:
    kind = new_key()["pk"]
    one = new_key("one") | {"kind": kind, "rank": {"N": "10"}, "color": {"S": "red"}}
    two = new_key("two") | {"kind": kind, "rank": {"N": "9"}}
    for item in (one, two, new_key("three") | {"kind": kind}):
        db.put(item)

    found = db.query("kind = :k", values={"k": kind}, IndexName="keys")["Items"]

    assert found == [two, {name: value for name, value in one.items() if name != "color"}]


@case
def an_index_follows_its_items(db: Backend) -> None:
    kind, other = new_key()["pk"], new_key()["pk"]
    item = new_key() | {"kind": kind, "rank": {"N": "1"}}
    db.put(item)

    db.update(item, "SET kind = :o, #r = :v", names={"r": "rank"}, values={"o": other, "v": {"N": "2"}})

    assert db.query("kind = :k", values={"k": kind}, IndexName="keys")["Items"] == []
    assert db.query("kind = :k", values={"k": other}, IndexName="keys")["Count"] == 1
    db.update(item, "REMOVE kind")
    assert db.query("kind = :k", values={"k": other}, IndexName="keys")["Count"] == 0


@case
def an_index_projects_what_it_says(db: Backend) -> None:
    label, kind = new_key()["pk"], new_key()["pk"]
    item = new_key() | {"kind": kind, "label": label, "color": {"S": "red"}, "weight": {"N": "1"}}
    db.put(item)

    some = db.query("kind = :k", values={"k": kind}, IndexName="some")["Items"]
    everything = db.query("label = :l", values={"l": label}, IndexName="everything")["Items"]

    assert some == [{name: value for name, value in item.items() if name != "weight"}]
    assert everything == [item]


@case
def an_index_gives_nothing_that_it_does_not_project(db: Backend) -> None:
    with refused():
        db.query("kind = :k", values={"k": {"S": "k"}}, IndexName="some", ProjectionExpression="weight")
    with refused():
        db.query("kind = :k", values={"k": {"S": "k"}}, IndexName="some", Select="ALL_ATTRIBUTES")


@case
def an_index_has_pages_of_items_with_the_same_key(db: Backend) -> None:
    kind = new_key()["pk"]
    for number in range(5):
        db.put(new_key(str(number)) | {"kind": kind, "rank": {"N": "1"}})

    found, start = [], {}
    while True:
        page = db.query("kind = :k", values={"k": kind}, IndexName="keys", Limit=2, **start)
        found += sorts(page)
        if "LastEvaluatedKey" not in page:
            break
        assert page["LastEvaluatedKey"].keys() == {"pk", "sk", "kind", "rank"}
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    assert sorted(found) == ["0", "1", "2", "3", "4"]


@case
def an_index_is_never_read_consistently(db: Backend) -> None:
    with refused():
        db.query("kind = :k", values={"k": {"S": "k"}}, IndexName="keys", ConsistentRead=True)


@case
def an_index_that_is_not_there_is_refused(db: Backend) -> None:
    with refused():
        db.query("kind = :k", values={"k": {"S": "k"}}, IndexName="none")


@case
def a_scan_gives_each_item_once(db: Backend) -> None:
    mark = new_key()["pk"]
    put = [new_key(str(number)) | {"mark": mark} for number in range(20)]
    for item in put:
        db.put(item)

    found: list[Item] = []
    start: dict[str, Any] = {}
    while True:
        page = db.call(
            "Scan",
            {
                "TableName": PAIRS,
                "FilterExpression": "mark = :m",
                "ExpressionAttributeValues": {":m": mark},
                "Limit": 7,
                **start,
            },
        )
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    assert sorted(sorts({"Items": found})) == sorted(sorts({"Items": put}))


@case
def segments_of_a_scan_make_the_whole(db: Backend) -> None:
    mark = new_key()["pk"]
    for number in range(10):
        db.put(new_key(str(number)) | {"mark": mark})
    asked = {
        "TableName": PAIRS,
        "FilterExpression": "mark = :m",
        "ExpressionAttributeValues": {":m": mark},
        "TotalSegments": 3,
    }

    found: list[str] = []
    for segment in range(3):
        start: dict[str, Any] = {}
        while True:
            page = db.call("Scan", asked | {"Segment": segment} | start)
            found += sorts(page)
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    assert sorted(found) == [str(number) for number in range(10)]


def batch(db: Backend, keys: list[Item], table: str = PAIRS, **options: Any) -> Any:
    return db.call("BatchGetItem", {"RequestItems": {table: {"Keys": keys, **options}}})


@case
def a_batch_gives_the_items_that_are_there(db: Backend) -> None:
    one, two = new_key() | {"a": {"S": "1"}}, new_key() | {"a": {"S": "2"}}
    for item in (one, two):
        db.put(item)

    found = batch(db, [{it: item[it] for it in ("pk", "sk")} for item in (one, two, new_key())], ConsistentRead=True)

    assert sorted(found["Responses"][PAIRS], key=str) == sorted([one, two], key=str)
    assert not found["UnprocessedKeys"]


@case
def a_batch_may_be_of_some_attributes(db: Backend) -> None:
    item = new_key() | {"a": {"S": "1"}, "b": {"S": "2"}}
    db.put(item)

    found = batch(
        db,
        [{it: item[it] for it in ("pk", "sk")}],
        ProjectionExpression="#a",
        ExpressionAttributeNames={"#a": "a"},
    )

    assert found["Responses"][PAIRS] == [{"a": {"S": "1"}}]


@case
def a_batch_has_100_keys_at_most_and_none_twice(db: Backend) -> None:
    keys = [{"id": {"S": f"batch-{number}"}} for number in range(101)]

    batch(db, keys[:100], SINGLES)
    with refused():
        batch(db, keys, SINGLES)
    with refused():
        batch(db, [keys[0], keys[0]], SINGLES)


@case
def a_batch_has_16_mb_at_most_and_hands_back_the_rest(db: Backend) -> None:
    pk = new_key()["pk"]
    keys = [{"pk": pk, "sk": {"S": str(number)}} for number in range(45)]
    for key in keys:
        db.put(key | {"text": {"S": "a" * 390_000}})

    first = batch(db, keys)
    rest = first["UnprocessedKeys"][PAIRS]["Keys"]
    second = batch(db, rest)

    assert rest
    assert len(first["Responses"][PAIRS]) + len(second["Responses"][PAIRS]) == 45
