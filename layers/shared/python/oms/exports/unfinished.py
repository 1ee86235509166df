"""The limit of unfinished exports per owner. The owner is a user, or a schedule for the exports of its runs.

The owner's item lists the ids of its exports. The transaction that stores an export adds its id, if the list is not
full. A finished export stays listed until the list is full: then the statuses of all its exports are read, and the
finished ones are removed. So neither a crash nor a lost response can block a slot permanently.
"""

from pynamodb.expressions.condition import size
from pynamodb.expressions.update import Action

from oms.core.dynamodb import batch_get_raw, update_item
from oms.core.errors import TooManyExportsError
from oms.core.retries import ConcurrentUpdateError
from oms.core.transactions import Transaction, TransactionError
from oms.exports.models import UNFINISHED, Export, UnfinishedExports

# One less than the default number of concurrent exports, so that one user cannot block all others.
MAX_UNFINISHED = 4
_READ_ATTRIBUTES = ("pk", "sk", "status", "ttl")


def reserve_slot(write: Transaction, export: Export) -> None:
    """Adds the export to its owner's list, by an update whose condition fails if the list is full."""
    room = UnfinishedExports.ids.does_not_exist() | (size(UnfinishedExports.ids) < MAX_UNFINISHED)
    actions: list[Action] = [
        UnfinishedExports.kind.set(UnfinishedExports),
        UnfinishedExports.ids.add({export.id}),
        UnfinishedExports.expires_at.set(export.expires_at),
    ]
    write.update(_owner(export), actions, room, return_values="ALL_OLD")


def free_slots_if_full(export: Export, error: TransactionError) -> None:
    """Removes ended exports from the owner's list, if the transaction failed because the list is full.

    Raises TooManyExportsError if none has ended.
    """
    owner = _owner(export)
    if not error.failed(owner):
        return
    ids = set(UnfinishedExports.from_raw_data(error.stored(owner)).ids or ())
    raws = batch_get_raw(Export, [Export.key(export_id) for export_id in ids], only=_READ_ATTRIBUTES)
    unfinished = {
        export_id for export_id in ids if (raw := raws.get(Export.key(export_id))) and raw["status"]["S"] in UNFINISHED
    }
    if ended := ids - unfinished:
        update_item(owner, [UnfinishedExports.ids.delete(ended)])
    elif len(ids) >= MAX_UNFINISHED:
        detail = f"{MAX_UNFINISHED} exports are not finished yet. Wait until one is finished, or cancel one."
        raise TooManyExportsError(detail, headers={"Retry-After": "10"})


def free_slots(export: Export, error: TransactionError) -> None:
    """Raises ConcurrentUpdateError if the owner's list was full and has free slots now, else TooManyExportsError."""
    free_slots_if_full(export, error)
    if error.any_failed:
        raise ConcurrentUpdateError from error


def _owner(export: Export) -> UnfinishedExports:
    owner = f"schedule#{export.schedule_id}" if export.schedule_id else f"user#{export.created_by}"
    return UnfinishedExports(*UnfinishedExports.key(owner))
