"""A guard: the code on which a row of attacks.md or faults.md depends, and the test that fails without it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
LIBRARY = "layers/shared/python/oms"


@dataclass(frozen=True)
class Guard:
    """`text` occurs once in `file`. `removed` names the rule that ends when `replacement` takes its place.

    `test` is a node of pytest, which runs in process.
    """

    row: str
    removed: str
    file: str
    text: str
    replacement: str
    test: str

    @contextmanager
    def removed_from(self, root: Path) -> Iterator[None]:
        """Replaces the text in the copy of the tree at `root`, and puts it back at the end.

        Raises ValueError if the file does not have the text exactly once.
        """
        path = root / self.file
        source = path.read_text()
        if source.count(self.text) != 1:
            raise ValueError(f"{self.row}: {self.file} has this text {source.count(self.text)} times: {self.text!r}")
        path.write_text(source.replace(self.text, self.replacement))
        try:
            yield
        finally:
            path.write_text(source)
