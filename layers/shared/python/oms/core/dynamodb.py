"""Access to DynamoDB: one client for all tables, retries with jitter, deadlines, and conditional writes.

PynamoDB describes items and builds expressions. This module adds one client for several models, the stored item of a
failed write, and batches of several kinds. It alone uses a private name of PynamoDB: `Model._get_connection`. See
`tests/unit/test_private_names.py`.
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
from typing import Any

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError
from pynamodb.attributes import Attribute, JSONAttribute, MapAttribute
from pynamodb.connection import Connection, TableConnection
from pynamodb.connection.base import MetaTable
from pynamodb.constants import NUMBER, TABLE_NAME
from pynamodb.exceptions import PynamoDBException, TableError, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

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
# Botocore's two unrelated classes: the connection could not be opened, and the connection broke.
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
    """The shared client of the process. Its time-outs are short: PynamoDB's default is 30 s for each read."""
    shared = Connection(
        region=aws_region(),  # botocore does not read AWS_REGION
        connect_timeout_seconds=1,
        read_timeout_seconds=2,
        retry_configuration={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=20,
    )
    _ = shared.client  # built now: sessions are per thread, and threads run queries later
    return shared


def client() -> Any:
    """The botocore client, for calls that PynamoDB cannot express.

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
    """JSON text without ASCII escapes, which can make an item six times as large as its request."""

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
    """Binds these models and their subclasses to tables of these names, within the `with` block.

    For commands, which look up the tables of a stage. A function has the names in its environment.
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
    """The condition of a single write did not hold. `item` is the stored raw item, or None if there is none."""

    def __init__(self, item: dict[str, Any] | None) -> None:
        super().__init__("the condition of the write did not hold")
        self.item = item


class ConcurrentUpdateError(Exception):
    """The stored state changed (a new price, a new version): `retrying` repeats the attempt with it."""


def update_item[T: StoredItem](item: T, actions: list[Action], condition: Condition | None = None) -> T:
    """Returns the item after the update. Raises ConditionFailedError with the stored item."""
    write = item.get_update_kwargs_from_instance(actions, condition, "ALL_OLD")
    stored = _single_write(client().update_item, write | {"ReturnValues": "ALL_NEW"})
    return type(item).from_raw_data(stored["Attributes"])


def put_item(item: StoredItem, condition: Condition | None = None) -> None:
    """Raises ConditionFailedError with the stored item."""
    _single_write(client().put_item, item.get_save_kwargs_from_instance(condition, "ALL_OLD"))


def delete_item(item: StoredItem, condition: Condition | None = None) -> None:
    """Deletes the item if the condition holds. Succeeds if it is already deleted. Raises ConditionFailedError."""
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
    """Returns the result of `attempt`, and repeats it after transient failures (conflict, throttling, time-out).

    `attempt` must be safe to repeat after an unknown outcome. There are at most 7 attempts with full jitter; none
    starts after 6 s (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
    Raises UnavailableError (503) after the last one: contention never becomes another error.
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
    """Whether the same call may succeed later. A cancelled transaction is transient if one of its reasons is."""
    if isinstance(error, TransactWriteError) and error.cancellation_reasons:
        return any(reason and reason.code in _TRANSIENT for reason in error.cancellation_reasons)
    cause = error.cause if isinstance(error, PynamoDBException) else error
    if isinstance(cause, ClientError):
        return cause.response["Error"].get("Code") in _TRANSIENT
    return isinstance(cause, _NO_ANSWER)


def get_item[T: StoredItem](model: type[T], key: Key) -> T | None:
    """Returns the item by a consistent read, or None."""
    names = key_names(model)
    arguments = {"TableName": table_name(model), "Key": _raw_key(names, key), "ConsistentRead": True}
    response = retrying(lambda: client().get_item(**arguments))
    raw = response.get("Item")
    return model.from_raw_data(raw) if raw else None


def batch_get[T: StoredItem](model: type[T], keys: Iterable[Key], *, consistent: bool = True) -> dict[Key, T]:
    """Returns the existing items by key, with one call for 100 keys. Retries unprocessed keys.

    Raises UnavailableError if keys stay unprocessed.
    """
    return {key: model.from_raw_data(raw) for key, raw in batch_get_raw(model, keys, consistent=consistent).items()}


def batch_get_raw(
    model: type[StoredItem], keys: Iterable[Key], *, consistent: bool = True, only: Sequence[str] = ()
) -> dict[Key, dict[str, Any]]:
    """As `batch_get`, but raw, which takes a twentieth of the time. `only`: the attributes to read."""
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
    """Yields the raw items of a partition between two sort keys, both inclusive, by consistent reads."""
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
    """Yields the keys of all items whose partition key begins with one of `prefixes`.

    Scans the whole table. Only commands have the permission; functions do not.
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
    """Yields the items of all pages. `read` gets the arguments that start the next page."""
    start: dict[str, Any] = {}
    while True:
        response = retrying(partial(read, start))
        yield from response["Items"]
        if "LastEvaluatedKey" not in response:
            return
        start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}


def in_parallel[Argument, Result](read: Callable[[Argument], Result], arguments: Sequence[Argument]) -> list[Result]:
    """Returns `read(argument)` of all arguments, in their order. Uses threads for two or more."""
    if len(arguments) < 2:
        return [read(it) for it in arguments]
    client()  # before the threads start: botocore's client creation is not thread-safe
    with ThreadPoolExecutor(max_workers=min(len(arguments), _MAX_THREADS)) as pool:
        # A copy of the context for each thread: it has the request's deadline.
        contexts = [copy_context() for _ in arguments]
        return list(pool.map(lambda context, it: context.run(read, it), contexts, arguments))


def redacted(value: dict[str, Any]) -> dict[str, Any]:
    """Replaces a confidential raw value by one of the same type, so that its item still decodes."""
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
