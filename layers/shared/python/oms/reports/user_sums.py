"""The contribution of a user to the sums: one in the count of its role, active or disabled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from oms.identity.models import User
from oms.reports.sums import Chunk, SumKey, chunks

ROLES = ("customer", "manager", "admin")
# Not spread like the sums of orders: new accounts are far fewer than the writes that one item can take.
USERS = SumKey("totals#0", "users")


@dataclass(frozen=True)
class CountedUser:
    """The fields of a user that the sums use, as of a version."""

    id: str
    version: int
    role: str

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Raises LookupError, ValueError and TypeError for any event or text without a user's role."""
        user = event["data"]
        if user["role"] not in ROLES:
            raise ValueError("not a role")
        return cls(id=str(user["id"]), version=int(event["sequence"]), role=user["role"])

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(id=user.id, version=user.version, role=user.role)


def contributor(user_id: str) -> str:
    return f"user#{user_id}"


def contribution(user: CountedUser) -> list[Chunk]:
    return chunks(contributor(user.id), user.version, {USERS: {role: int(role == user.role) for role in ROLES}})
