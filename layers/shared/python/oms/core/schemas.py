"""Building blocks of the schemas of several domains: field types, validators, lists and time ranges."""

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


class Input(BaseModel):
    """A part of a request. Its `repr` leaves out the fields.

    Powertools formats it for each request, for its debug log, although the log is off. The fields may be secrets.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Request(Input):
    """A request body with strict types, which refuses undocumented fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PartialRequest(Request):
    """The body of a PATCH: at least one field to change. `model_fields_set` names the fields."""

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
            "description": 'The id of a product: a string, or an integer without a fraction. `7` means `"7"`; '
            "`7.0` is refused.",
            "examples": ["1"],
        }
    ),
]


EmailAddress = Annotated[
    str,
    Field(
        min_length=3,
        max_length=254,
        description="An e-mail address, with ASCII characters only before the @. International domains are accepted "
        "in letters or as A-labels, and returned as A-labels.",
        examples=["ada@example.org"],
        json_schema_extra={"format": "idn-email"},
    ),
    AfterValidator(email_addresses.canonical),
]
"""Converted to its canonical form: see `oms.core.email_addresses`."""


@dataclass(frozen=True)
class VisibleText(GroupedMetadata):
    """Constraint on a text: one line with a visible character. White space at its ends is removed."""

    max_length: int

    def __iter__(self) -> Iterator[Any]:
        yield from StringConstraints(strip_whitespace=True, min_length=1, max_length=self.max_length)
        yield AfterValidator(texts.visible)
        yield Field(json_schema_extra={"pattern": r"\S"})


@dataclass(frozen=True)
class Prose(GroupedMetadata):
    """Constraint on a text that people read, with or without line breaks. White space at its ends is removed."""

    max_length: int
    one_line: bool = False

    def __iter__(self) -> Iterator[Any]:
        yield from StringConstraints(strip_whitespace=True, max_length=self.max_length)
        if self.one_line:
            yield AfterValidator(texts.one_line)


INVISIBLE_IS_NULL = BeforeValidator(lambda text: None if isinstance(text, str) and not texts.is_visible(text) else text)
"""Makes an optional text without visible characters null, as if it was not sent."""
RequiredText = Annotated[str, VisibleText(500)]
OptionalText = Annotated[Annotated[str, Prose(500)] | None, INVISIBLE_IS_NULL]
OptionalLine = Annotated[Annotated[str, Prose(500, one_line=True)] | None, INVISIBLE_IS_NULL]


@dataclass(frozen=True)
class KeyName(GroupedMetadata):
    """Constraint on a name that is a key: a `VisibleText`, converted to the canonical form of
    `oms.core.texts.key_name`.
    """

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
class TextPattern(GroupedMetadata):
    """Constraint on a text: all of it matches `pattern`, which the OpenAPI document shows. Errors show `words`."""

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
    """A body without fields, which may be omitted."""


class Response(BaseModel):
    model_config = ConfigDict(strict=True)


class Shown[T: BaseModel](dict[str, Any]):
    """The fields of a response in the order of its schema `T`, and in JSON's types.

    It is sent without validation, which takes longer than all other steps of a long list. The tests validate each
    one, and functions a sample: see `oms.http.powertools.encode`.
    """


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


class PageQuery(Input):
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
    Field(
        description="Send it as `cursor` to get the next page; null at the end of the list. A page before the end "
        "may be short or empty."
    ),
]
Timestamp = Annotated[
    str, WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-31T09:30:00.000Z"]})
]
"""A time in a response: RFC 3339 in UTC, with milliseconds."""


def at_second(epoch_seconds: float) -> str:
    return timestamp(datetime.fromtimestamp(epoch_seconds, UTC))


@dataclass(frozen=True)
class OneOf(GroupedMetadata):
    """Constraint on a string: one of these values."""

    allowed: tuple[str, ...]

    def __iter__(self) -> Iterator[Any]:
        yield AfterValidator(self._check)
        yield Field(json_schema_extra={"enum": list(self.allowed)})

    def _check(self, text: str) -> str:
        if text not in self.allowed:
            raise ValueError(f"must be one of {', '.join(self.allowed)}")
        return text


@dataclass(frozen=True)
class ValueList(GroupedMetadata):
    """Constraint on a tuple of strings: at least one. Repeated ones count once, or are refused if `each_once`.

    A query repeats the parameter or separates values by commas. A body has an array. With `or_text_of`, the schema of a
    body's field also allows a text of these values, separated by commas.
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
                # The client sent one text, so pointers to its parts would not help it.
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
            raise ValueError("must not repeat a value")
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


# RFC 3339, section 5.6. `fromisoformat` also accepts weeks, missing seconds, commas and any separator.
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(_DATE.pattern + r"[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def _moment(text: str, *, past_the_day: bool) -> str:
    """Returns the bound as a timestamp. A date means the beginning of that day of the shop, or its end if
    `past_the_day`.
    """
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
            hint = " (the + of its offset arrived as a space: write it as %2B)" if _has_lost_plus(text) else ""
            words = "must be a date (2026-01-31) or an RFC 3339 time (2026-01-31T09:30:00Z)"
            raise ValueError(f"{words}{hint}") from None

    return BeforeValidator(parse)


def _has_lost_plus(text: Any) -> bool:
    """Returns whether the text is a time whose `+` was not escaped: in a query, `+` means a space."""
    return isinstance(text, str) and " " in text and _TIME.fullmatch(text.replace(" ", "+")) is not None


_DATE_OR_TIME = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}],
}
From = Annotated[str, _bound(past_the_day=False), WithJsonSchema(_DATE_OR_TIME | {"examples": ["2026-01-01"]})]
To = Annotated[str, _bound(past_the_day=True), WithJsonSchema(_DATE_OR_TIME | {"examples": ["2026-12-31"]})]
"""Bounds of a span as timestamps: from-inclusive, to-exclusive."""
# The last words of the bounds' descriptions.
SINCE = "at this time or later; a date means the beginning of that day in the shop's time zone."
BEFORE = "before this time; a date includes that whole day in the shop's time zone."


class TimeRange(BaseModel):
    """A model with the fields `from_` and `to`. It refuses a `to` that ends before `from_` begins.

    Two equal times are an empty span, which is allowed. If `to` is a date whose end equals `from_`, it is the day
    before.
    """

    @field_validator("to", mode="wrap", check_fields=False)
    @classmethod
    def _in_order(cls, text: Any, bound: ValidatorFunctionWrapHandler, others: ValidationInfo) -> Any:
        to, start = bound(text), others.data.get("from_")
        if start and to and (start > to or (start == to and len(text) == len("2026-01-31"))):
            raise ValueError("must not be before from")
        return to
