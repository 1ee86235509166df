"""Rows of imports, their errors, and the decisions about them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from oms.core.actors import Actor
from oms.core.errors import InvalidRequestError, OmsError
from oms.core.idempotency import keyed_id

CREATE = "create"

type Outcome = Literal["created", "updated", "unchanged"]
_PLAIN_TEXTS = {"extra_forbidden": "is not a field of these rows", "missing": "is required"}


class RowError(NamedTuple):
    """An error of a row. `pointer` names the column or the field, or is `#` for the whole row."""

    code: str
    pointer: str
    detail: str


class RowFailedError(Exception):
    """A row has these errors, and has no effect."""

    def __init__(self, *errors: RowError) -> None:
        super().__init__(errors)
        self.errors = errors


class Record(NamedTuple):
    """A record of a file: its number from 1 without the header, the offset of the byte after it, and its fields."""

    number: int
    end: int
    fields: Mapping[str, Any]
    errors: Sequence[RowError] = ()


@dataclass(frozen=True)
class Row:
    """A row to apply. `key` is that of the item that it changes. `id` is the id of its write: it is always the same."""

    number: int
    end: int
    id: str
    key: str = ""
    request: Any = None
    errors: Sequence[RowError] = ()


@dataclass(frozen=True)
class Write:
    """A write that a row needs. A dry run counts it as `outcome`.

    `run` tries once. It returns the outcome, and raises ConcurrentUpdateError if the item has changed since it was
    read. Writes of one `group` run one after the other, because they would conflict.
    """

    outcome: Outcome
    run: Callable[[], Outcome]
    group: str | None = None


type Decision = Outcome | Write | RowFailedError


@dataclass(frozen=True)
class Job:
    """An import for its kind: who imports, and how."""

    import_id: str
    actor: Actor
    mode: str
    dry_run: bool

    def row_id(self, number: int) -> str:
        return keyed_id(self.actor.id, f"import {self.import_id}", str(number))


class Kind(Protocol):
    """The content of a file: how its rows are read and applied."""

    required: Sequence[str]
    optional: Sequence[str]
    integers: frozenset[str]
    """The columns of a CSV file whose cells are whole numbers."""

    def key_of(self, fields: Mapping[str, Any]) -> tuple[str, Any]:
        """Returns the key of the item that a row changes, and the row's request. Raises RowFailedError."""

    def decide(self, rows: Sequence[Row], job: Job, *, unsure: frozenset[int]) -> list[Decision]:
        """Reads the items of the rows, and decides about each.

        The rows have different keys. Those with a number in `unsure` may have been written before.
        """


@dataclass
class Counts:
    """The results of rows: their numbers by outcome, and the errors of the failed ones by row."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    errors: dict[int, Sequence[RowError]] = field(default_factory=dict)

    @classmethod
    def of(cls, outcomes: Mapping[int, Outcome | RowFailedError]) -> "Counts":
        counts = cls()
        for number in sorted(outcomes):
            outcome = outcomes[number]
            if isinstance(outcome, RowFailedError):
                counts.errors[number] = outcome.errors
            else:
                setattr(counts, outcome, getattr(counts, outcome) + 1)
        return counts


def validated[T: BaseModel](schema: type[T], fields: Mapping[str, Any]) -> T:
    """Returns the fields as a request of this schema. Raises RowFailedError with each invalid field."""
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        raise RowFailedError(*_errors_of(error, fields)) from error


def _errors_of(error: ValidationError, fields: Mapping[str, Any]) -> Iterator[RowError]:
    for found in error.errors(include_url=False, include_context=False, include_input=False)[:20]:
        names = _in_fields(found["loc"], fields, is_missing=found["type"] == "missing")
        detail = _PLAIN_TEXTS.get(found["type"]) or found["msg"].removeprefix("Value error, ")
        yield row_error(InvalidRequestError.code, detail, *(quote(name[:100]) for name in names))


def _in_fields(path: Sequence[str | int], fields: Mapping[str, Any], *, is_missing: bool) -> list[str]:
    """Returns the names of the path that the row has, plus the missing one. Pydantic adds steps such as `[key]`."""
    value: Any = fields
    names: list[str] = []
    for part in path:
        has_part = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int)
        if not has_part and not is_missing:
            break
        names.append(str(part).replace("~", "~0").replace("/", "~1"))
        if not has_part:
            break
        value = value[part]
    return names


def row_error(code: str, detail: str, *names: str) -> RowError:
    return RowError(code, "".join(["#", *(f"/{name}" for name in names)]), detail[:300])


def failed(error: OmsError, name: str | None = None) -> RowFailedError:
    """Returns the errors of a row that a service refused. `name` is the field that the refusal is about."""
    if isinstance(error, InvalidRequestError):
        listed = error.extra["errors"]
        return RowFailedError(*(RowError(error.code, it.get("pointer", "#"), it["detail"]) for it in listed))
    return RowFailedError(row_error(error.code, str(error), *([name] if name else [])))
