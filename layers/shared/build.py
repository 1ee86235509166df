"""Builds the layer of the shared code: one zip with bytecode, named by the sources that go into it."""

import shutil
import tempfile
from pathlib import Path

from layers.archive import compile_bytecode, name_of, write_zip

SOURCE = Path(__file__).resolve().parent / "python"


def build(directory: Path) -> Path:
    """Returns the layer's zip in `directory`; what is there already is not built again."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="partial-", dir=directory) as folder:
        python = Path(folder) / "python"
        # Only operators run commands: a change of a command must not change the version of every function.
        ignored = shutil.ignore_patterns("__pycache__", "commands")
        # Editors mark an open file by a link that leads nowhere.
        shutil.copytree(SOURCE, python, ignore=ignored, ignore_dangling_symlinks=True)
        # By the copy: the sources may be edited at any moment.
        archive = directory / f"shared-{name_of(Path(__file__).read_bytes(), *_content(python))}.zip"
        if not archive.exists():
            compile_bytecode(Path(folder))
            write_zip(Path(folder), archive, compress=True)
    return archive


def _content(folder: Path) -> list[bytes]:
    """Of each file its path, mode and content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    heads = (f"{path.relative_to(folder).as_posix()}\0{path.stat().st_mode}".encode() for path in files)
    return [part for head, path in zip(heads, files, strict=True) for part in (head, path.read_bytes())]
