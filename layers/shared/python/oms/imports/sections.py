"""Sections of a file: the rows between two checkpoints. A section is applied in rounds, until no row is left.

Each round reads the items of its rows, then checks the worker's claim, and then writes on the condition that the items
are as they were read. So a worker that lost its claim writes nothing over the rows of a later one: if an item is still
as it was read before the check, no later row has changed it.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence

from pynamodb.exceptions import PynamoDBException

from oms.core import clock
from oms.core.dynamodb import in_parallel
from oms.core.errors import OmsError, UnavailableError
from oms.core.retries import CALL_ERRORS, ConcurrentUpdateError, is_transient
from oms.imports.rows import Decision, Job, Kind, Outcome, Record, Row, RowFailedError, Write, failed

MAX_ROWS = 500
_MAX_ROUNDS = 12
_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.05, 2.0

type Results = dict[int, Outcome | RowFailedError]


class _Again:
    """The outcome of a write that met another one, or has no known outcome."""


_AGAIN = _Again()


def sections(records: Iterator[Record], kind: Kind, job: Job) -> Iterator[list[Row]]:
    """Yields the rows in sections, which depend on the file alone. No two rows of a section change the same item.

    So rows that change the same item are applied in their order, and a repeated section repeats no row
    whose item a later row of it has changed.
    """
    section: list[Row] = []
    keys: set[str] = set()
    for record in records:
        row = _row(record, kind, job)
        if len(section) == MAX_ROWS or (row.key and row.key in keys):
            yield section
            section, keys = [], set()
        section.append(row)
        keys.add(row.key)
    if section:
        yield section


def _row(record: Record, kind: Kind, job: Job) -> Row:
    number, end = record.number, record.end
    if record.errors:
        return Row(number, end, "", errors=record.errors)
    try:
        key, request = kind.key_of(record.fields)
    except RowFailedError as error:
        return Row(number, end, "", errors=error.errors)
    return Row(number, end, job.row_id(number), key, request)


def apply(rows: Sequence[Row], kind: Kind, job: Job, *, check_claim: Callable[[], None], is_repeated: bool) -> Results:
    """Applies the rows of a section, and returns their results by number.

    `is_repeated`: another worker may have applied some of them. Raises UnavailableError, and what `check_claim` raises.
    """
    results: Results = {row.number: RowFailedError(*row.errors) for row in rows if row.errors}
    pending = [row for row in rows if not row.errors]
    unsure = frozenset(row.number for row in pending) if is_repeated else frozenset()
    for attempt in range(_MAX_ROUNDS):
        if not pending:
            return results
        if attempt:
            longest = min(_MAX_PAUSE_SECONDS, _PAUSE_SECONDS * 2.0**attempt)
            clock.sleep(random.uniform(0, longest))  # noqa: S311 - jitter, not a secret
        decisions = zip(pending, kind.decide(pending, job, unsure=unsure), strict=True)
        check_claim()
        again = _carry_out(decisions, job, results)
        unsure |= {row.number for row in again}
        pending = again
    raise UnavailableError


def _carry_out(decisions: Iterable[tuple[Row, Decision]], job: Job, results: Results) -> list[Row]:
    """Makes the writes, and adds the results. Returns the rows that need another round."""
    groups: dict[str, list[tuple[Row, Write]]] = {}
    for row, decision in decisions:
        if not isinstance(decision, Write):
            results[row.number] = decision
        elif job.dry_run:
            results[row.number] = decision.outcome
        else:
            groups.setdefault(decision.group or row.id, []).append((row, decision))
    again = []
    for made in in_parallel(_make_group, list(groups.values())):
        for row, outcome in made:
            if isinstance(outcome, _Again):
                again.append(row)
            else:
                results[row.number] = outcome
    return sorted(again, key=lambda row: row.number)


def _make_group(writes: Sequence[tuple[Row, Write]]) -> list[tuple[Row, Outcome | RowFailedError | _Again]]:
    return [(row, _make(write)) for row, write in writes]


def _make(write: Write) -> Outcome | RowFailedError | _Again:
    try:
        return write.run()
    except RowFailedError as error:
        return error
    except (ConcurrentUpdateError, UnavailableError):
        return _AGAIN
    except OmsError as error:
        return failed(error)
    except (PynamoDBException, *CALL_ERRORS) as error:
        if not is_transient(error):
            raise
        return _AGAIN
