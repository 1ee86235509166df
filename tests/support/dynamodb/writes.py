"""Writes of single items: prepared from a request, checked against the stored item, then carried out.

A transaction checks all of its writes before it carries out the first.
"""

from collections.abc import Mapping
from typing import Any

from tests.support.dynamodb import limits
from tests.support.dynamodb.capacity import Consumption
from tests.support.dynamodb.errors import InvalidItemError, RefusedError, condition_failed, invalid
from tests.support.dynamodb.expressions import Expressions
from tests.support.dynamodb.tables import Row, Table
from tests.support.dynamodb.updates import Update
from tests.support.dynamodb.values import admit, copied, depth_of, size_of_item

_EXPRESSIONS = frozenset({"TableName", "ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"})
_SHOWN = frozenset({"ReturnValuesOnConditionCheckFailure"})
_SINGLE = frozenset({"ReturnValues", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics"})
IN_TRANSACTION = {
    "Put": _EXPRESSIONS | _SHOWN | {"Item"},
    "Update": _EXPRESSIONS | _SHOWN | {"Key", "UpdateExpression"},
    "Delete": _EXPRESSIONS | _SHOWN | {"Key"},
    "ConditionCheck": _EXPRESSIONS | _SHOWN | {"Key"},
}
ALONE = {kind: known | _SINGLE for kind, known in IN_TRANSACTION.items()}
_RETURNED = {
    "Put": frozenset({"NONE", "ALL_OLD"}),
    "Delete": frozenset({"NONE", "ALL_OLD"}),
    "Update": frozenset({"NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"}),
}


def check_known(request: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raises an error for parameters that this database does not know, so that none is ignored."""
    if unknown := request.keys() - known:
        raise NotImplementedError(f"the tests' DynamoDB does not know these parameters: {sorted(unknown)}")


class Write:
    """One Put, Update, Delete or ConditionCheck. Raises RefusedError if it is wrong regardless of the stored item."""

    def __init__(self, kind: str, table: Table, request: Mapping[str, Any]) -> None:
        self.kind = kind
        self.table = table
        self._expressions = Expressions(request, ("UpdateExpression", "ConditionExpression"))
        self._shows = _shows_item(request)
        self._put: Row | None = None
        if kind == "Put":
            self._put = Row.of(request["Item"])
            self.key = table.schema.of_item(self._put.item)
        else:
            self.key = table.schema.of_key(request["Key"])
            self._key_item = {name: admit(value)[0] for name, value in request["Key"].items()}
        self.update: Update | None = self._expressions.update
        if self.update:
            self.update.check_keys(table.schema.names)
        if kind == "ConditionCheck" and not self._expressions.condition:
            raise invalid("The expression can not be empty;")

    def judge(self) -> tuple[Row | None, Row | None]:
        """Returns the stored row, and the row that replaces it.

        Raises ConditionalCheckFailedException, with the item if the request wants it, and InvalidItemError.
        """
        if self._put:
            _check_size(self._put.size, "Item size has exceeded the maximum allowed size")
            self._check_index_keys(self._put)
        old = self.table.rows.get(self.key)
        condition = self._expressions.condition
        if condition and not condition.holds(old.item if old else {}, self._expressions.values):
            raise condition_failed(copied(old.item) if old and self._shows else None)
        if self.kind == "Put":
            return old, self._put
        if self.kind == "Update":
            return old, self._updated(old)
        return old, None if self.kind == "Delete" else old

    def carry_out(self, new: Row | None) -> None:
        if self.kind != "ConditionCheck":
            self.table.write(self.key, new)

    def _updated(self, old: Row | None) -> Row | None:
        if not self.update:
            return old or self._sized(self._key_item)
        if old is None and self.update.only_removes:
            return None
        item = self.update.apply(old.item if old else self._key_item, self._expressions.values)
        new = self._sized(item)
        _check_size(new.size, "Item size to update has exceeded the maximum allowed size")
        for name in self.update.attributes & item.keys():
            if depth_of(item[name]) > limits.NESTING_LEVELS:
                raise InvalidItemError("Nesting Levels have exceeded supported limits")
        self._check_index_keys(new)
        return new

    @staticmethod
    def _sized(item: Any) -> Row:
        return Row(item, size_of_item(item))

    def _check_index_keys(self, new: Row) -> None:
        try:
            self.table.check_index_keys(new.item)
        except RefusedError as error:
            raise InvalidItemError(error.message) from error


def _check_size(size: int, message: str) -> None:
    if size > limits.ITEM:
        raise InvalidItemError(message)


def _shows_item(request: Mapping[str, Any]) -> bool:
    wanted = request.get("ReturnValuesOnConditionCheckFailure", "NONE")
    if wanted not in ("NONE", "ALL_OLD"):
        raise invalid(
            f"1 validation error detected: Value '{wanted}' at 'returnValuesOnConditionCheckFailure' failed to satisfy "
            "constraint: Member must satisfy enum value set: [ALL_OLD, NONE]"
        )
    return bool(wanted == "ALL_OLD")


def write_one(kind: str, table: Table, request: Mapping[str, Any]) -> dict[str, Any]:
    """PutItem, UpdateItem or DeleteItem."""
    check_known(request, ALONE[kind])
    returned = request.get("ReturnValues", "NONE")
    if returned not in _RETURNED[kind]:
        raise invalid("Return values set to invalid value")
    consumption = Consumption(request)
    write = Write(kind, table, request)
    old, new = write.judge()
    write.carry_out(new)
    consumption.wrote(table, old, new)
    shown = new if returned.endswith("_NEW") else old
    answer: dict[str, Any] = {}
    if returned != "NONE" and shown:
        item = shown.item
        if returned.startswith("UPDATED"):
            item = write.update.touched.of(item) if write.update else {}
        if item:
            answer["Attributes"] = copied(item)
    return consumption.add_to(answer, single=True)
