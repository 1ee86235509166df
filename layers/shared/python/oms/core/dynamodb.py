"""Access to DynamoDB: one client for all tables, conditional writes, and reads of one item or many.

PynamoDB describes items and builds expressions. This module adds a common client, access to the item that made a
condition fail, and batches with items of several models. Only this module uses a private name of
PynamoDB, `Model._get_connection`: see `tests/unit/test_private_names.py`.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cache, partial
from itertools import batched
from types import MappingProxyType
from typing import Any, Self

from botocore.exceptions import ClientError
from pynamodb.attributes import Attribute, JSONAttribute, MapAttribute
from pynamodb.constants import NUMBER, TABLE_NAME
from pynamodb.exceptions import TableError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core.aws_json.client import Client
from oms.core.item_decoder import OTHER_FORM, decoder
from oms.core.json_parser import parse_json
from oms.core.lean_pynamodb import Connection, MetaTable, Model, TableConnection
from oms.core.retries import ConcurrentUpdateError, check_time, retrying

type Key = str | tuple[str, str]
type RawKey = dict[str, dict[str, str]]
"""A key as DynamoDB has it: `{"pk": {"S": "…"}, "sk": {"S": "…"}}`."""

_BATCH_GET_KEYS = 100
_BATCH_WRITES = 25
_MAX_THREADS = 16


class _Connection(Connection):
    """PynamoDB's connection, with the client of `oms.core.aws_json` in place of botocore's."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._json_client = client

    @property
    def client(self) -> Any:
        return self._json_client


@cache
def connection() -> Connection:
    """Returns the connection that all models share. Its time-outs are short: a request waits for the call."""
    return _Connection(Client("dynamodb", read_seconds=2, max_attempts=2))


def client() -> Any:
    """Returns the client, for calls that PynamoDB cannot express.

    Raises UnavailableError after the request's deadline: see `deadline`.
    """
    check_time()
    return connection().client


class IntegerAttribute(Attribute[int]):
    """A whole number. Type checkers take PynamoDB's NumberAttribute for a float."""

    attr_type = NUMBER

    def serialize(self, value: int) -> str:
        return str(int(value))

    # Not a method, so that decoders call `int` itself.
    deserialize = staticmethod(int)  # type: ignore[assignment]


class JsonAttribute(JSONAttribute):
    """JSON text without ASCII escapes, since escapes can make an item six times as large as its request."""

    def serialize(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False)

    def deserialize(self, value: str) -> Any:
        try:
            return parse_json(value)
        except ValueError:  # PynamoDB accepts control characters
            return json.loads(value, strict=False)


class EmbeddedItem(MapAttribute[str, Any]):
    """A map inside an item, with typed attributes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)  # type: ignore[no-untyped-call]


class StoredItem(Model):
    """An item of one of the tables. Subclasses name their table in `Meta`."""

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        """Returns the item in a response. PynamoDB decodes those of an unusual form, and finds what is wrong."""
        item: Self
        try:
            item = decoder(cls)(data)
        except OTHER_FORM:
            item = super().from_raw_data(data)
        return item

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

    Commands use it with the tables of a stage, and can then use no other models. Functions have the names in their
    environment.
    """
    mark = _table_names.set({**_table_names.get(), **names})
    try:
        yield
    finally:
        _table_names.reset(mark)


def table_name(model: type[StoredItem]) -> str:
    names = _table_names.get()
    if not names:
        return str(model.Meta.table_name)
    for cls in model.__mro__:
        if cls in names:
            return names[cls]
    raise RuntimeError(f"this command has not named the table of {model.__name__}")


class ConditionFailedError(Exception):
    """The condition of a single write was false. `item` is the stored raw item, or None if there is none."""

    def __init__(self, item: dict[str, Any] | None) -> None:
        super().__init__("the condition of the write was false")
        self.item = item


def update_item[T: StoredItem](item: T, actions: list[Action], condition: Condition | None = None) -> T:
    """Returns the item after the update. Raises ConditionFailedError with the stored item."""
    write = item.get_update_kwargs_from_instance(actions, condition, "ALL_OLD")
    stored = single_write(client().update_item, write | {"ReturnValues": "ALL_NEW"})
    return type(item).from_raw_data(stored["Attributes"])


def put_item(item: StoredItem, condition: Condition | None = None) -> None:
    """Stores the item if the condition holds. Raises ConditionFailedError with the stored item."""
    single_write(client().put_item, item.get_save_kwargs_from_instance(condition, "ALL_OLD"))


def delete_item(item: StoredItem, condition: Condition | None = None) -> None:
    """Deletes the item if the condition holds. Succeeds if it is already deleted. Raises ConditionFailedError."""
    arguments = item.get_delete_kwargs_from_instance(condition, "ALL_OLD")

    def delete() -> None:
        try:
            single_write(client().delete_item, arguments)
        except ConditionFailedError as error:
            if error.item:
                raise

    retrying(delete)


def single_write(call: Callable[..., dict[str, Any]], arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the response of a write of one item by the client. Raises ConditionFailedError."""
    try:
        return call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            response: Any = error.response
            raise ConditionFailedError(response.get("Item")) from error
        raise


def is_written(write: Callable[[], object]) -> bool:
    """Makes a conditional write; returns whether it took place. False also if only its first response was lost."""
    try:
        retrying(write)
    except ConditionFailedError:
        return False
    return True


def get_item[T: StoredItem](model: type[T], key: Key, *, consistent: bool = True) -> T | None:
    """Returns the item, or None. A read that is not consistent costs half, and may lag about a second behind."""
    names = key_names(model)
    arguments = {"TableName": table_name(model), "Key": _raw_key(names, key), "ConsistentRead": consistent}
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
    """Returns raw items by key, which takes a twentieth of the time of `batch_get`. `only`: the attributes to read."""
    return read_batches(table_name(model), key_names(model), keys, consistent=consistent, only=only)


def read_batches(
    table: str, names: Sequence[str], keys: Iterable[Key], *, consistent: bool = True, only: Sequence[str] = ()
) -> dict[Key, dict[str, Any]]:
    """Returns raw items by key, as `batch_get_raw`, of a table without a bound model.

    `names` has its key attributes.
    """
    options = {"ConsistentRead": consistent, **(projection(only) if only else {})}
    found: dict[Key, dict[str, Any]] = {}

    def send(raw_keys: list[RawKey]) -> list[RawKey]:
        response = client().batch_get_item(RequestItems={table: {"Keys": raw_keys, **options}})
        found.update((_key_of(raw, names), raw) for raw in response["Responses"].get(table, []))
        unprocessed: list[RawKey] = response.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        return unprocessed

    in_batches(send, names, keys)
    return found


def in_batches(send: Callable[[list[RawKey]], list[RawKey]], names: Sequence[str], keys: Iterable[Key]) -> None:
    """Calls `send` for each 100 keys, and again with those that it returns because they were not processed.

    Raises UnavailableError if keys stay unprocessed.
    """
    for some in batched(dict.fromkeys(keys), _BATCH_GET_KEYS, strict=False):
        pending = [_raw_key(names, key) for key in some]

        def read() -> None:
            nonlocal pending
            pending = send(pending)
            if pending:
                raise ConcurrentUpdateError

        retrying(read)


def write_batches(model: type[StoredItem], *, puts: Sequence[dict[str, Any]], deletes: Sequence[Key]) -> None:
    """Stores these raw items and deletes the items with these keys, without conditions, by one call for 25 of them.

    Several calls run at once. No item may be in both, or twice in one. Raises UnavailableError if writes stay
    unprocessed; others may have succeeded.
    """
    table, names = table_name(model), key_names(model)
    requests: list[dict[str, Any]] = [
        *({"PutRequest": {"Item": item}} for item in puts),
        *({"DeleteRequest": {"Key": _raw_key(names, key)}} for key in deletes),
    ]

    def write(some: Sequence[dict[str, Any]]) -> None:
        pending = list(some)

        def send() -> None:
            nonlocal pending
            response = client().batch_write_item(RequestItems={table: pending})
            pending = response.get("UnprocessedItems", {}).get(table, [])
            if pending:
                raise ConcurrentUpdateError

        retrying(send)

    in_parallel(write, list(batched(requests, _BATCH_WRITES, strict=False)))


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


def scan_keys(table: str, names: Sequence[str], prefixes: Sequence[str] = ()) -> Iterator[Key]:
    """Yields the keys of a table, by consistent reads of the whole table. Only commands have the permission.

    With `prefixes`, it yields only keys whose partition key begins with one of them.
    """
    scan = {"TableName": table, "ConsistentRead": True, **projection(names)}
    if prefixes:
        values = {f":{number}": {"S": prefix} for number, prefix in enumerate(prefixes)}
        scan["FilterExpression"] = " OR ".join(f"begins_with(#0, {value})" for value in values)
        scan["ExpressionAttributeValues"] = values
    for raw in _all_pages(lambda start: client().scan(**scan, **start)):
        yield _key_of(raw, names)


def projection(names: Sequence[str]) -> dict[str, Any]:
    placeholders = {f"#{number}": name for number, name in enumerate(names)}
    return {"ExpressionAttributeNames": placeholders, "ProjectionExpression": ", ".join(placeholders)}


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
        return [read(argument) for argument in arguments]
    with ThreadPoolExecutor(max_workers=min(len(arguments), _MAX_THREADS)) as pool:
        # Each thread needs a copy of the context, which has the request's deadline.
        contexts = [copy_context() for _ in arguments]
        return list(pool.map(lambda context, argument: context.run(read, argument), contexts, arguments))


def redacted(value: dict[str, Any]) -> dict[str, Any]:
    """Returns a replacement for a confidential raw value, of the same type, so that its item still decodes."""
    return {"B": b64encode(b"redacted").decode()} if "B" in value else {"S": "redacted"}


@cache
def key_names(model: type[StoredItem]) -> tuple[str, ...]:
    """Returns the names of the partition key and, where the table has one, of the sort key."""
    attributes = model.get_attributes().values()
    partition = [attribute.attr_name for attribute in attributes if attribute.is_hash_key]
    return (*partition, *(attribute.attr_name for attribute in attributes if attribute.is_range_key))


def _key_of(raw: dict[str, Any], names: Sequence[str]) -> Key:
    partition: str = raw[names[0]]["S"]
    return (partition, raw[names[1]]["S"]) if len(names) > 1 else partition


def _raw_key(names: Sequence[str], key: Key) -> RawKey:
    if isinstance(key, str):
        return {names[0]: {"S": key}}
    return {names[0]: {"S": key[0]}, names[1]: {"S": key[1]}}
