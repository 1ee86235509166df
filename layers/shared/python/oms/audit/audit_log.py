"""The audit log: who did what to which thing, from where, and how it ended.

Entries are plain items; a request puts them inside its transaction where there is one. Details hold codes and
digests, never an e-mail address, password or token; of a client address an entry has its hash (see
`oms.core.pseudonyms`). No entry is changed or deleted: `oms.audit.sealing` seals them.
"""

from collections.abc import Mapping
from typing import Literal

from pynamodb.expressions.update import Action

from oms.audit.models import LISTED, AuditEntry, Denials
from oms.core import clock, pseudonyms
from oms.core.actors import Actor
from oms.core.dynamodb import put_item, retrying, update_item

DENIED = "access.denied"
READ = "persons.read"
# (actor, list) -> the hour of the latest entry of this process.
_READ: dict[tuple[str, str], str] = {}
_MOST_READERS = 1000


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
    """An entry of this moment, for a transaction's `save`. Putting it twice leaves one. `address` is the client's, of
    which the entry gets the hash.
    """
    at, entry_id = clock.timestamp(clock.now()), clock.random_id()
    return AuditEntry(
        pk=_day(at),
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


def record(written: AuditEntry) -> None:
    """Puts an entry that belongs to no transaction."""
    retrying(lambda: put_item(written))


def denied(actor: Actor, *, address: str, target: str) -> None:
    """Records a refusal for lack of a role. Beyond 100 of an actor in a minute they are only counted."""
    at = clock.timestamp(clock.now())
    minute = at[: len("2026-01-31T09:30")] + ":00.000Z"
    counter = Denials(pk=_day(at), sk=f"{minute}#denials#{actor.id}")
    actions: list[Action] = [Denials.kind.set(Denials), Denials.at.set(minute), Denials.n.add(1)]
    counted = retrying(lambda: update_item(counter, actions))
    if not counted.unlisted:
        record(
            entry(DENIED, actor_id=actor.id, actor_role=actor.role, address=address, target=target, outcome="failure")
        )
    elif counted.listing is None:
        retrying(lambda: update_item(counter, _listed(actor)))


def read_in_bulk(actor: Actor, *, address: str, target: str) -> None:
    """Records that somebody reads a list with data of many persons, before they do: once for each actor, list and hour
    in a process. Each page of such a list would be an entry otherwise.
    """
    hour = clock.timestamp(clock.now())[: len("2026-01-31T09")]
    if _READ.get((actor.id, target)) == hour:
        return
    record(entry(READ, actor_id=actor.id, actor_role=actor.role, address=address, target=target))
    if len(_READ) >= _MOST_READERS:
        _READ.clear()
    _READ[actor.id, target] = hour


def _listed(actor: Actor) -> list[Action]:
    return [
        Denials.listing.set(LISTED),
        Denials.action.set(DENIED),
        Denials.actor_id.set(actor.id),
        Denials.actor_role.set(actor.role),
    ]


def _day(at: str) -> str:
    return f"day#{at[: len('2026-01-31')]}"
