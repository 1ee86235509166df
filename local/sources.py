"""The source files of a running system: snapshots, changes between them, and compile errors."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

FUNCTIONS = "functions"
SHARED = "layers/shared/python"
# The files that a start reads. Tests and documents are not among them.
WATCHED = ("functions", "infra", "layers", "local", "requirements", "cdk.json", "pyproject.toml")

# (time of the last change in ns, size in bytes), by path from the root
type Snapshot = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Changes:
    """Changed, added and removed files, as paths from the root."""

    paths: frozenset[str]

    @classmethod
    def between(cls, before: Snapshot, after: Snapshot) -> Self:
        return cls(frozenset(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)))

    @property
    def packages(self) -> set[str]:
        """The packages of functions/ with a change."""
        parts = (path.split("/") for path in self.paths)
        return {part[1] for part in parts if part[0] == FUNCTIONS and len(part) > 2}

    @property
    def shared(self) -> bool:
        return any(path.startswith(f"{SHARED}/") for path in self.paths)

    @property
    def for_the_next_start(self) -> list[str]:
        """Changes that need a restart: those of the template, of third-party packages, and of the local cloud."""
        return sorted(path for path in self.paths if not path.startswith((f"{FUNCTIONS}/", f"{SHARED}/")))

    def mistakes(self, root: Path) -> list[str]:
        """Returns `file:line: message` for each change of the functions' code that is a link or does not compile.

        Raises OSError.
        """
        paths = sorted(self.paths - set(self.for_the_next_start))
        return [mistake for path in paths if (mistake := refused_link(root, path) or _mistake(root, path))]


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name in WATCHED:
        path = root / name
        if path.is_dir():
            _add_files(path, name, found)
            continue
        with contextlib.suppress(OSError):
            stat = path.stat()
            found[name] = (stat.st_mtime_ns, stat.st_size)
    return found


def _add_files(folder: Path | str, name: str, found: dict[str, tuple[int, int]]) -> None:
    """Adds a folder's files under `name`, without caches and temporary files of editors.

    A link to a folder counts as one file. The function runs five times per second, so it uses the fastest calls.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return  # removed since it was listed
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__" and not entry.name.startswith("."):
                _add_files(entry.path, f"{name}/{entry.name}", found)
        elif not entry.name.startswith((".", "#")) and not entry.name.endswith("~"):
            with contextlib.suppress(OSError):
                stat = entry.stat()
                found[f"{name}/{entry.name}"] = (stat.st_mtime_ns, stat.st_size)


def refused_link(root: Path, path: str) -> str | None:
    """Returns a message if the path is a link, because synthesis and reload would not see changes of its target."""
    link = root / path
    # Editors use links without a target as locks.
    if link.is_symlink() and link.exists():
        return f"{path}: a link, whose target is not watched for changes; replace it by the files themselves"
    return None


def _mistake(root: Path, path: str) -> str | None:
    if not path.endswith(".py"):
        return None
    try:
        compile((root / path).read_bytes(), path, "exec", dont_inherit=True)
    except FileNotFoundError:
        return None  # removed; a module that still imports it fails at its start
    except SyntaxError as error:
        return f"{path}:{error.lineno or 1}: {error.msg}"
    return None
