"""Python values to JSON and back: amounts are Decimal, times are aware datetimes, objects are dataclasses."""

import dataclasses
import enum
import functools
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar, Union

T = TypeVar("T")


class Unset(enum.Enum):
    """The default of an optional field of a request: the field is not sent. None is sent as null."""

    UNSET = "unset"

    def __bool__(self) -> Literal[False]:
        return False


UNSET: Final = Unset.UNSET


@dataclass(frozen=True)
class ResponseInfo:
    """Values of the headers of a response.

    `replayed`: an earlier request with the same idempotency key had the effect. `location`: the path of a new resource,
    or the URL of a finished file.
    """

    status: int
    request_id: str | None
    etag: str | None
    location: str | None
    replayed: bool


@dataclass(kw_only=True)
class RequestModel:
    """An object of a request."""


@dataclass(kw_only=True)
class ResponseModel:
    """An object of a response. `response` is set on the outermost object."""

    response: ResponseInfo | None = field(default=None, compare=False, repr=False)


class DecodeError(ValueError):
    """A response does not have the form of the document. The text names the place."""


def encode(value: Any) -> Any:
    """Returns a value of JSON. Raises TypeError for a float, which cannot represent an amount exactly, and ValueError
    for a time without a time zone.
    """
    match value:
        case None | bool() | str() | int():
            return value
        case Decimal():
            if not value.is_finite():
                raise ValueError(f"{value} is not an amount")
            return format(value, "f")
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{value} has no time zone: use datetime.now(UTC), or attach one")
            precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
            return value.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case RequestModel():
            return encode({wire(it.name): getattr(value, it.name) for it in dataclasses.fields(value)})
        case ResponseModel():
            members = {it: getattr(value, it.name) for it in dataclasses.fields(value) if it.name != "response"}
            # A member with a default was absent.
            present = {it.name: member for it, member in members.items() if member is not it.default}
            return encode({wire(name): member for name, member in present.items()})
        case Mapping():
            return {name: encode(it) for name, it in value.items() if it is not UNSET}
        case Sequence() if not isinstance(value, bytes):
            return [encode(it) for it in value]
    raise TypeError(f"{type(value).__name__} cannot be sent; amounts are Decimal, such as Decimal('9.90')")


def wire(name: str) -> str:
    """Returns the name that the document has: `from_` is `from`, as Python reserves that word."""
    return name.removesuffix("_")


def parse(content: bytes | str) -> Any:
    """Parses JSON. Raises DecodeError. Numbers with a fraction become Decimal."""
    try:
        return json.loads(content, parse_float=Decimal)
    except ValueError as error:
        raise DecodeError(f"the response is not JSON: {error}") from error


def decode(kind: Any, value: Any, place: str = "#") -> Any:
    """Returns a value of JSON as a value of this type. Raises DecodeError.

    Unknown fields are ignored, and unknown values of an enumeration are returned, since later versions may add them.
    """
    origin = typing.get_origin(kind)
    if kind is Any or origin is Literal:
        return value
    if origin in (Union, types.UnionType):
        return _decode_union(typing.get_args(kind), value, place)
    if origin in (list, Sequence):
        (item,) = typing.get_args(kind)
        return [decode(item, it, f"{place}/{i}") for i, it in enumerate(_is(list, value, place))]
    if origin in (dict, Mapping):
        item = typing.get_args(kind)[1]
        return {name: decode(item, it, f"{place}/{name}") for name, it in _is(dict, value, place).items()}
    if dataclasses.is_dataclass(kind):
        return _decode_object(kind, _is(dict, value, place), place)
    if kind in (Decimal, datetime, date):
        return _decode_text(kind, value, place)
    if kind in (None, types.NoneType):
        return _is(types.NoneType, value, place)
    return _is(kind, value, place)


def _is(kind: type[T], value: Any, place: str) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DecodeError(f"{place} is not a {kind.__name__}")
    return value


def _decode_text(kind: Any, value: Any, place: str) -> Any:
    try:
        return Decimal(_is(str, value, place)) if kind is Decimal else kind.fromisoformat(_is(str, value, place))
    except (ValueError, ArithmeticError) as error:
        raise DecodeError(f"{place} is not a {kind.__name__}: {value!r}") from error


def _decode_object(kind: Any, value: dict[str, Any], place: str) -> Any:
    types_of = hints(kind)
    members = {}
    for it in dataclasses.fields(kind):
        name = wire(it.name)
        if name in value and it.name != "response":
            members[it.name] = decode(types_of[it.name], value[name], f"{place}/{name}")
        elif it.default is dataclasses.MISSING:
            members[it.name] = _absent(types_of[it.name], f"{place}/{name}")
    return kind(**members)


def _absent(kind: Any, place: str) -> Any:
    """Returns the value of a field that a deployment of an earlier version does not have yet. Raises DecodeError."""
    if typing.get_origin(kind) is list:
        return []
    if types.NoneType in typing.get_args(kind):
        return None
    raise DecodeError(f"{place} is missing")


def _decode_union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    """Takes the first type that fits. The document lists an object with more fields first."""
    if value is None and types.NoneType in kinds:
        return None
    objects = [it for it in kinds if dataclasses.is_dataclass(it)]
    if len(objects) > 1 and isinstance(value, dict):
        # The most specific one whose fields are all there, or the one that lacks fewest.
        return decode(min(objects, key=lambda it: _distance(it, value)), value, place)
    error = None
    for kind in (it for it in kinds if it not in (types.NoneType, Unset)):
        try:
            return decode(kind, value, place)
        except DecodeError as found:
            error = found
    raise error or DecodeError(f"{place} has no known type")


def _distance(kind: Any, value: dict[str, Any]) -> tuple[int, int]:
    required = {wire(it.name) for it in dataclasses.fields(kind) if it.default is dataclasses.MISSING}
    return len(required - value.keys()), -len(required)


@functools.cache
def hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
