"""The bound on unfinished exports of an owner: a user, or a schedule for the exports of its runs.

An owner's item names the exports that it has begun. The transaction that stores an export adds it there, on condition
that there is room. Nothing takes an export out when it ends: whether one has ended is its own status, which is looked
at when the item is full. So there is no end, crash or lost answer by which a place stays taken.
"""

from typing import Any

from pynamodb.expressions.condition import size
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from oms.core.dynamodb import batch_get_raw, update_item
from oms.core.errors import TooManyExportsError
from oms.exports.models import UNFINISHED, Export, UnfinishedExports

# One less than work at a time by default: one user alone does not hold up all others.
MAX_UNFINISHED = 4
_READ_ATTRIBUTES = ("pk", "sk", "status", "ttl")


def reserve_slot(write: TransactWrite, export: Export) -> None:
    """Adds the export to its owner's unfinished ones: an update, whose condition fails where there is no room."""
    room = UnfinishedExports.ids.does_not_exist() | (size(UnfinishedExports.ids) < MAX_UNFINISHED)
    actions: list[Action] = [
        UnfinishedExports.kind.set(UnfinishedExports),
        UnfinishedExports.ids.add({export.id}),
        UnfinishedExports.expires_at.set(export.expires_at),
    ]
    write.update(UnfinishedExports(*_key(export)), actions, room, return_values="ALL_OLD")


def free_slots(export: Export, stored: dict[str, Any] | None) -> None:
    """Removes the ids of ended exports from the item `stored` that `reserve_slot` found full.

    Raises TooManyExportsError if none has ended.
    """
    ids = set(UnfinishedExports.from_raw_data(stored or {}).ids or ())
    raws = batch_get_raw(Export, [Export.key(it) for it in ids], only=_READ_ATTRIBUTES)
    unfinished = {it for it in ids if (raw := raws.get(Export.key(it))) and raw["status"]["S"] in UNFINISHED}
    if ended := ids - unfinished:
        update_item(UnfinishedExports(*_key(export)), [UnfinishedExports.ids.delete(ended)])
    elif len(ids) >= MAX_UNFINISHED:
        detail = f"{MAX_UNFINISHED} exports are not finished yet. Wait until one is, or cancel one."
        raise TooManyExportsError(detail, headers={"Retry-After": "10"})


def _key(export: Export) -> tuple[str, str]:
    owner = f"schedule#{export.schedule_id}" if export.schedule_id else f"user#{export.created_by}"
    return UnfinishedExports.key(owner)
