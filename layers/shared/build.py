"""Builds the layer of the shared code: one zip with bytecode, named by the sources that go into it."""

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from layers.archive import compile_bytecode, write_zip

SOURCE = Path(__file__).resolve().parent / "python"


def build(directory: Path) -> Path:
    """Returns the layer's zip in `directory`; what is there already is not built again."""
    archive = directory / f"shared-{_key()}.zip"
    if not archive.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="partial-", dir=directory) as folder:
            shutil.copytree(SOURCE, Path(folder) / "python", ignore=shutil.ignore_patterns("__pycache__"))
            compile_bytecode(Path(folder))
            write_zip(Path(folder), archive, compress=True)
    return archive


def _key() -> str:
    files = sorted(path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    digest = hashlib.sha256(sys.version.encode())
    for path in files:
        digest.update(
            f"{path.relative_to(SOURCE).as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}".encode()
        )
    return digest.hexdigest()[:20]
