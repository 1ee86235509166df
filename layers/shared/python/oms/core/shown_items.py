"""Reads items that are only shown, as lists do: their values come straight from the JSON of DynamoDB's response.

Pydantic's parser reads the attributes that a view needs, by a schema that is generated from the model. So the other
attributes are not sent, and no dictionary is created for each stored value, `{"S": "…"}`. The items are of the model's
class, but all other attributes are absent: they must not be written.
"""

from collections.abc import Callable, Iterable
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic_core import SchemaValidator, ValidationError
from pydantic_core import core_schema as schemas
from pynamodb.attributes import Attribute, AttributeContainer, ListAttribute, MapAttribute

from oms.core.aws_json.client import Client
from oms.core.aws_json.json_text import decode
from oms.core.dynamodb import JsonAttribute, Key, RawKey, StoredItem, in_batches, key_names, projection, table_name
from oms.core.item_decoder import discriminator
from oms.core.retries import check_time


@cache
def _client() -> Client:
    """Returns the client, with the limits of `oms.core.dynamodb.connection`. Its results are `{"body": b"…"}`."""
    return Client("dynamodb", read_seconds=2, max_attempts=2, decodes=False)


class _Response[T](NamedTuple):
    """A response of BatchGetItem."""

    items: list[T]
    unprocessed: list[RawKey]


def shown_items[T: StoredItem](model: type[T], keys: Iterable[Key], names: frozenset[str]) -> dict[Key, T]:
    """Returns the existing items by key, with the attributes `names` and the key, by one call for 100 keys.

    Retries unprocessed keys. Raises UnavailableError if keys stay unprocessed.
    """
    table, reader = table_name(model), reader_of(model, names)
    found: dict[Key, T] = {}

    def send(raw_keys: list[RawKey]) -> list[RawKey]:
        check_time()
        request = {table: {"Keys": raw_keys, "ConsistentRead": True, **reader.projection}}
        response = reader.read(_client().batch_get_item(RequestItems=request)["body"], table)
        found.update((reader.key_of(item.attribute_values), item) for item in response.items)
        return response.unprocessed

    in_batches(send, key_names(model), keys)
    return found


@cache
def reader_of[T: StoredItem](model: type[T], names: frozenset[str]) -> "Reader[T]":
    return Reader(model, names)


class Reader[T: StoredItem]:
    """Reads the items of a model in a response of BatchGetItem."""

    def __init__(self, model: type[T], names: frozenset[str]) -> None:
        kind = discriminator(model)
        wanted = {*key_names(model), *names} | ({kind.attr_name} if kind else set())
        self._model = model
        self.projection = projection(sorted(wanted))
        keys = [name for name, it in model.get_attributes().items() if it.attr_name in key_names(model)]
        self.key_of: Callable[[dict[str, Any]], Key] = itemgetter(*keys)
        if kind is None:
            item = _item(model, wanted)
        else:
            kinds = kind.get_registered_subclasses(model)
            choices = {str(kind.get_discriminator(it)): _item(it, wanted) for it in kinds}
            path: list[str | int] = [kind.attr_name, kind.attr_type]
            item = schemas.tagged_union_schema(choices, [path])
        self._parse = cache(lambda table: _response_parser(item, table))

    def read(self, body: bytes, table: str) -> _Response[T]:
        """Returns the items of a response. PynamoDB decodes those of an unusual form, and finds what is wrong."""
        try:
            found = self._parse(table)(body)
        except ValidationError:
            members = decode(body, has_items=True)
            items = [self._model.from_raw_data(it) for it in members["Responses"].get(table, [])]
            return _Response(items, members.get("UnprocessedKeys", {}).get(table, {}).get("Keys", []))
        return _Response(found["items"], found["unprocessed"])


def _response_parser(item: schemas.CoreSchema, table: str) -> Callable[[bytes], dict[str, Any]]:
    def listed(path: list[str | int], of: schemas.CoreSchema) -> schemas.TypedDictField:
        schema = schemas.with_default_schema(schemas.list_schema(of), default_factory=list)
        return schemas.typed_dict_field(schema, validation_alias=path)

    response = {
        "items": listed(["Responses", table], item),
        "unprocessed": listed(["UnprocessedKeys", table, "Keys"], schemas.any_schema()),
    }
    return SchemaValidator(schemas.typed_dict_schema(response)).validate_json


def _item(cls: type[AttributeContainer], names: set[str] | None = None, *within: str) -> schemas.CoreSchema:
    """Returns the schema of an item or of a map within it. `within` is the path from a value to its attributes."""
    kind = discriminator(cls)
    fields = {
        name: _field(attribute, within)
        for name, attribute in cls.get_attributes().items()
        if attribute is not kind and (names is None or attribute.attr_name in names)
    }
    new, put = object.__new__, object.__setattr__

    def create(values: dict[str, Any]) -> AttributeContainer:
        item = new(cls)
        put(item, "attribute_values", values)
        return item

    return schemas.no_info_after_validator_function(create, schemas.typed_dict_schema(fields))


def _field(attribute: Attribute[Any], within: tuple[str, ...]) -> schemas.TypedDictField:
    schema, default = _value(attribute), attribute.default
    if default is not None:
        schema = schemas.with_default_schema(schema, default_factory=default if callable(default) else lambda: default)
    path: list[str | int] = [*within, attribute.attr_name, attribute.attr_type]
    return schemas.typed_dict_field(schema, validation_alias=path, required=not attribute.null and default is None)


def _value(attribute: Attribute[Any]) -> schemas.CoreSchema:
    element = attribute.element_type if isinstance(attribute, ListAttribute) else None
    if element and issubclass(element, MapAttribute):
        return schemas.list_schema(_item(element, None, "M"))
    if isinstance(attribute, MapAttribute) and not attribute.is_raw():
        return _item(type(attribute))
    if attribute.deserialize is int:
        return schemas.int_schema()
    if isinstance(attribute, JsonAttribute):
        return schemas.json_schema()
    if attribute.attr_type == "S" and type(attribute).deserialize is Attribute.deserialize:
        return schemas.str_schema()
    raise TypeError(f"{type(attribute).__name__} cannot be shown")
