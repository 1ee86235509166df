"""Request and response of the audit log's route."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from oms.core.schemas import BEFORE, SINCE, From, NextCursor, PageQuery, Response, TimeRange, Timestamp, To, ValueList

if TYPE_CHECKING:
    from oms.audit.models import AuditEntry, Denials

# Each value costs one Query.
_MAX_FILTER_VALUES = 10


FilterValues = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=256)], ...], ValueList(most=_MAX_FILTER_VALUES)
]


class ListAuditQuery(TimeRange, PageQuery):
    actor: FilterValues | None = Field(
        None,
        description="Entries of these users, by id, or of these operators, by their names in AWS.",
        examples=[["YVT65M7QNAW9TXAQ7PHA"]],
    )
    action: FilterValues | None = Field(None, description="Entries of these actions.", examples=[["login"]])
    from_: From | None = Field(None, alias="from", description=f"Entries {SINCE}")
    to: To | None = Field(None, description=f"Entries {BEFORE}")


class AuditEntryResponse(Response):
    """An entry of the audit log."""

    id: str = Field(description="The id of the entry.", examples=["2026-01-31T09:30:00.000Z#0C8Z4V6T"])
    at: Timestamp = Field(description="When the action happened.")
    action: str = Field(
        description="The action. `entry.unreadable`: the stored entry at `target` cannot be read.", examples=["login"]
    )
    actor_id: str | None = Field(
        description="The actor: a user's id, or an operator's name in AWS; null if unknown.",
        examples=["YVT65M7QNAW9TXAQ7PHA"],
    )
    actor_role: str | None = Field(description="The actor's role at that time.", examples=["customer"])
    address: str | None = Field(
        description="The client's address as a keyed hash, which begins with the year. Within a year, the same "
        "address has the same hash. Entries that were stored before addresses were hashed have the address itself. "
        "Null for actions of the system and of operators.",
        examples=["2026:4b1f0c3a9d7e5f6082c4d1e3a5b79680"],
    )
    target: str | None = Field(description="The resource of the action.", examples=["session#0C8Z4V6T2R9QKX1M5N7P"])
    outcome: Literal["success", "failure"] = Field(description="Whether the action succeeded.")
    details: dict[str, Any] | None = Field(
        description="Codes and digests, depending on the action. `denials`: further denials within the same minute.",
        examples=[{"denials": 3}],
    )

    @classmethod
    def of(cls, entry: "AuditEntry | Denials") -> "AuditEntryResponse":
        return cls(
            id=entry.id,
            at=entry.at,
            action=entry.action or "",
            actor_id=entry.actor_id,
            actor_role=entry.actor_role,
            address=entry.address,
            target=entry.target,
            outcome="success" if entry.outcome == "success" else "failure",
            details=entry.details,
        )

    @classmethod
    def unreadable(cls, partition: str, sort: str) -> "AuditEntryResponse":
        """Returns the row of an unreadable entry, which has only the data of the entry's key."""
        return cls(
            id=sort,
            at=sort.partition("#")[0],
            action="entry.unreadable",
            actor_id=None,
            actor_role=None,
            address=None,
            target=f"{partition}/{sort}",
            outcome="failure",
            details=None,
        )


class AuditPage(Response):
    """A page of the audit log, newest first."""

    items: list[AuditEntryResponse] = Field(description="The entries of this page.")
    next_cursor: NextCursor
