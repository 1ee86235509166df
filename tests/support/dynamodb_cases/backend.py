"""A DynamoDB on which cases run: the tests' own, moto, or that of the local cloud."""

import uuid
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

type Item = dict[str, Any]
type Case = Callable[["Backend"], None]

CASES: dict[str, Case] = {}
"""The cases of the modules that are imported; `all_cases` imports all of them."""

PAIRS, NUMBERS, SINGLES = "case-pairs", "case-numbers", "case-singles"
TABLES = (PAIRS, NUMBERS, SINGLES)


def case(function: Case) -> Case:
    assert function.__name__ not in CASES, function.__name__
    CASES[function.__name__] = function
    return function


@dataclass
class Backend:
    """`call` takes an operation, as botocore names it, and its parameters."""

    name: str
    call: Callable[[str, dict[str, Any]], Any]

    def create_tables(self) -> None:
        _create(
            self,
            PAIRS,
            {"pk": "S", "sk": "S"},
            {
                "keys": ({"kind": "S", "rank": "N"}, {"ProjectionType": "KEYS_ONLY"}),
                "some": (
                    {"kind": "S", "label": "S"},
                    {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["color"]},
                ),
                "everything": ({"label": "S"}, {"ProjectionType": "ALL"}),
            },
        )
        _create(self, NUMBERS, {"pk": "S", "sk": "N"})
        _create(self, SINGLES, {"id": "S"})

    def put(self, item: Mapping[str, Any], table: str = PAIRS, **options: Any) -> Any:
        return self.call("PutItem", {"TableName": table, "Item": dict(item), **options})

    def stored(self, item: Mapping[str, Any], table: str = PAIRS) -> Item | None:
        """Returns the item with the key of this one, by a consistent read."""
        found = self.call("GetItem", {"TableName": table, "Key": key_of(item), "ConsistentRead": True})
        return found.get("Item")  # type: ignore[no-any-return]

    def update(self, item: Mapping[str, Any], expression: str, table: str = PAIRS, **options: Any) -> Any:
        """`values` and `names` of the expressions by their bare names, as `values={"v": …}` for `:v`."""
        request = {"TableName": table, "Key": key_of(item), "UpdateExpression": expression}
        return self.call("UpdateItem", request | spelled(**options))

    def holds(self, item: Mapping[str, Any], condition: str, **options: Any) -> bool:
        """Whether a condition is true for a stored item."""
        try:
            self.update(item, "SET touched = :touched", ConditionExpression=condition, **_with_touch(options))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def query(self, condition: str, table: str = PAIRS, **options: Any) -> Any:
        request = {"TableName": table, "KeyConditionExpression": condition}
        return self.call("Query", request | spelled(**options))

    def transact(self, *operations: Mapping[str, Any], **options: Any) -> Any:
        return self.call("TransactWriteItems", {"TransactItems": [*operations], **options})

    def cancelled(self, *operations: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the reasons of a cancelled transaction."""
        with pytest.raises(ClientError) as caught:
            self.transact(*operations)
        response: Any = caught.value.response
        assert response["Error"]["Code"] == "TransactionCanceledException", response["Error"]
        reasons: list[dict[str, Any]] = response["CancellationReasons"]
        return reasons


def _with_touch(options: dict[str, Any]) -> dict[str, Any]:
    return options | {"values": {**options.get("values", {}), "touched": {"BOOL": True}}}


def spelled(
    names: Mapping[str, str] | None = None, values: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """Returns the parameters of a request with expressions."""
    if names is not None:
        options["ExpressionAttributeNames"] = {f"#{name}": attribute for name, attribute in names.items()}
    if values is not None:
        options["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
    return options


@contextmanager
def refused(code: str = "ValidationException") -> Any:
    with pytest.raises(ClientError) as caught:
        yield caught
    assert caught.value.response["Error"]["Code"] == code, caught.value


def new_key(sort: str = "a") -> Item:
    """Returns a key in a new partition, so that cases can share tables."""
    return {"pk": {"S": uuid.uuid4().hex}, "sk": {"S": sort}}


def key_of(item: Mapping[str, Any]) -> Item:
    return {name: item[name] for name in ("pk", "sk", "id") if name in item}


def _create(
    backend: Backend,
    name: str,
    keys: Mapping[str, str],
    indexes: Mapping[str, tuple[Mapping[str, str], dict[str, Any]]] | None = None,
) -> None:
    definitions = dict(keys)
    described = []
    for index, (schema, projection) in (indexes or {}).items():
        definitions |= schema
        described.append({"IndexName": index, "KeySchema": _schema(schema), "Projection": projection})
    request = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _schema(keys),
        "AttributeDefinitions": [{"AttributeName": it, "AttributeType": kind} for it, kind in definitions.items()],
    }
    backend.call("CreateTable", request | ({"GlobalSecondaryIndexes": described} if described else {}))


def _schema(keys: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(keys, ("HASH", "RANGE"), strict=False)]
