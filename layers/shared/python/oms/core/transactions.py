"""DynamoDB transactions, and the reasons of a cancelled one, by the item of each operation.

PynamoDB lists the reasons in its own order of operations (checks, deletes, puts, updates). DynamoDB allows one
operation on an item (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html), so
the item identifies the operation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from pynamodb.exceptions import CancellationReason, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core.dynamodb import StoredItem, connection, key_names, table_name
from oms.core.lean_pynamodb import TransactWrite
from oms.core.retries import check_time

# DynamoDB's maximum number of operations in a transaction.
MAX_OPERATIONS = 100


class Operation(NamedTuple):
    """The table and the key of the item that an operation writes or checks."""

    table: str
    key: tuple[str, ...]


class TransactionError(TransactWriteError):
    """A transaction failed, or its response was lost. If the response was lost, no operation has a reason."""

    def __init__(self, operations: list[Operation], error: TransactWriteError) -> None:
        super().__init__(error.msg, error.cause)
        reasons = error.cancellation_reasons
        self._reasons = dict(zip(operations, reasons, strict=True)) if reasons else {}

    def has_reason(self, item: StoredItem) -> bool:
        """Returns whether the operation on this item caused the failure, by its condition, a conflict or throttling."""
        return self._reasons.get(_operation(item)) is not None

    def failed(self, *items: StoredItem) -> bool:
        """Returns whether the condition on one of these items was false."""
        return any(_is_failed(self._reasons.get(_operation(item))) for item in items)

    def stored(self, item: StoredItem) -> dict[str, Any]:
        """Returns the stored raw item, if its condition was false and the operation had `return_values="ALL_OLD"`.

        It is empty if no item is stored under this key.
        """
        reason = self._reasons.get(_operation(item))
        return (reason.raw_item if reason else None) or {}

    @property
    def any_failed(self) -> bool:
        """Whether any condition was false."""
        return any(_is_failed(reason) for reason in self._reasons.values())

    @property
    def any_conflicted(self) -> bool:
        """Whether another transaction was writing one of the items."""
        return any(reason is not None and reason.code == "TransactionConflict" for reason in self._reasons.values())


class Transaction:
    """The operations of a transaction: at most 100, and at most one on each item."""

    def __init__(self, write: TransactWrite) -> None:
        self._write = write
        self._checks: list[Operation] = []
        self._deletes: list[Operation] = []
        self._puts: list[Operation] = []
        self._updates: list[Operation] = []

    @property
    def operations(self) -> list[Operation]:
        """The operations in the order in which PynamoDB sends them."""
        return [*self._checks, *self._deletes, *self._puts, *self._updates]

    def check(self, item: StoredItem, condition: Condition) -> None:
        """Adds a check without a write: the transaction is cancelled if the condition is false for the stored item."""
        operation = _operation(item)
        self._checks.append(operation)
        partition, sort = (*operation.key, None)[:2]
        self._write.condition_check(type(item), partition, sort, condition=condition)

    def delete(self, item: StoredItem, condition: Condition | None = None) -> None:
        self._deletes.append(_operation(item))
        self._write.delete(item, condition)

    def save(self, item: StoredItem, condition: Condition | None = None, return_values: str | None = None) -> None:
        self._puts.append(_operation(item))
        self._write.save(item, condition, return_values)

    def update(
        self,
        item: StoredItem,
        actions: list[Action],
        condition: Condition | None = None,
        return_values: str | None = None,
    ) -> None:
        """Adds an update. With `return_values="ALL_OLD"`, `TransactionError.stored` has the stored item if the
        condition is false.
        """
        self._updates.append(_operation(item))
        self._write.update(item, actions, condition, return_values)


@contextmanager
def transaction() -> Iterator[Transaction]:
    """Yields a transaction, and commits it at the end. Raises TransactionError, and UnavailableError after the
    deadline.
    """
    check_time()
    operations: list[Operation] = []
    try:
        with TransactWrite(connection=connection()) as write:
            planned = Transaction(write)
            yield planned
            operations = planned.operations
    except TransactWriteError as error:
        raise TransactionError(operations, error) from error


def _is_failed(reason: CancellationReason | None) -> bool:
    return reason is not None and reason.code == "ConditionalCheckFailed"


def _operation(item: StoredItem) -> Operation:
    return Operation(table_name(type(item)), tuple(getattr(item, name) for name in key_names(type(item))))
