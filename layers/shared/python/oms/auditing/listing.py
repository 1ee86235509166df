"""The audit log as admins read it, newest first."""

from typing import cast

from oms.audit import BY_ACTION, BY_ACTOR, BY_TIME, LISTED, AuditEntry, AuditItem, Denials
from oms.auditing.schemas import ListAuditQuery
from oms.dynamodb import batch_get
from oms.pages import HIGHEST, LOWEST, Entry, Page, Range, merged_page


def list_entries(query: ListAuditQuery, *, after: str | None) -> Page[AuditEntry | Denials]:
    """A page: one Query for each actor or action that is asked for, and one BatchGet."""
    part = Range(query.limit, descending=True, low=query.from_ or LOWEST, high=query.to or HIGHEST, after=after)
    actions = set(query.action or ())

    def has_action(entry: Entry) -> bool:
        return entry["action"] in actions

    if query.actor is not None:
        page = merged_page(BY_ACTOR, query.actor, part, keep=has_action if actions else None)
    elif query.action is not None:
        page = merged_page(BY_ACTION, query.action, part)
    else:
        page = merged_page(BY_TIME, [LISTED], part)
    found = batch_get(AuditItem, [(entry["pk"], entry["sk"]) for entry in page.items])
    placed = [(place, found.get((entry["pk"], entry["sk"]))) for place, entry in page.placed]
    return Page([(place, cast(AuditEntry | Denials, entry)) for place, entry in placed if entry], page.position)
