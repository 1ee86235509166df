"""Access to DynamoDB: one client for all tables, retries that are ours, and conditional writes.

PynamoDB describes the items and writes the expressions; what it does not give (one client for several
models, the item behind a failed single write, a batch of several kinds) is here and nowhere else. One private name of
PynamoDB is used, here alone: `Model._get_connection`. `tests/unit/test_private_names.py` says what depends on it.
"""

import json
import math
import random
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, copy_context
from functools import cache, partial
from types import MappingProxyType
from typing import Any, TypeGuard

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError
from pynamodb.attributes import Attribute, JSONAttribute, MapAttribute
from pynamodb.connection import Connection, TableConnection
from pynamodb.connection.base import MetaTable
from pynamodb.constants import NUMBER, TABLE_NAME
from pynamodb.exceptions import CancellationReason, PynamoDBException, TableError, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from oms.core import clock
from oms.core.errors import UnavailableError
from oms.core.settings import aws_region

type Key = str | tuple[str, str]

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html, and the codes of
# cancellation reasons in the API reference of TransactWriteItems.
_TRANSIENT = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingError",
    "ThrottlingException",
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
}
# Neither is a kind of the other: the first is a connection that was not made, the second one that broke.
_NO_ANSWER = (ConnectionError, HTTPClientError)
_MAX_ATTEMPTS = 7
# No new attempt starts after this time, even if the request's own deadline is later: see `deadline`.
_RETRY_SECONDS = 6.0
_REQUEST_SECONDS = 13.0
_GRACE_SECONDS = 1.0
_BATCH_GET_KEYS = 100
_MAX_THREADS = 16


@cache
def connection() -> Connection:
    """The process's one client. A request has seconds, not PynamoDB's default of 30 for each read."""
    shared = Connection(
        region=aws_region(),  # botocore by itself does not read AWS_REGION
        connect_timeout_seconds=1,
        read_timeout_seconds=2,
        retry_configuration={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=20,
    )
    _ = shared.client  # built now: sessions are per thread, and threads run queries later
    return shared


def client() -> Any:
    """botocore's own client, for one call that PynamoDB does not shape as it is needed.

    Raises UnavailableError after the request's deadline: see `deadline`.
    """
    check_time()
    return connection().client


class IntegerAttribute(Attribute[int]):
    """A whole number; PynamoDB's NumberAttribute is a float to a type checker."""

    attr_type = NUMBER

    def serialize(self, value: int) -> str:
        return str(int(value))

    def deserialize(self, value: str) -> int:
        return int(value)


class JsonAttribute(JSONAttribute):
    """JSON text as it is: escapes to ASCII would make an item up to six times as large as the request that made it."""

    def serialize(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False)


class EmbeddedItem(MapAttribute[str, Any]):
    """A map inside an item, with attributes of its own."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)  # type: ignore[no-untyped-call]


class StoredItem(Model):
    """An item of one of the tables. Subclasses name their table in `Meta`."""

    @classmethod
    def _get_connection(cls) -> TableConnection:
        name, shared = table_name(cls), connection()
        try:
            shared.get_meta_table(name)
        except TableError:
            described = super()._get_connection().get_meta_table()
            shared.add_meta_table(MetaTable(described.data | {TABLE_NAME: name}))
        table = _table_connection(name)
        table.connection = shared
        return table


_table_connection = cache(TableConnection)
_table_names: ContextVar[Mapping[type[StoredItem], str]] = ContextVar("table names", default=MappingProxyType({}))


@contextmanager
def tables_named(names: Mapping[type[StoredItem], str]) -> Iterator[None]:
    """Within it the items of these models, and of their subclasses, are in the tables of these names.

    For commands: a function knows its tables' names from its environment, a command looks up those of a stage.
    """
    mark = _table_names.set({**_table_names.get(), **names})
    try:
        yield
    finally:
        _table_names.reset(mark)


def table_name(model: type[StoredItem]) -> str:
    names = _table_names.get()
    return next((names[it] for it in model.__mro__ if it in names), str(model.Meta.table_name))


class ConditionFailedError(Exception):
    """A single write whose condition did not hold; `item` is what is stored, raw, or None where nothing is."""

    def __init__(self, item: dict[str, Any] | None) -> None:
        super().__init__("the condition of the write did not hold")
        self.item = item


class ConcurrentUpdateError(Exception):
    """An attempt that learned something (a new price, a new version) and is worth making again at once."""


def failed(reason: CancellationReason | None) -> TypeGuard[CancellationReason]:
    """Whether a transaction was cancelled because this operation's condition did not hold."""
    return reason is not None and reason.code == "ConditionalCheckFailed"


def conflicted(reason: CancellationReason | None) -> bool:
    """Whether a transaction was cancelled because another was at work on this item."""
    return reason is not None and reason.code == "TransactionConflict"


def transaction() -> TransactWrite:
    """A transaction on the shared client: checks, deletes, puts, updates, in this order. Raises as `client` does."""
    check_time()
    return TransactWrite(connection=connection())


def update_item[T: StoredItem](item: T, actions: list[Action], condition: Condition | None = None) -> T:
    """The item after the update. Raises ConditionFailedError with the stored item."""
    write = item.get_update_kwargs_from_instance(actions, condition, "ALL_OLD")
    stored = _single_write(client().update_item, write | {"ReturnValues": "ALL_NEW"})
    return type(item).from_raw_data(stored["Attributes"])


def put_item(item: StoredItem, condition: Condition | None = None) -> None:
    """Raises ConditionFailedError with the stored item."""
    _single_write(client().put_item, item.get_save_kwargs_from_instance(condition, "ALL_OLD"))


def delete_item(item: StoredItem, condition: Condition | None = None) -> None:
    """Takes the item away, if the condition holds; that it is gone already is as good. Raises ConditionFailedError."""
    arguments = item.get_delete_kwargs_from_instance(condition, "ALL_OLD")

    def delete() -> None:
        try:
            _single_write(client().delete_item, arguments)
        except ConditionFailedError as error:
            if error.item:
                raise

    retrying(delete)


def _single_write(call: Callable[..., dict[str, Any]], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            response: Any = error.response
            raise ConditionFailedError(response.get("Item")) from error
        raise


_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def deadline(seconds: float = _REQUEST_SECONDS) -> Iterator[None]:
    """Starts no DynamoDB call of this request after 13 s, except within the grace period.

    A call without an answer takes 6 s (connection and read, each twice). So calls end before 19 s, and the read of the
    grace period before 26 s; API Gateway waits 30 s.
    """
    mark = _deadline.set(clock.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(mark)


@contextmanager
def extend_deadline(seconds: float) -> Iterator[None]:
    """Extends the current deadline by `seconds`."""
    mark = _deadline.set(_deadline.get() + seconds)
    try:
        yield
    finally:
        _deadline.reset(mark)


def grace_period() -> AbstractContextManager[None]:
    """One second after the deadline, to read whether a write took effect when its answer was lost."""
    return deadline(_GRACE_SECONDS)


def check_time() -> None:
    """Raises UnavailableError after the request's deadline: see `deadline`."""
    if clock.monotonic() > _deadline.get():
        raise UnavailableError


def retrying[T](attempt: Callable[[], T]) -> T:
    """What `attempt` returns, made again while the failure is passing (conflict, throttling, time-out).

    An attempt must be safe to repeat after an unknown outcome. At most 7 attempts with full jitter, none begun after
    6 s (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
    Raises UnavailableError (503) after the last: contention is never reported as anything else.
    """
    end = min(clock.monotonic() + _RETRY_SECONDS, _deadline.get())
    last: Exception | None = None
    for number in range(_MAX_ATTEMPTS):
        if number:
            pause = random.uniform(0, min(1.0, 0.05 * 2**number))  # noqa: S311 - jitter, not a secret
            if clock.monotonic() + pause > end:
                break
            clock.sleep(pause)
        try:
            return attempt()
        except ConcurrentUpdateError as error:
            last = error
        except (PynamoDBException, ClientError, *_NO_ANSWER) as error:
            if not is_transient(error):
                raise
            last = error
    raise UnavailableError from last


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed later. A cancelled transaction is, when a reason of it is."""
    if isinstance(error, TransactWriteError) and error.cancellation_reasons:
        return any(reason and reason.code in _TRANSIENT for reason in error.cancellation_reasons)
    cause = error.cause if isinstance(error, PynamoDBException) else error
    if isinstance(cause, ClientError):
        return cause.response["Error"].get("Code") in _TRANSIENT
    return isinstance(cause, _NO_ANSWER)


def get_item[T: StoredItem](model: type[T], key: Key) -> T | None:
    """The item as it is now (a consistent read), or None."""
    names = key_names(model)
    arguments = {"TableName": table_name(model), "Key": _raw_key(names, key), "ConsistentRead": True}
    response = retrying(lambda: client().get_item(**arguments))
    raw = response.get("Item")
    return model.from_raw_data(raw) if raw else None


def batch_get[T: StoredItem](model: type[T], keys: Iterable[Key], *, consistent: bool = True) -> dict[Key, T]:
    """The items that exist, by key; one call for 100 keys. Unprocessed keys are read again, then UnavailableError."""
    return {key: model.from_raw_data(raw) for key, raw in batch_get_raw(model, keys, consistent=consistent).items()}


def batch_get_raw(
    model: type[StoredItem], keys: Iterable[Key], *, consistent: bool = True, only: Sequence[str] = ()
) -> dict[Key, dict[str, Any]]:
    """As `batch_get`, undecoded: a twentieth of the time. `only` names the attributes to read, the keys among them."""
    names = key_names(model)
    table = table_name(model)
    wanted = list(dict.fromkeys(keys))
    options: dict[str, Any] = {"ConsistentRead": consistent}
    if only:
        options["ExpressionAttributeNames"] = {f"#{number}": name for number, name in enumerate(only)}
        options["ProjectionExpression"] = ", ".join(options["ExpressionAttributeNames"])
    found: dict[Key, dict[str, Any]] = {}
    for start in range(0, len(wanted), _BATCH_GET_KEYS):
        pending = [_raw_key(names, key) for key in wanted[start : start + _BATCH_GET_KEYS]]

        def read() -> None:
            nonlocal pending
            response = client().batch_get_item(RequestItems={table: {"Keys": pending} | options})
            found.update((_key_of(raw, names), raw) for raw in response["Responses"].get(table, []))
            pending = response.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            if pending:
                raise ConcurrentUpdateError

        retrying(read)
    return found


def query_raw(model: type[StoredItem], partition: str, low: str, high: str) -> Iterator[dict[str, Any]]:
    """All items of a partition between two sort keys, both inclusive, as they are now; undecoded, page by page."""
    partition_key, sort_key = key_names(model)
    query: dict[str, Any] = {
        "TableName": table_name(model),
        "ConsistentRead": True,
        "KeyConditionExpression": "#partition = :partition AND #sort BETWEEN :low AND :high",
        "ExpressionAttributeNames": {"#partition": partition_key, "#sort": sort_key},
        "ExpressionAttributeValues": {":partition": {"S": partition}, ":low": {"S": low}, ":high": {"S": high}},
    }
    yield from _all_pages(lambda start: client().query(**query, **start))


def scan_keys_with_prefix(model: type[StoredItem], prefixes: Sequence[str]) -> Iterator[Key]:
    """The keys of all items whose partition key begins with one of these.

    It reads the whole table, so it is for commands alone: functions may not.
    """
    names = key_names(model)
    values = {f":{number}": {"S": prefix} for number, prefix in enumerate(prefixes)}
    scan: dict[str, Any] = {
        "TableName": table_name(model),
        "FilterExpression": " OR ".join(f"begins_with(#0, {value})" for value in values),
        "ProjectionExpression": ", ".join(f"#{number}" for number, _ in enumerate(names)),
        "ExpressionAttributeNames": {f"#{number}": name for number, name in enumerate(names)},
        "ExpressionAttributeValues": values,
    }
    for raw in _all_pages(lambda start: client().scan(**scan, **start)):
        yield _key_of(raw, names)


def _all_pages(read: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The items of all pages; `read` is told where the next one starts."""
    start: dict[str, Any] = {}
    while True:
        response = retrying(partial(read, start))
        yield from response["Items"]
        if "LastEvaluatedKey" not in response:
            return
        start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}


def in_parallel[Asked, Answer](read: Callable[[Asked], Answer], asked: Sequence[Asked]) -> list[Answer]:
    """The answers to all, in their order, by threads where there is more than one to ask for."""
    if len(asked) < 2:
        return [read(it) for it in asked]
    client()  # made before the threads: botocore's client creation is not thread-safe
    with ThreadPoolExecutor(max_workers=min(len(asked), _MAX_THREADS)) as pool:
        # Each with the request's context, which says how long it may take.
        contexts = [copy_context() for _ in asked]
        return list(pool.map(lambda context, it: context.run(read, it), contexts, asked))


def redacted(value: dict[str, Any]) -> dict[str, Any]:
    """What stands for a raw value that people may not see. Of its type, so that its item decodes as before."""
    return {"B": b64encode(b"redacted").decode()} if "B" in value else {"S": "redacted"}


@cache
def key_names(model: type[StoredItem]) -> tuple[str, ...]:
    """The names of the partition key and, where the table has one, of the sort key."""
    attributes = model.get_attributes().values()
    partition = [it.attr_name for it in attributes if it.is_hash_key]
    return (*partition, *(it.attr_name for it in attributes if it.is_range_key))


def _key_of(raw: dict[str, Any], names: Sequence[str]) -> Key:
    partition, *sort = (str(raw[name]["S"]) for name in names)
    return (partition, sort[0]) if sort else partition


def _raw_key(names: Sequence[str], key: Key) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in zip(names, (key,) if isinstance(key, str) else key, strict=True)}
