"""Exports in the reports table.

Keys: `export#E`/`export`, `recent#<hash>`/`recent`, `unfinished#<owner>`/`unfinished`.
"""

from pynamodb.attributes import (
    BooleanAttribute,
    DiscriminatorAttribute,
    ListAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)

from oms.core.dynamodb import EmbeddedItem, IntegerAttribute, JsonAttribute, StoredItem
from oms.core.pages import Index
from oms.core.settings import settings

LISTED = Index(settings().reports_table, "listed", "listing", "created_key")
# The partition of the index that lists all exports.
EXPORTS = "exports"

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
UNFINISHED = (QUEUED, RUNNING)


class ExportItem(StoredItem):
    class Meta:
        table_name = settings().reports_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class UploadedPart(EmbeddedItem):
    """A completely uploaded part of the file."""

    number = IntegerAttribute()
    etag = UnicodeAttribute()


class Export(ExportItem, discriminator="export"):
    """A report that is written to a file.

    The request: the timestamps `from_` (inclusive) and `to` (exclusive, at most `created_at`); `statuses` of orders;
    `format` (None: CSV). `columns` includes default columns, since a deployment may add some while the export runs. In
    exports of earlier versions it is None, which means the default columns of the current code.

    The progress: each claim raises `run`, and each write requires the worker's own `run`. So of two workers, the older
    one cannot write. `parts` are final; the last one ends with the item at `position`, and `state` is the input of the
    next part. `ended`: all rows are in `parts`. `version` counts the writes; `begun_with` is the first position.

    The status: queued or running, then one of done, failed and cancelled.

    A run of a schedule has `schedule_id`, and in `recipients` the ids of the users who get a mail when it is done.
    """

    id = UnicodeAttribute()
    report = UnicodeAttribute()
    status = UnicodeAttribute()
    from_ = UnicodeAttribute(attr_name="from", null=True)
    to = UnicodeAttribute(null=True)
    statuses = ListAttribute(of=UnicodeAttribute, null=True)
    gzip = BooleanAttribute()
    format = UnicodeAttribute(null=True)
    bom = BooleanAttribute(null=True)
    columns = ListAttribute(of=UnicodeAttribute, null=True)
    created_at = UnicodeAttribute()
    created_by = UnicodeAttribute()
    created_by_role = UnicodeAttribute()
    request_hash = UnicodeAttribute()
    version = IntegerAttribute()
    run = IntegerAttribute()
    upload_id = UnicodeAttribute(null=True)
    parts = ListAttribute(of=UploadedPart)
    state = JsonAttribute(null=True)
    position = UnicodeAttribute(null=True)
    begun_with = UnicodeAttribute(null=True)
    ended = BooleanAttribute()
    rows = IntegerAttribute()
    progress = IntegerAttribute()
    size = IntegerAttribute(null=True)
    sha256 = UnicodeAttribute(null=True)
    failure = UnicodeAttribute(null=True)
    finished_at = UnicodeAttribute(null=True)
    schedule_id = UnicodeAttribute(null=True)
    recipients = ListAttribute(of=UnicodeAttribute, null=True)
    listing = UnicodeAttribute()
    created_key = UnicodeAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(export_id: str) -> tuple[str, str]:
        return f"export#{export_id}", "export"


class RecentExport(ExportItem, discriminator="recent"):
    """The export that equal queries of a user within one minute share."""

    export_id = UnicodeAttribute()
    at = UnicodeAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(digest: str) -> tuple[str, str]:
        return f"recent#{digest}", "recent"


class UnfinishedExports(ExportItem, discriminator="unfinished"):
    """The ids of an owner's exports that were unfinished when last read: see `oms.exports.unfinished`."""

    ids = UnicodeSetAttribute(null=True)
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(owner: str) -> tuple[str, str]:
        return f"unfinished#{owner}", "unfinished"
