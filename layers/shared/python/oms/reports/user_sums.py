"""What a user contributes to the sums: one more of its role, whether it is active or disabled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from oms.identity.models import User
from oms.reports.sums import Chunk, SumKey, chunks

ROLES = ("customer", "manager", "admin")
# One item, other than with orders: accounts are opened a thousand times less often than an item takes writes.
USERS = SumKey("totals#0", "users")


@dataclass(frozen=True)
class CountedUser:
    """What of a user is summed up, as of a version."""

    id: str
    version: int
    role: str

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Raises LookupError, ValueError and TypeError for what is no event of a user that tells its role."""
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
