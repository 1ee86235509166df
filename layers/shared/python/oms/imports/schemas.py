"""Requests and responses of the routes of imports."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from oms.core.schemas import NextCursor, Request, Response, Timestamp
from oms.imports.models import Import

MAX_FILE_BYTES = 256 * 1024 * 1024

type ImportKind = Annotated[
    Literal["products", "prices", "stock", "orders"], Field(description="The content of a file to import.")
]
type ImportMode = Annotated[
    Literal["upsert", "create"],
    Field(
        description="`upsert` creates missing products and orders, and changes other products; `create` only creates."
    ),
]
type ImportFormat = Annotated[
    Literal["csv", "jsonl"], Field(description="The format of the file: CSV with a header, or a JSON object on a line.")
]
type ImportStatus = Annotated[
    Literal["created", "queued", "running", "done", "failed", "cancelled"],
    Field(description="The status of an import. It is `created` until it is started."),
]
type ImportFailure = Annotated[
    Literal["bad-encoding", "bad-header", "file-changed", "too-many-errors", "out-of-time", "internal-error"],
    Field(description="The reason that a whole import failed."),
]


class CreateImportRequest(Request):
    """An import to create. Its file is uploaded next."""

    kind: ImportKind = Field(
        description="The content of the file: products, prices, stock or orders.", examples=["stock"]
    )
    format: ImportFormat = Field(
        "csv", description="The format of the file. Default: `csv`. Orders need `jsonl`.", examples=["csv"]
    )
    size: Annotated[int, Field(ge=1, le=MAX_FILE_BYTES)] = Field(
        description="The size of the file in bytes, at most 256 MB.", examples=[52]
    )
    mode: ImportMode = Field(
        "upsert",
        description="`upsert`, the default, creates missing products and changes existing ones, and places missing "
        "orders; `create` only creates, for kinds `products` and `orders`.",
        examples=["upsert"],
    )
    dry_run: bool = Field(
        False,
        description="Whether to check the rows without writing anything. Default: `false`.",
        examples=[False],
    )


class ImportUpload(Response):
    """The request that uploads the file. It needs no token, and is refused for another size or type."""

    method: Literal["PUT"] = Field("PUT", description="The method.")
    url: str = Field(
        description="The URL to send the file to.", examples=["https://example-bucket.s3.eu-central-1.amazonaws.com/I"]
    )
    headers: dict[str, str] = Field(
        description="The headers to send. Most clients set `Content-Length` themselves.",
        examples=[{"Content-Type": "text/csv", "Content-Length": "52"}],
    )
    expires_at: Timestamp = Field(description="When the URL expires; get the import again for a new one.")


class ImportResponse(Response):
    """An import."""

    id: str = Field(description="The id of the import.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    kind: ImportKind = Field(description="The content of the file: products, prices, stock or orders.")
    format: ImportFormat = Field(description="The format of the file.")
    size: int = Field(description="The size of the file in bytes.", examples=[52])
    mode: ImportMode = Field(description="The mode.")
    dry_run: bool = Field(description="Whether nothing is written.", examples=[False])
    status: ImportStatus = Field(description="The status of the import.")
    progress: int = Field(description="Percent of the file that are done.", examples=[100])
    rows: int = Field(description="Rows that are done, without the header.", examples=[2])
    created: int = Field(description="Rows that created something.", examples=[0])
    updated: int = Field(description="Rows that changed something.", examples=[1])
    unchanged: int = Field(
        description="Rows that changed nothing, since they agree with the stored values.", examples=[1]
    )
    failed: int = Field(description="Rows that failed, each alone.", examples=[0])
    failure: ImportFailure | None = Field(description="The reason that the import failed; null if it did not.")
    failure_detail: str | None = Field(
        description="The reason, for people; null if there is no more to say.", examples=["The column sku is missing."]
    )
    upload: ImportUpload | None = Field(
        description="The request that uploads the file. It is null in lists, and after the start."
    )
    result_url: str | None = Field(
        description="A URL that downloads the errors of the rows as JSON lines: `row`, `code`, `pointer` and `detail`. "
        "It is null in lists, and until the import is done or has failed.",
        examples=["https://example-bucket.s3.eu-central-1.amazonaws.com/results/I.jsonl"],
    )
    result_url_expires_at: Timestamp | None = Field(
        description="When `result_url` expires; get the import again for a new one."
    )
    created_at: Timestamp = Field(description="When the import was created.")
    created_by: str = Field(
        description="The id of the user or the service key that created it.", examples=["YVT65M7QNAW9TXAQ7PHA"]
    )
    started_at: Timestamp | None = Field(description="When the import was started.")
    finished_at: Timestamp | None = Field(description="When the import was done, failed or was cancelled.")

    @classmethod
    def of(
        cls, it: Import, upload: ImportUpload | None = None, result: tuple[str, str] | tuple[None, None] = (None, None)
    ) -> Self:
        url, until = result
        return cls(**_fields(it), upload=upload, result_url=url, result_url_expires_at=until)


class ImportPage(Response):
    """A page of imports, newest first."""

    items: list[ImportResponse] = Field(description="The imports of this page, without URLs.")
    next_cursor: NextCursor


def _fields(it: Import) -> dict[str, Any]:
    same = ("id", "format", "size", "mode", "dry_run", "status", "rows", "created", "updated", "unchanged", "failed")
    further = ("failure", "failure_detail", "created_at", "created_by", "started_at", "finished_at")
    fields = {name: getattr(it, name) for name in (*same, *further)}
    return fields | {"kind": it.content, "progress": 100 * (it.offset or 0) // it.size}
