"""Attribute values in DynamoDB's JSON: checked, normalized, measured and compared.

A stored value is in normal form: numbers without needless zeros, sets sorted, binary values as bytes. So equal values
are equal dicts. Stored values are never changed in place.
"""

import re
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from marshal import dumps, loads
from typing import Any

from tests.support.dynamodb import limits
from tests.support.dynamodb.errors import invalid, invalid_parameter

type Value = dict[str, Any]
type Item = dict[str, Value]

TYPES = frozenset({"S", "N", "B", "SS", "NS", "BS", "BOOL", "NULL", "L", "M"})
SETS = frozenset({"SS", "NS", "BS"})
ORDERED = frozenset({"S", "N", "B"})
_SETS_IN_WORDS = {"SS": "string", "NS": "number", "BS": "binary"}

_PLAIN_NUMBER = re.compile(r"(?:0|-?[1-9][0-9]{0,37})", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
# Wide enough for the sum of the largest and the smallest number.
_EXACT = Context(prec=300)


def admit_item(item: Mapping[str, Mapping[str, Any]]) -> tuple[Item, int]:
    """Returns a copy in normal form, and its size in bytes."""
    size = 0
    copied: Item = {}
    for name, value in item.items():
        admitted, value_size = admit(value)
        copied[name] = admitted
        size += _name_size(name) + value_size
    return copied, size


def admit(value: Mapping[str, Any], depth: int = 1) -> tuple[Value, int]:
    """Returns a copy of one value in normal form, and its size by the rules of
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html.
    """
    if len(value) != 1:
        if not value:
            raise invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
        raise invalid(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
        )
    ((kind, content),) = value.items()
    if kind == "S":
        content = _text(content)
        return {"S": content}, len(content) if content.isascii() else len(content.encode())
    if kind == "N":
        number = normal_number(content)
        return {"N": number}, _number_size(number)
    if kind == "BOOL":
        _require(content, bool)
        return {"BOOL": content}, 1
    if kind == "M" or kind == "L":
        return _admit_document(kind, content, depth)
    if kind == "NULL":
        if content is not True:
            raise invalid_parameter("Null attribute value types must have the value of true")
        return {"NULL": True}, 1
    if kind == "B":
        content = _binary(content)
        return {"B": content}, len(content)
    if kind in SETS:
        return _admit_set(kind, content)
    raise invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")


def _admit_document(kind: str, content: Any, depth: int) -> tuple[Value, int]:
    if depth > limits.NESTING_LEVELS:
        raise invalid("Nesting Levels have exceeded supported limits: Attributes can have at most 32 levels of nesting")
    size = 3
    if kind == "L":
        _require(content, list)
        elements = []
        for element in content:
            admitted, element_size = admit(element, depth + 1)
            elements.append(admitted)
            size += element_size + 1
        return {"L": elements}, size
    _require(content, dict)
    entries = {}
    for name, element in content.items():
        entries[name], element_size = admit(element, depth + 1)
        size += _name_size(name) + element_size + 1
    return {"M": entries}, size


def _admit_set(kind: str, content: Any) -> tuple[Value, int]:
    _require(content, (list, tuple, set))
    if not content:
        raise invalid_parameter(f"An {_SETS_IN_WORDS[kind]} set  may not be empty")
    elements = [*content]
    if kind == "NS":
        elements = sorted((normal_number(it) for it in elements), key=Decimal)
        size = sum(map(_number_size, elements))
    elif kind == "BS":
        elements = sorted(map(_binary, elements))
        size = sum(map(len, elements))
    else:
        elements = sorted(map(_text, elements))
        size = sum(len(it.encode()) for it in elements)
    if len(set(elements)) < len(elements):
        raise invalid_parameter(f"Input collection {elements} contains duplicates.")
    return {kind: elements}, size


def normal_set(kind: str, elements: set[Any]) -> Value:
    """Returns a set of elements that are in normal form."""
    return {kind: sorted(elements, key=Decimal if kind == "NS" else None)}


def _require(content: Any, kind: Any) -> None:
    """Raises the error with which botocore refuses it before it is sent."""
    if not isinstance(content, kind):
        raise TypeError(f"an attribute value of {type(content).__name__}: {content!r:.100}")


def _text(content: Any) -> str:
    """Members of enumerations go over the wire as plain text."""
    _require(content, str)
    return content if type(content) is str else str.__str__(content)


def _binary(content: Any) -> bytes:
    if isinstance(content, str):
        return content.encode()
    _require(content, (bytes, bytearray))
    return bytes(content)


def _name_size(name: str) -> int:
    size = len(name) if name.isascii() else len(name.encode())
    if size > limits.ATTRIBUTE_NAME:
        raise invalid(f"Attribute name is too large, must be less than {limits.ATTRIBUTE_NAME + 1} bytes")
    return size


def normal_number(text: str) -> str:
    text = _text(text)
    if _PLAIN_NUMBER.fullmatch(text):
        return text
    if not _NUMBER.fullmatch(text):
        raise invalid(f"The parameter cannot be converted to a numeric value: {text}")
    return number_text(Decimal(text))


def number_text(number: Decimal) -> str:
    """Raises a ValidationException beyond the range or the precision of DynamoDB's numbers."""
    digits = number.as_tuple().digits
    if not number:
        return "0"
    if len("".join(map(str, digits)).strip("0")) > limits.NUMBER_DIGITS:
        raise invalid("Attempting to store more than 38 significant digits in a Number")
    if number.adjusted() >= limits.NUMBER_EXPONENTS.stop:
        raise invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if number.adjusted() < limits.NUMBER_EXPONENTS.start:
        raise invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
    return format(number.normalize(_EXACT), "f")


def calculate(left: str, operator: str, right: str) -> str:
    """Returns the sum or difference of two numbers, as text."""
    try:
        if operator == "+":
            return number_text(_EXACT.add(Decimal(left), Decimal(right)))
        return number_text(_EXACT.subtract(Decimal(left), Decimal(right)))
    except InvalidOperation as error:  # pragma: no cover - the operands are numbers in normal form
        raise invalid("The parameter cannot be converted to a numeric value") from error


def _number_size(number: str) -> int:
    """Returns a byte for each two significant digits, one more, and one for the sign."""
    digits = number.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + (number[0] == "-")


def size_of_item(item: Item) -> int:
    return sum(_name_size(name) + size_of(value) for name, value in item.items())


def size_of(value: Value) -> int:
    """Of a value in normal form."""
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content) if content.isascii() else len(content.encode())
    if kind == "N":
        return _number_size(content)
    if kind == "L":
        return 3 + sum(size_of(it) + 1 for it in content)
    if kind == "M":
        return 3 + sum(_name_size(name) + size_of(it) + 1 for name, it in content.items())
    if kind == "NS":
        return sum(map(_number_size, content))
    if kind == "SS":
        return sum(len(it.encode()) for it in content)
    if kind == "BS":
        return sum(map(len, content))
    return len(content) if kind == "B" else 1


def depth_of(value: Value) -> int:
    """Returns the levels of nesting in a value: 0 of a scalar."""
    if "M" in value:
        return 1 + max(map(depth_of, value["M"].values()), default=0)
    if "L" in value:
        return 1 + max(map(depth_of, value["L"]), default=0)
    return 0


def comparable(value: Value) -> Any:
    """Returns the sort value among those of its type: strings by code point, which is the order of their UTF-8."""
    ((kind, content),) = value.items()
    return Decimal(content) if kind == "N" else content


def copied[T](original: T) -> T:
    """Returns a deep copy of items or values, several times as fast as `copy.deepcopy`."""
    copy: T = loads(dumps(original))  # noqa: S302 - our own bytes
    return copy
