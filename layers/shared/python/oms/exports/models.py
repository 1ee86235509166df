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
# The partition of that index that has the exports.
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
    """A part of the file that S3 has, whole."""

    number = IntegerAttribute()
    etag = UnicodeAttribute()


class Export(ExportItem, discriminator="export"):
    """A report being written into a file, or written.

    What is asked for: `from_` (inclusive) and `to` (exclusive) as timestamps, of which the file has what was there
    before `created_at`; `statuses` of orders; `columns`, those by default without any; `format`, CSV without any.

    How far it is: a worker's claim raises `run`, and whatever a worker writes here is on condition that it is still at
    its own: so of two workers the older one writes nothing more. What is in `parts` stays; it ends with the thing at
    `position`, and `state` is what the next part has to know of those before. `ended`: there is nothing after that.
    `version` counts the writes, `begun_with` is the first position.

    queued, running → done | failed | cancelled, whichever comes first.

    Of a run of a schedule: `schedule_id`, and as `recipients` the ids of the users who are mailed when it is done.
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
    """The export that a user's same query within a minute shares."""

    export_id = UnicodeAttribute()
    at = UnicodeAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(digest: str) -> tuple[str, str]:
        return f"recent#{digest}", "recent"


class UnfinishedExports(ExportItem, discriminator="unfinished"):
    """The ids of an owner's exports that were unfinished when last looked at: see `oms.exports.unfinished`."""

    ids = UnicodeSetAttribute(null=True)
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(owner: str) -> tuple[str, str]:
        return f"unfinished#{owner}", "unfinished"
