"""Keys: the schema of a table's or an index's keys, and the key conditions of a Query."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.support.dynamodb import limits
from tests.support.dynamodb.conditions import check_bounds
from tests.support.dynamodb.errors import RefusedError, invalid, invalid_parameter
from tests.support.dynamodb.syntax import Call, Operand, Operation, Path, Placeholder
from tests.support.dynamodb.values import Item, Value, admit, comparable, size_of

type Key = tuple[Any, ...]
"""The comparable values of a partition key and, where there is one, a sort key."""

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_LIMITS = (limits.PARTITION_KEY, limits.SORT_KEY)


class KeySchema:
    """The key attributes of a table or an index, partition key first, with their types."""

    def __init__(self, schema: list[dict[str, str]], definitions: Mapping[str, str]) -> None:
        kinds = {it["KeyType"]: it["AttributeName"] for it in schema}
        self.names = [kinds[kind] for kind in ("HASH", "RANGE") if kind in kinds]
        self.types = [definitions[name] for name in self.names]
        self._fields = [*zip(self.names, self.types, _LIMITS, strict=False)]
        self.description = schema

    def of_item(self, item: Item) -> Key:
        """Returns the key of an item, or of a key alone, that a request stores or names."""
        key = []
        for name, kind, most in self._fields:
            value = item.get(name)
            if value is None:
                raise invalid_parameter(f"Missing the key {name} in the item")
            if kind not in value:
                raise invalid_parameter(f"Type mismatch for key {name} expected: {kind} actual: {next(iter(value))}")
            _check_size(name, value, most)
            key.append(comparable(value))
        return tuple(key)

    def of_key(self, raw: Mapping[str, Any]) -> Key:
        """Returns the key that a request names. It must have the key attributes and no others."""
        mismatch = invalid("The provided key element does not match the schema")
        if raw.keys() != {*self.names}:
            if not {*self.names} <= raw.keys() or len(raw) > len(self.names):
                raise invalid(
                    "The number of conditions on the keys is invalid"
                    if len(raw) != len(self.names)
                    else mismatch.message
                )
            raise mismatch
        key = []
        for name, kind, most in self._fields:
            value, _ = admit(raw[name])
            if kind not in value:
                raise mismatch
            _check_size(name, value, most)
            key.append(comparable(value))
        return tuple(key)

    def of_entry(self, item: Item, index: str) -> Key | None:
        """Returns the key of an item in an index, or None if the item lacks one of its attributes."""
        key = []
        for name, kind, most in self._fields:
            value = item.get(name)
            if value is not None:
                _check_index_value(index, name, kind, most, value)
                key.append(comparable(value))
        return tuple(key) if len(key) == len(self._fields) else None


def _check_size(name: str, value: Value, most: int) -> None:
    size = size_of(value)
    if size > most:
        raise invalid_parameter(
            f"Size of hashkey has exceeded the maximum size limit of{most} bytes"
            if most == limits.PARTITION_KEY
            else f"Aggregated size of all range keys has exceeded the size limit of {most} bytes"
        )
    if not size:
        kind = "string" if "S" in value else "binary"
        raise invalid(
            "One or more parameter values are not valid. "
            f"The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {name}"
        )


def _check_index_value(index: str, name: str, kind: str, most: int, value: Value) -> None:
    if kind not in value:
        raise invalid_parameter(
            f"Type mismatch for Index Key {name} Expected: {kind} Actual: {next(iter(value))} IndexName: {index}"
        )
    size = size_of(value)
    if not size:
        raise invalid(
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
            "The AttributeValue for a key attribute cannot contain an empty "
            f"{'string' if kind == 'S' else 'binary'} value. IndexName: {index}, IndexKey: {name}"
        )
    if size > most:
        raise invalid_parameter(
            f"Size of hashkey has exceeded the maximum size limit of{most} bytes"
            if most == limits.PARTITION_KEY
            else f"Aggregated size of all range keys has exceeded the size limit of {most} bytes"
        )


class Range(NamedTuple):
    """A partition, and the operator and bounds for its sort keys; the operator is "" for all of them."""

    partition: Any
    operator: str = ""
    low: Any = None
    high: Any = None


class KeyCondition:
    """`partition = :value`, and at most one condition on the sort key."""

    def __init__(self, tree: Operand, error: Callable[[str], RefusedError]) -> None:
        self._error = error
        parts = tree.operands if isinstance(tree, Operation) and tree.operator == "AND" else (tree,)
        self._conditions: dict[str, tuple[str, tuple[Placeholder, ...]]] = {}
        for part in parts:
            name, condition = self._read(part)
            if name in self._conditions:
                raise error("KeyConditionExpressions must only contain one condition per key")
            self._conditions[name] = condition

    def check(self, values: Mapping[str, Value]) -> None:
        for name, placeholders in self._conditions.values():
            if name == "BETWEEN":
                check_bounds(*(values[it.name] for it in placeholders), self._error)

    def range(self, schema: KeySchema, values: Mapping[str, Value]) -> Range:
        partition, *sort = schema.names
        if partition not in self._conditions:
            raise invalid(f"Query condition missed key schema element: {partition}")
        if len(self._conditions) > 1 and (not sort or sort[0] not in self._conditions):
            raise invalid(
                f"Query condition missed key schema element: {sort[0]}" if sort else "Query key condition not supported"
            )
        name, placeholders = self._conditions[partition]
        if name != "=":
            raise invalid("Query key condition not supported")
        (value,) = self._values(partition, placeholders, schema.types[0], limits.PARTITION_KEY, values)
        if len(self._conditions) == 1:
            return Range(value)
        name, placeholders = self._conditions[sort[0]]
        bounds = self._values(sort[0], placeholders, schema.types[1], limits.SORT_KEY, values)
        if name == "begins_with" and schema.types[1] == "N":
            raise self._error(
                "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"
            )
        return Range(value, name, *bounds)

    @staticmethod
    def _values(
        key: str, placeholders: tuple[Placeholder, ...], kind: str, most: int, values: Mapping[str, Value]
    ) -> list[Any]:
        found = [values[it.name] for it in placeholders]
        for value in found:
            if kind not in value:
                raise invalid_parameter("Condition parameter type does not match schema type")
            _check_size(key, value, most)
        return [comparable(value) for value in found]

    def _read(self, part: Operand) -> tuple[str, tuple[str, tuple[Placeholder, ...]]]:
        if isinstance(part, Call):
            name, operands = part.function, part.operands
            if name != "begins_with":
                raise self._error(f"Invalid operator used in KeyConditionExpression: {name}")
        else:
            assert isinstance(part, Operation)
            name, operands = part.operator, part.operands
            if name in ("OR", "NOT", "AND", "IN", "<>"):
                raise self._error(f"Invalid operator used in KeyConditionExpression: {name}")
            if isinstance(operands[0], Placeholder) and name in _MIRRORED:
                name, operands = _MIRRORED[name], operands[::-1]
        path, *bounds = operands
        if not isinstance(path, Path):
            raise self._error("No key attribute specified")
        if len(path.steps) > 1:
            raise self._error("KeyConditionExpressions cannot have conditions on nested attributes")
        placeholders = tuple(it for it in bounds if isinstance(it, Placeholder))
        if len(placeholders) < len(bounds) or (name == "begins_with" and len(bounds) != 1):
            raise self._error("Invalid operator used in KeyConditionExpression: attribute_reference")
        return str(path.steps[0]), (name, placeholders)
