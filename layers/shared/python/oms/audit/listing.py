"""The list of audit entries for admins, newest first."""

from aws_lambda_powertools import Logger

from oms.audit.models import BY_ACTION, BY_ACTOR, BY_TIME, LISTED, AuditEntry, AuditItem, Denials
from oms.audit.schemas import AuditEntryResponse, ListAuditQuery
from oms.audit.storage import decode
from oms.core.dynamodb import batch_get_raw
from oms.core.pages import HIGHEST, LOWEST, IndexEntry, KeyRange, Page, merged_page
from oms.events.streams import RawItem

logger = Logger(child=True)


def list_entries(query: ListAuditQuery, *, after: str | None) -> Page[AuditEntryResponse]:
    """Returns a page of the list. It takes one Query for each requested actor or action, and one BatchGet."""
    part = KeyRange(query.limit, descending=True, low=query.from_ or LOWEST, high=query.to or HIGHEST, after=after)
    actions = set(query.action or ())

    def has_action(entry: IndexEntry) -> bool:
        return entry["action"] in actions

    if query.actor is not None:
        page = merged_page(BY_ACTOR, query.actor, part, keep=has_action if actions else None)
    elif query.action is not None:
        page = merged_page(BY_ACTION, query.action, part)
    else:
        page = merged_page(BY_TIME, [LISTED], part)
    found = batch_get_raw(AuditItem, [(entry["pk"], entry["sk"]) for entry in page.items])
    placed = [(place, found.get((entry["pk"], entry["sk"]))) for place, entry in page.placed]
    return Page([(place, _row(raw)) for place, raw in placed if raw], page.position)


def _row(raw: RawItem) -> AuditEntryResponse:
    """Returns the row of an entry. An unreadable entry also has a row: otherwise it would be hidden, or its page would
    fail.
    """
    entry = decode(AuditEntry, raw) or decode(Denials, raw)
    try:
        if entry:
            row = AuditEntryResponse.of(entry)
            row.model_dump_json()  # fails for text that is not Unicode
            return row
    except ValueError:
        pass
    partition, sort = raw["pk"]["S"], raw["sk"]["S"]
    logger.error("an entry of the audit log cannot be read", place=f"{partition}/{sort}")
    return AuditEntryResponse.unreadable(partition, sort)
