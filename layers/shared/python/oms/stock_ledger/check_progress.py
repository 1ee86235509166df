"""What a run of the stock check has gathered so far, and how one worker hands it to the next."""

import json
import zlib
from dataclasses import dataclass, field
from enum import StrEnum

from oms.core.dynamodb import delete_item, get_item, put_item, retrying
from oms.stock_ledger.effects import Fact
from oms.stock_ledger.models import CheckProgress, CheckRun

# An item holds 400 KB.
_CHUNK = 300_000


class Phase(StrEnum):
    ORDERS = "orders"
    PRODUCTS = "products"
    GATHER = "gather"
    EXPLAIN = "explain"
    DONE = "done"


@dataclass
class Progress:
    """`shard` and `after` say where the walk of this phase stands. Digests and entries are by stock item.

    `suspects` are products to explain; beyond 100 they are only counted, in `unexplained`.
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
    entries: dict[str, list[Fact]] = field(default_factory=dict)

    def enter(self, phase: Phase) -> None:
        self.phase, self.shard, self.after = phase, 0, None


def save(progress: Progress, run: CheckRun, step: int) -> int:
    """Puts the progress with which `step` is to begin; returns of how many items."""
    packed = zlib.compress(json.dumps(vars(progress)).encode())
    chunks = [packed[start : start + _CHUNK] for start in range(0, len(packed), _CHUNK)]
    for number, data in enumerate(chunks):
        chunk = CheckProgress(*CheckProgress.key(run.id, step, number), data=data)
        retrying(lambda chunk=chunk: put_item(chunk))  # type: ignore[misc]
    return len(chunks)


def load(run: CheckRun) -> Progress:
    """The progress with which the run's step begins."""
    if not run.chunks:
        return Progress()
    chunks = [get_item(CheckProgress, CheckProgress.key(run.id, run.step, number)) for number in range(run.chunks)]
    saved = json.loads(zlib.decompress(b"".join(chunk.data for chunk in chunks if chunk)))
    entries = {stock: [Fact(*fact) for fact in facts] for stock, facts in saved.pop("entries").items()}
    return Progress(**saved | {"phase": Phase(saved["phase"]), "entries": entries})


def forget(run: CheckRun, step: int, chunks: int) -> None:
    """Removes the progress with which a step began, when a later one is on record."""
    for number in range(chunks):
        delete_item(CheckProgress(*CheckProgress.key(run.id, step, number)))
