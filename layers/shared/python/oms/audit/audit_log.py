"""Audit entries: the actor, the action, its target, the client's address and the outcome.

A request puts its entry in the transaction of its change, if it has one. Details contain codes and digests, never an
e-mail address, password or token. An entry contains the hash of the client's address (see `oms.core.pseudonyms`).
Entries are never changed or deleted: `oms.audit.sealing` seals them.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from pynamodb.expressions.update import Action

from oms.audit.models import LISTED, AuditEntry, Denials
from oms.core import clock, pseudonyms
from oms.core.actors import Actor
from oms.core.dynamodb import put_item, update_item
from oms.core.retries import retrying

DENIED = "access.denied"
READ = "persons.read"
# (actor, what was recorded) -> the hour or minute of the latest entry of this process.
_LATEST: dict[tuple[str, str], str] = {}
_MAX_LATEST = 1000


def entry(
    action: str,
    *,
    actor_id: str | None,
    address: str | None,
    target: str | None,
    actor_role: str | None = None,
    outcome: Literal["success", "failure"] = "success",
    details: Mapping[str, str | int] | None = None,
) -> AuditEntry:
    """Returns an entry with the current time, for a transaction's `save`. Putting it twice stores one entry.

    `address` is the client's; the entry stores its hash.
    """
    at, entry_id = clock.timestamp(clock.now()), clock.random_id()
    return AuditEntry(
        pk=_partition(at),
        sk=f"{at}#{entry_id}",
        id=entry_id,
        at=at,
        action=action,
        actor_id=actor_id,
        actor_role=actor_role,
        address=pseudonyms.pseudonym("address", address, at) if address else None,
        target=target,
        outcome=outcome,
        details=dict(details) if details else None,
    )


def record(new_entry: AuditEntry) -> None:
    """Stores an entry that is not part of a transaction."""
    retrying(lambda: put_item(new_entry))


def record_denial(actor: Actor, *, address: str, target: str) -> None:
    """Records that an access rule refused a request. From the 101st denial of an actor in a minute, it only counts
    them.
    """
    at = clock.timestamp(clock.now())
    minute = at[: len("2026-01-31T09:30")] + ":00.000Z"
    counter = Denials(pk=_partition(at), sk=f"{minute}#denials#{actor.id}")
    actions: list[Action] = [Denials.kind.set(Denials), Denials.at.set(minute), Denials.n.add(1)]
    counted = retrying(lambda: update_item(counter, actions))
    if not counted.unlisted:
        record(
            entry(DENIED, actor_id=actor.id, actor_role=actor.role, address=address, target=target, outcome="failure")
        )
    elif counted.listing is None:
        retrying(lambda: update_item(counter, _list_counter(actor)))


def record_refused_address(actor: Actor, *, address: str, target: str) -> None:
    """Records that a service key was refused for its address, at most once a minute in each process.

    No limit counts these requests, so a write for each would let a stolen key cause any number of writes.
    """
    minute = clock.timestamp(clock.now())[: len("2026-01-31T09:30")]
    _once(actor, "address", minute, lambda: record_denial(actor, address=address, target=target))


def record_bulk_read(actor: Actor, *, address: str, target: str) -> None:
    """Records that an actor reads a list with data of many persons. Call it before the read.

    A process writes one entry an hour for each actor and list, since an entry for each page would be too many.
    """
    hour = clock.timestamp(clock.now())[: len("2026-01-31T09")]

    def write() -> None:
        record(entry(READ, actor_id=actor.id, actor_role=actor.role, address=address, target=target))

    _once(actor, target, hour, write)


def _once(actor: Actor, name: str, period: str, write: Callable[[], None]) -> None:
    """Calls `write`, unless this process has already done so for the actor and the name in this period."""
    if _LATEST.get((actor.id, name)) == period:
        return
    write()
    if len(_LATEST) >= _MAX_LATEST:
        _LATEST.clear()
    _LATEST[actor.id, name] = period


def _list_counter(actor: Actor) -> list[Action]:
    return [
        Denials.listing.set(LISTED),
        Denials.action.set(DENIED),
        Denials.actor_id.set(actor.id),
        Denials.actor_role.set(actor.role),
    ]


def _partition(at: str) -> str:
    return f"day#{at[: len('2026-01-31')]}"
