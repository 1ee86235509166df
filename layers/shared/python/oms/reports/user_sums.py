"""The contribution of a user to the sums: 1 in the count of its role, whether active or disabled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from oms.identity.models import User
from oms.reports.sum_keys import total_of
from oms.reports.sums import Chunk, chunks

ROLES = ("customer", "manager", "admin")
USERS = total_of("users")


@dataclass(frozen=True)
class CountedUser:
    """The fields of a user that the sums use, at a version."""

    id: str
    version: int
    role: str

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Returns the user of an event. Raises LookupError, ValueError and TypeError for an event or text without a
        user's role.
        """
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
