"""The mail that a scheduled report is ready, to each recipient. It names the export's page, where they sign in."""

from datetime import timedelta

from oms.core import clock
from oms.core.dynamodb import get_item
from oms.core.schemas import at_second
from oms.exports import report_recipients
from oms.exports.models import DONE, Export
from oms.identity.models import User
from oms.mail.messages import Content, Notice

# Later, a redriven message would tell of what has been superseded by the next runs.
AWAITED = timedelta(days=7)


def ready(export_id: str, user_id: str) -> Notice | None:
    """None where the export is no more, or was ready long ago."""
    export = get_item(Export, Export.key(export_id))
    if export is None or export.status != DONE or export.finished_at is None:
        return None
    if clock.instant(export.finished_at) + AWAITED < clock.now():
        return None

    def content(user: User) -> Content | None:
        # Who was dismissed, or is a customer now, is not to hear of it.
        if not report_recipients.may_get_reports(user):
            return None
        return Content({"export": export, "expires": at_second(export.expires_at)})

    return Notice(f"report#{export_id}#{user_id}", "report.ready", user_id, content)
