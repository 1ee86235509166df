"""The files that a running system is made of, looked at again and again: what has changed, and whether it compiles."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

FUNCTIONS = "functions"
SHARED = "layers/shared/python"
# What a start reads. Tests and documents are not among it.
WATCHED = ("functions", "infra", "layers", "local", "requirements", "cdk.json", "pyproject.toml")

# path from the root → (time of the last change in ns, size)
type Snapshot = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Changes:
    """Paths from the root of what was changed, added or removed."""

    paths: frozenset[str]

    @classmethod
    def between(cls, before: Snapshot, after: Snapshot) -> Self:
        return cls(frozenset(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)))

    @property
    def packages(self) -> set[str]:
        """Of functions/, those with a change."""
        parts = (path.split("/") for path in self.paths)
        return {part[1] for part in parts if part[0] == FUNCTIONS and len(part) > 2}

    @property
    def shared(self) -> bool:
        return any(path.startswith(f"{SHARED}/") for path in self.paths)

    @property
    def for_the_next_start(self) -> list[str]:
        """What a running system does not take in: the template, third-party packages, the local cloud itself."""
        return sorted(path for path in self.paths if not path.startswith((f"{FUNCTIONS}/", f"{SHARED}/")))

    def mistakes(self, root: Path) -> list[str]:
        """`file:line: what` for each change of the functions' code that is a link, or does not compile; OSError."""
        paths = sorted(self.paths - set(self.for_the_next_start))
        return [mistake for path in paths if (mistake := refused_link(root, path) or _mistake(root, path))]


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name in WATCHED:
        path = root / name
        if path.is_dir():
            _look_into(path, name, found)
            continue
        with contextlib.suppress(OSError):
            stat = path.stat()
            found[name] = (stat.st_mtime_ns, stat.st_size)
    return found


def _look_into(folder: Path | str, name: str, found: dict[str, tuple[int, int]]) -> None:
    """A folder's files without caches and what editors put beside a file while it is open, by `name`/…

    Of a folder behind a link the link alone. Five times a second, so by the quickest means.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return  # gone since it was listed
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__" and not entry.name.startswith("."):
                _look_into(entry.path, f"{name}/{entry.name}", found)
        elif not entry.name.startswith((".", "#")) and not entry.name.endswith("~"):
            with contextlib.suppress(OSError):
                stat = entry.stat()
                found[f"{name}/{entry.name}"] = (stat.st_mtime_ns, stat.st_size)


def refused_link(root: Path, path: str) -> str | None:
    """Why a path cannot be a link, when it is one: neither synthesis nor reload would see a change behind it."""
    link = root / path
    # One that leads nowhere is an editor's mark.
    if link.is_symlink() and link.exists():
        return f"{path}: a link, behind which changes are not seen; put the files themselves in its place"
    return None


def _mistake(root: Path, path: str) -> str | None:
    if not path.endswith(".py"):
        return None
    try:
        compile((root / path).read_bytes(), path, "exec", dont_inherit=True)
    except FileNotFoundError:
        return None  # removed: whoever still imports it says so at its start
    except SyntaxError as error:
        return f"{path}:{error.lineno or 1}: {error.msg}"
    return None
