"""Cases of conditions and updates."""

from typing import Any

from tests.support.dynamodb_cases.backend import Backend, case, new_key, refused

STORED: dict[str, Any] = {
    "n": {"N": "5"},
    "s": {"S": "hello"},
    "b": {"B": b"hello"},
    "t": {"BOOL": True},
    "z": {"NULL": True},
    "l": {"L": [{"N": "1"}, {"S": "two"}, {"SS": ["x", "y"]}]},
    "m": {"M": {"x": {"N": "1"}, "y": {"L": [{"N": "-1"}, {"N": "2"}]}}},
    "ss": {"SS": ["cat", "dog"]},
    "ns": {"NS": ["1", "2"]},
    "bs": {"BS": [b"one", b"two"]},
}


def put_all(db: Backend) -> dict[str, Any]:
    item = new_key() | STORED
    db.put(item)
    return item


@case
def equality_is_of_type_and_value(db: Backend) -> None:
    item = put_all(db)

    for name, value in STORED.items():
        for other_name, other in STORED.items():
            assert db.holds(item, "#a = :v", names={"a": name}, values={"v": other}) is (name == other_name), name
            assert db.holds(item, "#a <> :v", names={"a": name}, values={"v": other}) is (name != other_name), name
        assert value


@case
def numbers_are_equal_by_value_and_sets_in_any_order(db: Backend) -> None:
    item = put_all(db)

    assert db.holds(item, "n = :v", values={"v": {"N": "5.00"}})
    assert db.holds(item, "ss = :v", values={"v": {"SS": ["dog", "cat"]}})
    assert db.holds(item, "ns = :v", values={"v": {"NS": ["2.0", "1"]}})


@case
def what_is_not_there_equals_nothing(db: Backend) -> None:
    item = put_all(db)

    assert not db.holds(item, "q = :v", values={"v": {"N": "5"}})
    assert not db.holds(item, "q = w")
    assert db.holds(item, "q <> :v", values={"v": {"N": "5"}})
    assert db.holds(item, "q <> w")
    assert not db.holds(item, "q < :v", values={"v": {"N": "5"}})
    assert not db.holds(item, "NOT q <> w")


@case
def comparisons_are_within_a_type(db: Backend) -> None:
    item = put_all(db)

    for operator, outcomes in {"<": "ynn", "<=": "yyn", ">": "nny", ">=": "nyy"}.items():
        for name, values in (
            ("n", ("10", "5", "-40")),
            ("s", ("hello!", "hello", "HELLO")),
            ("b", (b"hello!", b"hello", b"HELLO")),
        ):
            (kind,) = STORED[name]
            for value, outcome in zip(values, outcomes, strict=True):
                found = db.holds(item, f"#a {operator} :v", names={"a": name}, values={"v": {kind: value}})
                assert found is (outcome == "y"), (name, operator, value)
        assert not db.holds(item, f"n {operator} :v", values={"v": {"S": "5"}})


@case
def strings_are_ordered_by_their_bytes(db: Backend) -> None:
    item = new_key() | {"s": {"S": "\uffee"}}
    db.put(item)

    assert db.holds(item, "s < :v", values={"v": {"S": "\U0001f600"}})
    assert db.holds(item, "s > :v", values={"v": {"S": "zebra"}})


@case
def only_scalars_have_an_order(db: Backend) -> None:
    item = put_all(db)

    for value in (STORED["t"], STORED["z"], STORED["l"], STORED["m"], STORED["ss"]):
        with refused():
            db.holds(item, "n < :v", values={"v": value})


@case
def between_and_in(db: Backend) -> None:
    item = put_all(db)

    assert db.holds(item, "n BETWEEN :a AND :b", values={"a": {"N": "5"}, "b": {"N": "5"}})
    assert not db.holds(item, "n BETWEEN :a AND :b", values={"a": {"N": "6"}, "b": {"N": "7"}})
    assert not db.holds(item, "n between :a and :b", values={"a": {"S": "1"}, "b": {"S": "9"}})
    assert db.holds(item, "n IN (:a, :b)", values={"a": {"N": "4"}, "b": {"N": "5"}})
    assert not db.holds(item, "q IN (:a)", values={"a": {"N": "4"}})
    with refused():
        db.holds(item, "n BETWEEN :a AND :b", values={"a": {"N": "7"}, "b": {"N": "6"}})
    with refused():
        db.holds(item, "n BETWEEN :a AND :b", values={"a": {"N": "7"}, "b": {"S": "9"}})


@case
def in_takes_100_operands_at_most(db: Backend) -> None:
    item = put_all(db)

    for number in (100, 101):
        values = {f"v{position}": {"N": str(position)} for position in range(number)}
        condition = f"n IN ({', '.join(f':{name}' for name in values)})"
        if number == 100:
            assert db.holds(item, condition, values=values)
        else:
            with refused():
                db.holds(item, condition, values=values)


@case
def existence_and_types(db: Backend) -> None:
    item = put_all(db)

    assert db.holds(item, "attribute_exists(m.y[1]) AND attribute_not_exists(m.y[2])")
    assert db.holds(item, "attribute_not_exists(q.r) AND attribute_not_exists(n.r)")
    assert db.holds(item, "attribute_type(m, :t)", values={"t": {"S": "M"}})
    assert not db.holds(item, "attribute_type(m, :t)", values={"t": {"S": "L"}})
    with refused():
        db.holds(item, "attribute_type(m, :t)", values={"t": {"S": "map"}})
    with refused():
        db.holds(item, "attribute_exists(:v)", values={"v": {"S": "n"}})


@case
def beginnings(db: Backend) -> None:
    item = put_all(db)

    assert db.holds(item, "begins_with(s, :v)", values={"v": {"S": "hel"}})
    assert db.holds(item, "begins_with(b, :v)", values={"v": {"B": b"hel"}})
    assert not db.holds(item, "begins_with(s, :v)", values={"v": {"B": b"hel"}})
    assert not db.holds(item, "begins_with(n, :v)", values={"v": {"S": "5"}})
    assert not db.holds(item, "begins_with(q, :v)", values={"v": {"S": "5"}})
    with refused():
        db.holds(item, "begins_with(s, :v)", values={"v": {"N": "5"}})


@case
def parts(db: Backend) -> None:
    item = put_all(db)

    for name, value in {"s": {"S": "ell"}, "b": {"B": b"ell"}, "ss": {"S": "cat"}, "ns": {"N": "2.0"}}.items():
        assert db.holds(item, "contains(#a, :v)", names={"a": name}, values={"v": value}), name
    for value in STORED["l"]["L"]:
        assert db.holds(item, "contains(l, :v)", values={"v": value})
    assert not db.holds(item, "contains(s, :v)", values={"v": {"S": "ELL"}})
    assert not db.holds(item, "contains(ss, :v)", values={"v": {"S": "ca"}})
    assert not db.holds(item, "contains(ns, :v)", values={"v": {"S": "2"}})
    assert not db.holds(item, "contains(q, :v)", values={"v": {"S": "2"}})
    with refused():
        db.holds(item, "contains(s, s)")


@case
def sizes(db: Backend) -> None:
    item = put_all(db)

    for name, size in {"s": 5, "b": 5, "l": 3, "m": 2, "ss": 2, "ns": 2}.items():
        assert db.holds(item, "size(#a) = :v", names={"a": name}, values={"v": {"N": str(size)}}), name
    assert db.holds(item, "size(s) < :v", values={"v": {"N": "40"}})
    assert db.holds(item, "size(s) BETWEEN :a AND :b", values={"a": {"N": "1"}, "b": {"N": "10"}})
    assert db.holds(item, "size(s) = n")
    for name in ("n", "t", "z", "q"):
        assert not db.holds(item, "size(#a) = :v", names={"a": name}, values={"v": {"N": "1"}}), name
    with refused():
        db.holds(item, "size(s)")
    with refused():
        db.holds(item, "size(s, s) = n")


@case
def the_size_of_a_text_is_in_bytes(db: Backend) -> None:
    item = new_key() | {"s": {"S": "äöü"}}
    db.put(item)

    assert db.holds(item, "size(s) = :v", values={"v": {"N": "6"}})


@case
def precedence_and_parentheses(db: Backend) -> None:
    item = put_all(db)
    values = {"y": {"N": "5"}, "n": {"N": "6"}}

    assert db.holds(item, "n = :y OR n = :n AND n = :n", values=values)
    assert not db.holds(item, "(n = :y OR n = :n) AND n = :n", values=values)
    assert db.holds(item, "NOT n = :n AND n = :y", values=values)
    assert not db.holds(item, "NOT (n = :n OR n = :y)", values=values)
    assert db.holds(item, "not (n = :n) and (n = :y or n = :n)", values=values)


@case
def an_operand_is_not_compared_with_itself(db: Backend) -> None:
    item = put_all(db)

    with refused():
        db.holds(item, "n = n")


@case
def syntax_is_refused(db: Backend) -> None:
    item = put_all(db)
    value = {"v": {"N": "5"}}

    for condition in (
        "",
        "n",
        "n = ",
        "n == :v",
        "n != :v",
        "= :v",
        "n = :v AND",
        "n = :v n = :v",
        "(n = :v",
        "n = :v)",
        "_n = :v",
        "5 = :v",
        "n = 5",
        "attribute_exists n",
        "unknown(n)",
        "if_not_exists(n, :v) = :v",
        "attribute_exists(n) = :v",
        "BEGINS_WITH(s, :v)",
        "l[:v] = :v",
        "n = 'x'",
    ):
        with refused():
            db.holds(item, condition, values=value)


@case
def parentheses_are_not_doubled(db: Backend) -> None:
    item = put_all(db)

    with refused():
        db.holds(item, "((n = :v))", values={"v": {"N": "5"}})


@case
def names_and_values_are_all_used_and_all_defined(db: Backend) -> None:
    item = put_all(db)
    value = {"v": {"N": "5"}}

    for options in (
        {"values": {}},
        {"values": {"w": {"N": "5"}}},
        {"values": value | {"w": {"N": "5"}}},
        {"values": value, "names": {"a": "n"}},
        {"values": value, "names": {}},
    ):
        with refused():
            db.update(item, "SET x = :v", **options)
    with refused():
        db.update(item, "SET #a = :v", values=value)
    with refused():
        db.put(new_key(), ExpressionAttributeNames={"#a": "n"})


@case
def reserved_words_need_a_placeholder(db: Backend) -> None:
    item = put_all(db)

    for word in ("status", "Name", "COUNT", "ttl", "hash"):
        with refused():
            db.update(item, f"SET {word} = :v", values={"v": {"N": "5"}})
        db.update(item, "SET #a = :v", names={"a": word}, values={"v": {"N": "5"}})
    with refused():
        db.holds(item, "m.items = :v", values={"v": {"N": "5"}})


@case
def an_expression_has_4_kb_at_most(db: Backend) -> None:
    item = put_all(db)
    terms = "n = :v OR "

    assert db.holds(item, terms * 100 + "n = :v", values={"v": {"N": "5"}})
    with refused():
        db.holds(item, "n = :v " + " " * 4096 + "OR s = :v", values={"v": {"N": "5"}})


@case
def an_expression_has_300_operators_at_most(db: Backend) -> None:
    item = put_all(db)

    assert db.holds(item, "n=:v" + " OR n=:v" * 149, values={"v": {"N": "5"}})  # 150 of =, and 149 of OR
    with refused():
        db.holds(item, "n=:v" + " OR n=:v" * 151, values={"v": {"N": "5"}})


@case
def an_update_sets_adds_and_removes(db: Backend) -> None:
    item = new_key() | {"a": {"S": "1"}, "n": {"N": "1"}, "set": {"SS": ["a", "b"]}, "gone": {"S": "x"}}
    db.put(item)

    new = db.update(
        item,
        "SET a = :a, c = a REMOVE gone, never ADD n :n, fresh :n, tags :s DELETE #set :b",
        names={"set": "set"},
        values={"a": {"S": "2"}, "n": {"N": "0.5"}, "s": {"SS": ["t"]}, "b": {"SS": ["b", "z"]}},
        ReturnValues="ALL_NEW",
    )["Attributes"]

    assert new == {name: item[name] for name in ("pk", "sk")} | {
        "a": {"S": "2"},
        "c": {"S": "1"},
        "n": {"N": "1.5"},
        "fresh": {"N": "0.5"},
        "tags": {"SS": ["t"]},
        "set": {"SS": ["a"]},
    }
    assert db.stored(item) == new


@case
def an_update_makes_the_item_that_is_not_there(db: Backend) -> None:
    key = new_key()

    db.update(key, "SET a = :a ADD n :n", values={"a": {"S": "1"}, "n": {"N": "3"}})

    assert db.stored(key) == key | {"a": {"S": "1"}, "n": {"N": "3"}}


@case
def an_update_that_only_removes_makes_no_item(db: Backend) -> None:
    """DynamoDB does this, though its documentation does not say so: scylladb/scylladb issue 5862 tried it."""
    key = new_key()

    db.update(key, "REMOVE a")

    assert db.stored(key) is None


@case
def an_update_without_an_expression_makes_an_item_of_its_key(db: Backend) -> None:
    key = new_key()

    db.call("UpdateItem", {"TableName": "case-pairs", "Key": key})

    assert db.stored(key) == key


@case
def a_set_that_is_left_empty_goes(db: Backend) -> None:
    item = new_key() | {"a": {"SS": ["x"]}}
    db.put(item)

    db.update(item, "DELETE a :v", values={"v": {"SS": ["x"]}})

    assert db.stored(item) == {name: item[name] for name in ("pk", "sk")}


@case
def arithmetics_and_functions(db: Backend) -> None:
    item = new_key() | {"n": {"N": "5"}, "l": {"L": [{"S": "a"}]}}
    db.put(item)

    new = db.update(
        item,
        "SET n = n - :one, more = if_not_exists(more, :one) + :one, "
        "l = list_append(:l, l), fresh = list_append(if_not_exists(fresh, :empty), :l), "
        "kept = if_not_exists(n, :one)",
        values={"one": {"N": "0.1"}, "l": {"L": [{"S": "b"}]}, "empty": {"L": []}},
        ReturnValues="ALL_NEW",
    )["Attributes"]

    assert new["n"] == {"N": "4.9"}
    assert new["more"] == {"N": "0.2"}
    assert new["l"] == {"L": [{"S": "b"}, {"S": "a"}]}
    assert new["fresh"] == {"L": [{"S": "b"}]}
    assert new["kept"] == {"N": "5"}


@case
def sums_are_exact(db: Backend) -> None:
    item = new_key() | {"n": {"N": "9" * 38}}
    db.put(item)

    with refused():
        db.update(item, "SET n = n + :v", values={"v": {"N": "0.1"}})
    db.update(item, "SET n = n - :v", values={"v": {"N": "1"}})

    found = db.stored(item)
    assert found
    assert found["n"] == {"N": "9" * 37 + "8"}


@case
def nested_paths(db: Backend) -> None:
    item = new_key() | {"m": {"M": {"x": {"N": "1"}, "gone": {"N": "2"}}}, "l": {"L": [{"M": {}}, {"S": "b"}]}}
    db.put(item)

    new = db.update(
        item,
        "SET m.x = :v, m.#n = m.x, l[0].a = :v, l[9] = :v REMOVE m.gone, l[1], m.never",
        names={"n": "a.b"},
        values={"v": {"S": "new"}},
        ReturnValues="ALL_NEW",
    )["Attributes"]

    assert new["m"] == {"M": {"x": {"S": "new"}, "a.b": {"N": "1"}}}
    assert new["l"] == {"L": [{"M": {"a": {"S": "new"}}}, {"S": "new"}]}


@case
def positions_mean_the_list_as_it_was(db: Backend) -> None:
    item = new_key() | {"l": {"L": [{"N": str(number)} for number in range(2, 8)]}}
    db.put(item)

    db.update(item, "REMOVE l[1], l[4] SET l[3] = :v", values={"v": {"N": "17"}})

    found = db.stored(item)
    assert found
    assert [it["N"] for it in found["l"]["L"]] == ["2", "4", "17", "7"]


@case
def a_path_that_leads_nowhere_is_refused(db: Backend) -> None:
    item = new_key() | {"s": {"S": "text"}, "m": {"M": {}}}
    db.put(item)

    for expression in ("SET q.x = :v", "SET s.x = :v", "SET s[0] = :v", "SET m.x.y = :v", "SET m[0] = :v"):
        with refused():
            db.update(item, expression, values={"v": {"N": "1"}})
    for expression in ("REMOVE q.x", "SET a = absent", "SET a = m.absent"):
        with refused():
            db.update(item, expression)
    assert db.stored(item) == item


@case
def operands_have_their_types(db: Backend) -> None:
    item = new_key() | {"s": {"S": "text"}, "n": {"N": "1"}, "set": {"SS": ["a"]}}
    db.put(item)
    text, number, texts = {"v": {"S": "a"}}, {"v": {"N": "1"}}, {"v": {"SS": ["a"]}}

    for expression, values in (
        ("SET n = n + :v", text),
        ("SET s = s + :v", number),
        ("ADD s :v", number),
        ("ADD n :v", text),
        ("ADD n :v", texts),
        ("DELETE n :v", texts),
        ("DELETE n :v", number),
        ("SET s = list_append(s, :v)", {"v": {"L": []}}),
        ("SET s = list_append(:v, :v)", text),
    ):
        with refused():
            db.update(item, expression, values=values)
    assert db.stored(item) == item


@case
def an_update_leaves_keys_alone(db: Backend) -> None:
    key = new_key()

    for expression in ("SET pk = :v", "SET sk = :v", "ADD sk :v"):
        with refused():
            db.update(key, expression, values={"v": {"N": "1"}})
    with refused():
        db.update(key, "REMOVE pk")


@case
def an_update_has_no_paths_that_overlap_or_conflict(db: Backend) -> None:
    key = new_key()

    for expression in (
        "SET a = :v, a = :v",
        "SET a = :v REMOVE a",
        "SET a = :v, a.b = :v",
        "SET a.b.c = :v, a.b = :v",
        "SET a[1] = :v, a[1].b = :v",
        "SET a.b = :v, a[1] = :v",
    ):
        with refused():
            db.update(key, expression, values={"v": {"N": "1"}})


@case
def an_update_has_its_own_grammar(db: Backend) -> None:
    key = new_key()

    for expression in (
        "",
        "SET",
        "PUT a = :v",
        "SET a = :v SET b = :v",
        "SET a = :v,",
        "SET a = :v + :v + :v",
        "SET a = if_not_exists(a, :v + :v)",
        "SET a = if_not_exists(:v, :v)",
        "SET a = size(b) + :v",
        "SET a = unknown(b, :v)",
        "SET :v = :v",
        "ADD a b",
        "SET a = list_append(list_append(:v, :v), :v)",
    ):
        with refused():
            db.update(key, expression, values={"v": {"N": "1"}})


@case
def what_an_update_hands_back(db: Backend) -> None:
    item = new_key() | {"a": {"S": "1"}, "b": {"S": "1"}}

    shown = {}
    for wanted in ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"):
        db.put(item)
        shown[wanted] = db.update(item, "SET a = :v", values={"v": {"S": "2"}}, ReturnValues=wanted).get("Attributes")

    assert shown == {
        "NONE": None,
        "ALL_OLD": item,
        "ALL_NEW": item | {"a": {"S": "2"}},
        "UPDATED_OLD": {"a": {"S": "1"}},
        "UPDATED_NEW": {"a": {"S": "2"}},
    }


@case
def an_update_is_judged_by_its_condition_first(db: Backend) -> None:
    key = new_key()

    with refused("ConditionalCheckFailedException"):
        db.update(key, "SET a = absent", ConditionExpression="attribute_exists(pk)")
