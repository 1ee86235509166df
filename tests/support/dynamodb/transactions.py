"""Transactions and batches: many items in one request."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.dynamodb import limits
from tests.support.dynamodb.capacity import Consumption, read_units
from tests.support.dynamodb.errors import RefusedError, invalid
from tests.support.dynamodb.expressions import Expressions
from tests.support.dynamodb.tables import Row, Table
from tests.support.dynamodb.values import copied
from tests.support.dynamodb.writes import IN_TRANSACTION, Write, check_known

type Tables = Mapping[str, Table]
type CheckedWrite = tuple[Write, Row | None, Row | None]

_KNOWN = frozenset({"TransactItems", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics"})
_DUPLICATE = "Transaction request cannot include multiple operations on one item"


def transact_write(find: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """Checks all operations, then carries out all or none. A cancelled one has a reason for each, in order."""
    check_known(request, _KNOWN)
    consumption = Consumption(request, "Write")
    writes = [_prepared(find, operation) for operation in _operations(request)]
    if len({(write.table.name, write.key) for write in writes}) < len(writes):
        raise invalid(_DUPLICATE)
    checked: list[CheckedWrite] = []
    reasons: list[dict[str, Any]] = []
    for write in writes:
        try:
            checked.append((write, *write.judge()))
            reasons.append({"Code": "None"})
        except RefusedError as error:
            reasons.append(_reason(error))
    if len(checked) < len(writes):
        raise cancelled(reasons)
    if sum(max(row.size for row in (old, new) if row) for _, old, new in checked if old or new) > limits.TRANSACTION:
        raise invalid("Collection size of items in the transaction has exceeded 4 MB")
    for write, old, new in checked:
        write.carry_out(new)
        consumption.wrote(write.table, old, new, factor=2)
    return consumption.add_to({}, single=False)


def transact_get(find: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    check_known(request, frozenset({"TransactItems", "ReturnConsumedCapacity"}))
    consumption = Consumption(request, "Read")
    known = frozenset({"TableName", "Key", "ProjectionExpression", "ExpressionAttributeNames"})
    gets: list[tuple[Table, Any, Expressions]] = []
    for operation in _operations(request):
        get = operation["Get"]
        check_known(get, known)
        table = find(get["TableName"])
        gets.append((table, table.schema.of_key(get["Key"]), Expressions(get, ("ProjectionExpression",))))
    if len({(table.name, key) for table, key, _ in gets}) < len(gets):
        raise invalid(_DUPLICATE)
    if sum(row.size for table, key, _ in gets if (row := table.rows.get(key))) > limits.TRANSACTION:
        raise invalid("Collection size of items in the transaction has exceeded 4 MB")
    responses = []
    for table, key, expressions in gets:
        row = table.rows.get(key)
        consumption.read(table, read_units(row.size if row else 0, 2))
        item = row and (expressions.projection.of(row.item) if expressions.projection else row.item)
        responses.append({"Item": copied(item)} if item else {})
    return consumption.add_to({"Responses": responses}, single=False)


def _operations(request: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    operations: Sequence[Mapping[str, Any]] = request["TransactItems"]
    if not 1 <= len(operations) <= limits.TRANSACTION_OPERATIONS:
        bound = "greater than or equal to 1" if not operations else "less than or equal to 100"
        raise invalid(
            "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: "
            f"Member must have length {bound}"
        )
    return operations


def _prepared(find: Any, operation: Mapping[str, Any]) -> Write:
    if len(operation) != 1:
        raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
    ((kind, inner),) = operation.items()
    check_known(inner, IN_TRANSACTION[kind])
    if kind == "Update" and "UpdateExpression" not in inner:
        raise invalid("The expression can not be empty;")
    return Write(kind, find(inner["TableName"]), inner)


def _reason(error: RefusedError) -> dict[str, Any]:
    code = {"ConditionalCheckFailedException": "ConditionalCheckFailed", "ValidationException": "ValidationError"}
    return {"Code": code[error.code], "Message": error.message, **error.extra}


def cancelled(reasons: Sequence[Mapping[str, Any]]) -> RefusedError:
    codes = ", ".join(reason["Code"] for reason in reasons)
    return RefusedError(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        {"CancellationReasons": [*reasons]},
    )


def batch_write(find: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    check_known(request, frozenset({"RequestItems", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics"}))
    consumption = Consumption(request)
    writes = []
    for name, operations in request["RequestItems"].items():
        table = find(name)
        for operation in operations:
            ((kind, inner),) = operation.items()
            writes.append(Write(kind.removesuffix("Request"), table, inner))
    if not 1 <= len(writes) <= limits.BATCH_WRITE_REQUESTS:
        raise invalid("Too many items requested for the BatchWriteItem call" if writes else "The batch is empty")
    if len({(write.table.name, write.key) for write in writes}) < len(writes):
        raise invalid("Provided list of item keys contains duplicates")
    checked = [(write, *write.judge()) for write in writes]
    for write, old, new in checked:
        write.carry_out(new)
        consumption.wrote(write.table, old, new)
    return consumption.add_to({"UnprocessedItems": {}}, single=False)
