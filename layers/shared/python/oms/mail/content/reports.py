"""The mail to each recipient of a scheduled report. It links to the export's page, which needs a sign-in."""

from datetime import timedelta

from oms.core import clock
from oms.core.dynamodb import get_item
from oms.core.schemas import at_second
from oms.exports import report_recipients
from oms.exports.models import DONE, Export
from oms.identity.models import User
from oms.mail.messages import Content, Notification

# Later runs have replaced an older report, for example when its message is redriven.
MAX_REPORT_AGE = timedelta(days=7)


def ready(export_id: str, user_id: str) -> Notification | None:
    """Returns the mail, or None if the export no longer exists or was finished too long ago."""
    export = get_item(Export, Export.key(export_id))
    if export is None or export.status != DONE or export.finished_at is None:
        return None
    if clock.instant(export.finished_at) + MAX_REPORT_AGE < clock.now():
        return None

    def content(user: User) -> Content | None:
        # The recipient may be a customer now.
        if not report_recipients.may_get_reports(user):
            return None
        return Content({"export": export, "expires": at_second(export.expires_at)})

    return Notification(f"report#{export_id}#{user_id}", "report.ready", user_id, content)
