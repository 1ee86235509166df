"""What the route of the audit log takes and gives."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from oms.schemas import From, PageQuery, Response, Span, To

if TYPE_CHECKING:
    from oms.audit import AuditEntry, Denials

# Each is a Query of its own.
_MOST_WORDS = 10


def _words(text: Any) -> Any:
    # Powertools splits a parameter at its commas when the field is a sequence.
    words = text if isinstance(text, list | tuple) else str(text).split(",")
    if len(words) > _MOST_WORDS or not all(0 < len(word) <= 256 for word in words):
        raise ValueError(f"must be up to {_MOST_WORDS} words, separated by commas")
    return tuple(dict.fromkeys(words))


def _any_word(what: str) -> Any:
    schema = {"type": "string", "description": f"Any of up to {_MOST_WORDS} {what}, separated by commas"}
    return Annotated[tuple[str, ...], BeforeValidator(_words), WithJsonSchema(schema)]


class ListAuditQuery(Span, PageQuery):
    actor: _any_word("ids of users, or names of operators in AWS") | None = None  # type: ignore[valid-type]
    action: _any_word("actions, as login") | None = None  # type: ignore[valid-type]
    from_: From | None = Field(None, alias="from")
    to: To | None = None


class AuditEntryResponse(Response):
    id: str
    at: str
    action: str = Field(description="`entry.unreadable`: what the table has under `target` was spoilt")
    actor_id: str | None
    actor_role: str | None
    address: str | None = Field(
        description="The client's address as a keyed hash: the same address has the same hash within the year that it "
        "begins with. Entries from before hashes were kept have the address itself; null for what the system or an "
        "operator did",
        examples=["2026:4b1f0c3a9d7e5f6082c4d1e3a5b79680"],
    )
    target: str | None
    outcome: Literal["success", "failure"]
    details: dict[str, Any] | None = Field(description="Codes and digests. `denials`: so many more of that minute")

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
        """What stands for an entry of which nothing but its key is to be trusted."""
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
    items: list[AuditEntryResponse]
    next_cursor: str | None
