"""Leases: the right of one worker to process an item, until a time that the item stores."""

from dataclasses import dataclass

from pynamodb.attributes import Attribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core.dynamodb import StoredItem


@dataclass(frozen=True)
class Lease[Time: (str, int)]:
    """The lease of the items of one model, in two of their attributes: the random id of the holder, and the end.

    Holder: one worker at a time, since a lease is taken by a conditional write. A holder that lost the response to this
    write finds its id in the stored item.

    End: the holder releases the lease, or `until` passes, because the holder was interrupted. So a lease must be longer
    than its holder's timeout.

    Fence: each write of the holder has the condition `is_held`. It fails once another worker has taken the lease, so a
    late holder changes nothing. Effects outside the item are not fenced: a request that a late holder sent may be sent
    again.

    Times have the form that the item stores. `docs/decisions/2026-11-30-leases-and-counters.md` lists the other ways to
    give one worker exclusive access to an item.
    """

    holder: UnicodeAttribute
    until: Attribute[Time]

    def take(self, holder: str, until: Time) -> list[Action]:
        """Returns the update that takes the lease."""
        return [self.holder.set(holder), self.until.set(until)]

    def release(self, until: Time) -> list[Action]:
        """Returns the update that ends the lease of the holder. The next worker must take it before `until`."""
        return [self.holder.remove(), self.until.set(until)]

    def is_free(self, now: Time) -> Condition:
        """Returns the condition that no worker has the lease, or that it has expired."""
        free: Condition = self.holder.does_not_exist() | self.has_expired(now)
        return free

    def has_expired(self, now: Time) -> Condition:
        """Returns the condition that the end of the lease has passed."""
        expired: Condition = self.until < now
        return expired

    def is_held(self, item: StoredItem) -> Condition:
        """Returns the condition that the stored item has the same holder and end as `item`."""
        values = item.attribute_values
        held: Condition = (self.holder == values[self.holder.attr_name]) & (self.until == values[self.until.attr_name])
        return held
