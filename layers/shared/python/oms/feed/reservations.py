"""Positions of the feed: a writer reserves them by one update of the head, and then writes its rows beside others.

A reservation is in the head until its rows are stored. If its writer crashes, a later writer fills its positions with
empty rows once its lease has ended: docs/decisions/2026-12-01-writers-of-the-feed-reserve-positions.md.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, batch_get, client, put_item, single_write, table_name
from oms.core.retries import retrying
from oms.feed.models import EMPTY, MAX_EVENTS, FeedRow, Head, Marker, rows_at
from oms.feed.retention import day_item, expiry

# Longer than an invocation of a writer, whose rows are either stored by then, or never.
LEASE_SECONDS = 60
_KEY = {"pk": {"S": Head.key()[0]}, "sk": {"S": Head.key()[1]}}
_KIND = {"S": "log"}


@dataclass(frozen=True)
class Reservation:
    """Consecutive positions that no other writer uses.

    `written` is the time of their rows. It is on the head's `day`, whose first position is `first`.
    """

    name: str
    positions: range
    written: datetime
    day: str
    first: int


def reserve(count: int) -> Reservation:
    """Reserves the next `count` positions, and fills the unused positions of reservations whose lease has ended.

    The rows of a day have consecutive positions, since the head moves to the next day in an update of its own. A writer
    whose clock is behind the head's day writes at the start of that day.
    """
    now = clock.now()
    name = f"{int(now.timestamp()) + LEASE_SECONDS}-{count}-{clock.random_id(8)}"
    day = now.date().isoformat()
    while name not in (head := retrying(partial(_take, name, count, day), until_deadline=True)).reserved:
        day = max(day, head.day)
        if head.day < day:
            retrying(partial(_begin_day, head, day), until_deadline=True)
    _fill_ended(head)
    last = head.reserved[name]
    start = datetime.fromisoformat(head.day).replace(tzinfo=now.tzinfo)
    return Reservation(name, range(last - count + 1, last + 1), max(now, start), head.day, head.first)


def _take(name: str, count: int, day: str) -> Head:
    """Reserves the positions if `day` is the head's. Returns the head, which has `name` then, or by a lost attempt."""
    try:
        raw: dict[str, Any] | None = _update(
            "SET #position = #position + :count, #reserved.#name = #position + :count",
            "#kind = :kind AND #day = :day AND attribute_not_exists(#reserved.#name)",
            {":count": {"N": str(count)}, ":day": {"S": day}, ":kind": _KIND},
            {"#name": name},
        )
    except ConditionFailedError as error:
        raw = error.item
    return _head(raw)


def _head(raw: dict[str, Any] | None) -> Head:
    """Returns the head, or one without a day if there is none yet, or only one of the time before the shards."""
    if raw and raw.get("kind") == _KIND:
        return Head.from_raw_data(raw)
    return Head(*Head.key(), position=int(raw["position"]["N"]) if raw else 0, day="", first=1, reserved={})


def _begin_day(head: Head, day: str) -> None:
    """Moves the head to a later day. Stores the day before, which a restored table may lack."""
    if not head.day:
        _begin_log(head, day)
        return
    store_day(head.day, head.first)
    with suppress(ConditionFailedError):  # another writer did it
        _update("SET #day = :day, #first = #position + :one", "#day < :day", {":day": {"S": day}, ":one": {"N": "1"}})


def _begin_log(head: Head, day: str) -> None:
    """Stores the first head, or turns one of the time before the shards into a head with reservations."""
    catch_up(head.position + 1)
    with suppress(ConditionFailedError):  # another writer did it
        _update(
            "SET #kind = :kind, #day = :day, #first = :first, #reserved = :none, "
            "#position = if_not_exists(#position, :zero)",
            "attribute_not_exists(#day)",
            {
                ":kind": _KIND,
                ":day": {"S": day},
                ":first": {"N": str(head.position + 1)},
                ":none": {"M": {}},
                ":zero": {"N": "0"},
            },
        )


def store_day(day: str, position: int) -> None:
    with suppress(ConditionFailedError):
        put_item(day_item(day, position), FeedRow.pk.does_not_exist())


def release(name: str) -> None:
    """Removes a reservation whose positions all have rows."""
    with suppress(ConditionFailedError):  # it is removed already
        retrying(lambda: _update("REMOVE #reserved.#name", "attribute_exists(#reserved.#name)", {}, {"#name": name}))


def _fill_ended(head: Head) -> None:
    for name, positions in _ended(head):
        stored = rows_at(positions)
        for position in positions:
            if position not in stored:
                _fill(position)
        release(name)


def _ended(head: Head) -> Iterator[tuple[str, range]]:
    """Yields the reservations whose lease has ended, with their positions."""
    now = clock.now().timestamp()
    for name, positions in _reserved(head).items():
        if int(name.split("-")[0]) < now:
            yield name, positions


def _reserved(head: Head) -> dict[str, range]:
    """Returns the positions of the reservations by their names, the lowest first."""
    found = sorted(head.reserved.as_dict().items(), key=lambda it: it[1])
    return {name: range(last - int(name.split("-")[1]) + 1, last + 1) for name, last in found}


def read_head() -> tuple[int, list[range]]:
    """Returns the latest reserved position, and the reservations whose rows may not be stored yet, the lowest first.

    All other rows up to that position are stored, since a reservation is removed after its rows are stored.
    """
    arguments = {"TableName": table_name(Head), "Key": _KEY, "ConsistentRead": True}
    head = _head(retrying(lambda: client().get_item(**arguments)).get("Item"))
    # Before the shards, the head moved in the transaction of the rows, which may be in progress.
    if not head.day and head.position:
        return head.position, [range(max(1, head.position - MAX_EVENTS + 1), head.position + 1)]
    return head.position, list(_reserved(head).values())


def _fill(position: int) -> None:
    row = FeedRow.empty(position, expiry(clock.now()))
    with suppress(ConditionFailedError):  # its writer was slow, or another writer fills it too
        retrying(lambda: put_item(row, FeedRow.pk.does_not_exist()), until_deadline=True)


def catch_up(first: int) -> None:
    """Moves the head to the last row that is stored at `first` or after it, and stores the missing markers.

    Only a restored table has such rows.
    """
    rows = [row for row in rows_at(range(first, first + 2 * MAX_EVENTS)).values() if row.type != EMPTY]
    known = batch_get(Marker, [Marker.key(row.event_id) for row in rows])
    for row in rows:
        key = Marker.key(row.event_id)
        if key not in known:
            with suppress(ConditionFailedError):
                put_item(Marker(*key, position=row.position, expires_at=row.expires_at), Marker.pk.does_not_exist())
    if rows:
        with suppress(ConditionFailedError):
            _update(
                "SET #position = :last",
                "attribute_not_exists(#position) OR #position < :last",
                {":last": {"N": str(max(row.position for row in rows))}},
            )


def _update(
    update: str, condition: str, values: dict[str, Any], names: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Updates the head, and returns it. PynamoDB cannot set a key of a map to a sum. Raises ConditionFailedError."""
    all_names = {f"#{name}": name for name in ("position", "day", "first", "kind", "reserved")} | dict(names)
    arguments: dict[str, Any] = {
        "TableName": table_name(Head),
        "Key": _KEY,
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {it: all_names[it] for it in set(re.findall(r"#\w+", f"{update} {condition}"))},
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if values:
        arguments["ExpressionAttributeValues"] = values
    return dict(single_write(client().update_item, arguments)["Attributes"])
