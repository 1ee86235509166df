"""Counters with a limit: items that count up to it, alone or in the transaction of the counted item."""

from pynamodb.attributes import DiscriminatorAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core.dynamodb import IntegerAttribute


class LimitedCounter:
    """A mixin of items that count. The first increment creates the item.

    The condition of the increment is checked with the write, so concurrent requests never exceed the limit. If it
    fails, `update_item` raises ConditionFailedError, and `TransactionError.failed(counter)` is true. Each domain turns
    this into the error of its limit.
    """

    kind: DiscriminatorAttribute
    n = IntegerAttribute(default=0)

    def increment(self, limit: int, *, also: Condition | None = None) -> tuple[list[Action], Condition]:
        """Returns the update that counts one more, on the condition that the count is below `limit`.

        `also` is a further condition on an existing item.
        """
        is_allowed: Condition = type(self).n < limit
        if also is not None:
            is_allowed &= also
        return self.count_by(1), type(self).n.does_not_exist() | is_allowed

    def decrement(self) -> list[Action]:
        """Returns the update that counts one less."""
        return self.count_by(-1)

    def count_by(self, by: int) -> list[Action]:
        cls = type(self)
        return [cls.kind.set(cls), cls.n.add(by)]


class ExpiringCounter(LimitedCounter):
    """A mixin of counters of one period, which are deleted after `expires_at`, in epoch seconds."""

    expires_at = IntegerAttribute(attr_name="ttl")

    def count_by(self, by: int) -> list[Action]:
        return [*super().count_by(by), type(self).expires_at.set(self.expires_at)]
