"""Imports in the reports table. Keys: `import#I`/`import`."""

from pynamodb.attributes import (
    BooleanAttribute,
    DiscriminatorAttribute,
    ListAttribute,
    UnicodeAttribute,
)

from oms.core.dynamodb import IntegerAttribute, StoredItem
from oms.core.pages import Index
from oms.core.settings import settings

LISTED = Index(settings().reports_table, "listed", "listing", "created_key")
# The partition of the index that lists all imports.
IMPORTS = "imports"

CREATED, QUEUED, RUNNING, DONE, FAILED, CANCELLED = "created", "queued", "running", "done", "failed", "cancelled"
STARTED = (QUEUED, RUNNING)
UNFINISHED = (CREATED, *STARTED)


class ImportItem(StoredItem):
    class Meta:
        table_name = settings().reports_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Import(ImportItem, discriminator="import"):
    """A file whose rows are applied in their order.

    The request: what the rows are (`content`: products, prices, stock or orders), `mode`, `dry_run`, `format` and
    `size` in bytes. `etag` is that of the file at the start, so that a later upload is noticed.

    The progress: each claim raises `run`, and each checkpoint requires the worker's own `run`. All rows before the byte
    at `offset` are applied and counted. It is None before the file is checked. `columns` is the header of a CSV file.

    The status: created, queued or running, then one of done, failed and cancelled. `version` counts the writes.
    """

    id = UnicodeAttribute()
    content = UnicodeAttribute()
    mode = UnicodeAttribute()
    dry_run = BooleanAttribute()
    format = UnicodeAttribute()
    size = IntegerAttribute()
    etag = UnicodeAttribute(null=True)
    status = UnicodeAttribute()
    created_at = UnicodeAttribute()
    created_by = UnicodeAttribute()
    created_by_role = UnicodeAttribute()
    request_hash = UnicodeAttribute()
    version = IntegerAttribute()
    run = IntegerAttribute()
    offset = IntegerAttribute(null=True)
    columns = ListAttribute(of=UnicodeAttribute, null=True)
    rows = IntegerAttribute()
    created = IntegerAttribute()
    updated = IntegerAttribute()
    unchanged = IntegerAttribute()
    failed = IntegerAttribute()
    failure = UnicodeAttribute(null=True)
    failure_detail = UnicodeAttribute(null=True)
    started_at = UnicodeAttribute(null=True)
    finished_at = UnicodeAttribute(null=True)
    listing = UnicodeAttribute()
    created_key = UnicodeAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(import_id: str) -> tuple[str, str]:
        return f"import#{import_id}", "import"
