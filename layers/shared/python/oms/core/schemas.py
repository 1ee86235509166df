"""Building blocks that the schemas of several domains share."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Self

from annotated_types import GroupedMetadata
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    field_validator,
    model_validator,
)

from oms.core import email_addresses, texts
from oms.core.clock import start_of, timestamp


class Request(BaseModel):
    """A body with strict types. Undocumented fields are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PartialRequest(Request):
    """The body of a PATCH: the fields to change, at least one. `model_fields_set` says which."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def _has_a_field(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must have at least one field")
        return self


def _as_text(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("must be a string or an integer")  # noqa: TRY004 - pydantic takes ValueError alone
    return str(value)


ProductId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    BeforeValidator(_as_text),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "minLength": 1, "maxLength": 128}, {"type": "integer"}],
            "description": "The id of a product. An integer is read as its decimal string.",
            "examples": ["1"],
        }
    ),
]


EmailAddress = Annotated[
    str,
    Field(
        min_length=3,
        max_length=254,
        description="ASCII before the @. International domains are accepted in both forms and returned as A-labels.",
        examples=["ada@example.org"],
        json_schema_extra={"format": "idn-email"},
    ),
    AfterValidator(email_addresses.canonical),
]
"""In its canonical form once it is read: see `oms.core.email_addresses`."""


@dataclass(frozen=True)
class VisibleText(GroupedMetadata):
    """Of a text: one line that people read, with a visible character, and without white space at its ends."""

    max_length: int

    def __iter__(self) -> Iterator[Any]:
        yield from StringConstraints(strip_whitespace=True, min_length=1, max_length=self.max_length)
        yield AfterValidator(texts.visible)
        yield Field(json_schema_extra={"pattern": r"\S"})


@dataclass(frozen=True)
class Prose(GroupedMetadata):
    """Of a text: what people read, in lines or in one, without white space at its ends."""

    max_length: int
    one_line: bool = False

    def __iter__(self) -> Iterator[Any]:
        yield from StringConstraints(strip_whitespace=True, max_length=self.max_length)
        if self.one_line:
            yield AfterValidator(texts.one_line)


INVISIBLE_IS_NULL = BeforeValidator(lambda text: None if isinstance(text, str) and not texts.is_visible(text) else text)
"""Of an optional text: one that shows nothing is null, as if none was sent."""


@dataclass(frozen=True)
class KeyName(GroupedMetadata):
    """For names that are keys: as `VisibleText`, in the canonical form of `oms.core.texts.key_name`."""

    max_length: int

    def __iter__(self) -> Iterator[Any]:
        yield from VisibleText(self.max_length)
        yield BeforeValidator(self._in_one_form)

    @staticmethod
    def _in_one_form(text: Any) -> Any:
        if not isinstance(text, str):
            return text
        name = texts.key_name(text)
        if text and not name:
            raise ValueError(texts.NOTHING_VISIBLE)
        return name


@dataclass(frozen=True)
class Form(GroupedMetadata):
    """Of a text: that the whole of it matches a pattern. The document has the pattern, errors have the words."""

    pattern: str
    words: str

    def __iter__(self) -> Iterator[Any]:
        yield AfterValidator(self._check)
        yield Field(json_schema_extra={"pattern": f"^{self.pattern}$"})

    def _check(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(self.words)
        return text


class EmptyRequest(Request):
    """A body without fields. It may be left out."""


class Response(BaseModel):
    model_config = ConfigDict(strict=True)


def whole_number(text: Any) -> Any:
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    if isinstance(text, int):
        return text
    raise ValueError("must be a whole number")


def _flag(text: Any) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if isinstance(text, bool):
        return text
    raise ValueError("must be true or false")


Flag = Annotated[bool, BeforeValidator(_flag)]


class PageQuery(BaseModel):
    """The parameters of every list."""

    limit: Annotated[int, BeforeValidator(whole_number)] = Field(
        20, ge=1, le=100, description="The maximum number of items on a page."
    )
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = Field(
        None,
        description="`next_cursor` of the previous page; omit it for the first page. Valid for this list and user.",
    )


NextCursor = Annotated[
    str | None,
    Field(description="Send it as `cursor` to get the next page. Only null ends a list: a page may be short or empty."),
]
Timestamp = Annotated[
    str, WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-31T09:30:00.000Z"]})
]
"""A time in an answer: RFC 3339 in UTC, with milliseconds."""


def at_second(epoch_seconds: float) -> str:
    return timestamp(datetime.fromtimestamp(epoch_seconds, UTC))


@dataclass(frozen=True)
class OneOf(GroupedMetadata):
    """Of a string: one of these values."""

    allowed: tuple[str, ...]

    def __iter__(self) -> Iterator[Any]:
        yield AfterValidator(self._check)
        yield Field(json_schema_extra={"enum": list(self.allowed)})

    def _check(self, text: str) -> str:
        if text not in self.allowed:
            raise ValueError(f"must be any of {', '.join(self.allowed)}")
        return text


@dataclass(frozen=True)
class Several(GroupedMetadata):
    """Of a tuple of strings: at least one of them. Repeated ones count once, or are refused where `each_once`.

    A query repeats the parameter or has commas. A body has an array; `or_text_of` has the values that an item may have,
    for fields whose schema says that a text with commas is taken as well.
    """

    or_text_of: tuple[str, ...] = ()
    most: int | None = None
    each_once: bool = False

    def __iter__(self) -> Iterator[Any]:
        yield WrapValidator(self._read)
        yield Field(json_schema_extra=self._describe)

    def _read(self, given: Any, as_tuple: ValidatorFunctionWrapHandler) -> tuple[str, ...]:
        if isinstance(given, str):
            try:
                return self._checked(as_tuple(tuple(given.split(","))))
            except ValidationError as error:
                # The client sent one text, so pointers to its parts would mean nothing to it.
                raise ValueError(
                    f"{error.errors()[0]['msg'].removeprefix('Value error, ')}, separated by commas"
                ) from None
        if not isinstance(given, list | tuple):
            raise ValueError("must be an array of strings")  # noqa: TRY004 - pydantic takes ValueError alone
        return self._checked(as_tuple(tuple(given)))

    def _checked(self, values: tuple[str, ...]) -> tuple[str, ...]:
        if not values:
            raise ValueError("must not be empty")
        different = tuple(dict.fromkeys(values))
        if self.each_once and len(different) < len(values):
            raise ValueError("must have each value once")
        if self.most and len(values) > self.most:
            raise ValueError(f"must have at most {self.most} values")
        return different

    def _describe(self, schema: dict[str, Any]) -> None:
        array = schema | {"minItems": 1}
        if self.most:
            array["maxItems"] = self.most
        if self.each_once:
            array["uniqueItems"] = True
        schema.clear()
        if not self.or_text_of:
            schema.update(array)
            return
        value = f"({'|'.join(self.or_text_of)})"
        schema["anyOf"] = [array, {"type": "string", "pattern": f"^{value}(,{value})*$"}]


# RFC 3339, section 5.6: fromisoformat also takes weeks, missing seconds, commas and any separator.
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(_DATE.pattern + r"[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def _moment(text: str, *, past_the_day: bool) -> str:
    """The bound as a timestamp. A date stands for the whole day in the shop's time zone."""
    if _TIME.fullmatch(text):
        return timestamp(datetime.fromisoformat(text.upper()))
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    day = date.fromisoformat(text)
    if past_the_day and day == date.max:
        return timestamp(datetime.combine(day, time.max, UTC))
    return timestamp(start_of(day + timedelta(days=past_the_day)))


def _bound(*, past_the_day: bool) -> BeforeValidator:
    def parse(text: str) -> str:
        try:
            return _moment(text, past_the_day=past_the_day)
        except (TypeError, ValueError, OverflowError):
            hint = " (the + of its offset has become a blank: write it as %2B)" if _has_lost_plus(text) else ""
            words = "must be a date (2026-01-31) or an RFC 3339 time (2026-01-31T09:30:00Z)"
            raise ValueError(f"{words}{hint}") from None

    return BeforeValidator(parse)


def _has_lost_plus(text: Any) -> bool:
    """Whether it is a time whose `+` was not escaped in a query, where it means a blank."""
    return isinstance(text, str) and " " in text and _TIME.fullmatch(text.replace(" ", "+")) is not None


_DATE_OR_TIME = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}],
}
From = Annotated[str, _bound(past_the_day=False), WithJsonSchema(_DATE_OR_TIME | {"examples": ["2026-01-01"]})]
To = Annotated[str, _bound(past_the_day=True), WithJsonSchema(_DATE_OR_TIME | {"examples": ["2026-12-31"]})]
"""Bounds of a span as timestamps: from-inclusive, to-exclusive."""
# The ends of the bounds' descriptions.
SINCE = "at this time or later; a date means the beginning of that day in the shop's time zone."
BEFORE = "before this time; a date includes that whole day in the shop's time zone."


class Span(BaseModel):
    """A model with the fields `from_` and `to`. It refuses a `to` that ends before `from_` begins.

    A span of times may be empty; a day that ends where the span begins is the day before it.
    """

    @field_validator("to", mode="wrap", check_fields=False)
    @classmethod
    def _in_order(cls, text: Any, bound: ValidatorFunctionWrapHandler, others: ValidationInfo) -> Any:
        to, start = bound(text), others.data.get("from_")
        if start and to and (start > to or (start == to and len(text) == len("2026-01-31"))):
            raise ValueError("must not be before from")
        return to
