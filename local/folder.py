"""The folder of one running system. Each start removes the folders of systems that were killed."""

import contextlib
import fcntl
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PREFIX = "oms-local-"
# A system uses 1 GB if all functions are warm, 0.2 GB of it for files. Its tests can use as much again.
MIN_MEMORY_BYTES = 3 * 1024**3
MIN_FILE_BYTES = 1024**3
# A new folder is locked within this time.
CREATION_SECONDS = 60


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """Creates a folder and locks it, so that other systems know that it is in use.

    The lock ends with this process, even if the process is killed.
    """
    parent = _memory_file_system() or Path(tempfile.gettempdir())
    _remove_unused(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _memory_file_system() -> Path | None:
    """Returns the file system in memory if enough memory is free: it unpacks five times as fast as a disk."""
    memory = Path("/dev/shm")  # noqa: S108  only this user can read mkdtemp's folder in it
    if "TMPDIR" in os.environ or not memory.is_dir() or shutil.disk_usage(memory).free < MIN_FILE_BYTES:
        return None
    return memory if free_memory(Path("/")) >= MIN_MEMORY_BYTES else None


def free_memory(root: Path) -> float:
    """Returns the bytes that this process can still use on the machine, within the limits of its control groups.

    It is 0 if unknown. The free size of the file system in memory does not consider other memory in use.
    """
    try:
        meminfo, own = ((root / "proc" / name).read_text() for name in ("meminfo", "self/cgroup"))
        available = int(re.search(r"^MemAvailable: +(\d+) kB$", meminfo, re.MULTILINE)[1]) * 1024  # type: ignore[index]
    except (OSError, TypeError):
        return 0
    free: list[float] = [available]
    for version in CGROUPS:
        mounted = root / version.mounted
        for path in re.findall(version.own, own, re.MULTILINE):
            group = mounted / path
            free += [_free_in(parent, version) for parent in (group, *group.parents) if parent.is_relative_to(mounted)]
    return min(free)


class _Cgroups(NamedTuple):
    # Matches a line of /proc/self/cgroup; its group is the path of this process's control group.
    own: str
    mounted: str
    limit: str
    used: str
    # The field of memory.stat for cached files, whose memory can be reclaimed.
    cached: str


CGROUPS = (
    _Cgroups("^0::/(.*)$", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    _Cgroups(
        "^[0-9]+:memory:/(.*)$",
        "sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


def _free_in(group: Path, version: _Cgroups) -> float:
    try:
        cached = re.search(rf"^{version.cached} (\d+)$", (group / "memory.stat").read_text(), re.MULTILINE)
        limit, used = (int((group / name).read_text()) for name in (version.limit, version.used))
    except (OSError, ValueError):  # "max"
        return math.inf
    return limit - used + int(cached[1] if cached else 0)


def _remove_unused(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # removed meanwhile, another user's, or in use
            if time.time() - folder.stat().st_ctime < CREATION_SECONDS:
                continue
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
