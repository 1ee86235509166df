"""The progress of a stock check, which one worker stores for the next."""

import json
import zlib
from dataclasses import dataclass, field
from enum import StrEnum

from oms.core.dynamodb import get_item, put_item
from oms.core.retries import retrying
from oms.stock_ledger.effects import RecordedEffect
from oms.stock_ledger.models import CheckProgress, CheckRun

# DynamoDB's limit for an item is 400 KB.
_CHUNK_BYTES = 300_000


class Phase(StrEnum):
    ORDERS = "orders"
    PRODUCTS = "products"
    GATHER = "gather"
    EXPLAIN = "explain"
    DONE = "done"


@dataclass
class Progress:
    """The counts and results of a run so far. It is stored as JSON with these names.

    `shard` and `after` are the position in the phase's list. `digests` and `entries`, the recorded effects of orders,
    have stock items as keys. `suspects` are the products to explain, at most 100; `unexplained` counts the others.
    """

    phase: Phase = Phase.ORDERS
    shard: int = 0
    after: str | None = None
    orders: int = 0
    products: int = 0
    unsettled: int = 0
    drifted: int = 0
    unexplained: int = 0
    digests: dict[str, int] = field(default_factory=dict)
    suspects: list[str] = field(default_factory=list)
    entries: dict[str, list[RecordedEffect]] = field(default_factory=dict)

    def enter(self, phase: Phase) -> None:
        self.phase, self.shard, self.after = phase, 0, None


def save(progress: Progress, run: CheckRun, step: int) -> int:
    """Stores the progress from which `step` starts. Returns the number of items."""
    packed = zlib.compress(json.dumps(vars(progress)).encode())
    chunks = [packed[start : start + _CHUNK_BYTES] for start in range(0, len(packed), _CHUNK_BYTES)]
    for number, data in enumerate(chunks):
        chunk = CheckProgress(*CheckProgress.key(run.id, step, number), data=data)
        retrying(lambda chunk=chunk: put_item(chunk))  # type: ignore[misc]
    return len(chunks)


def load(run: CheckRun) -> Progress:
    """Returns the progress from which the run's current step starts."""
    if not run.chunks:
        return Progress()
    chunks = [get_item(CheckProgress, CheckProgress.key(run.id, run.step, number)) for number in range(run.chunks)]
    saved = json.loads(zlib.decompress(b"".join(chunk.data for chunk in chunks if chunk)))
    entries = {stock: [RecordedEffect(*effect) for effect in effects] for stock, effects in saved["entries"].items()}
    return Progress(**saved | {"phase": Phase(saved["phase"]), "entries": entries})
