"""The folder of one running system. Those of systems that were killed are cleared away by the next to start."""

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
# A system takes 1 GB with all functions warm, of which 0.2 GB are files. What it is tested with may take as much again.
MEMORY_NEEDED = 3 * 1024**3
FILES_NEEDED = 1024**3
# Seconds in which a folder that was just made is certainly locked.
MAKING = 60


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A lock on it, which ends with this process however that ends, tells others that it is in use."""
    parent = _roomy_memory() or Path(tempfile.gettempdir())
    _clear_away_what_nobody_uses(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _roomy_memory() -> Path | None:
    """Memory that is used as files, where there is enough: unpacking there takes a fifth of the time of a disk."""
    memory = Path("/dev/shm")  # noqa: S108  mkdtemp's folder in it is ours alone
    if "TMPDIR" in os.environ or not memory.is_dir() or shutil.disk_usage(memory).free < FILES_NEEDED:
        return None
    return memory if free_memory(Path("/")) >= MEMORY_NEEDED else None


def free_memory(root: Path) -> float:
    """Bytes that this process can still take: of the machine, and within the limits of its control groups.

    The size of a memory-backed file system promises nothing: it may be half of a memory that is in use. 0 when unknown.
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
            free += [_free_in(it, version) for it in (group, *group.parents) if it.is_relative_to(mounted)]
    return min(free)


class _Cgroups(NamedTuple):
    # of a line of /proc/self/cgroup: the path of this process's group
    own: str
    mounted: str
    limit: str
    used: str
    # in memory.stat: files that are only cached, and give way
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


def _clear_away_what_nobody_uses(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # gone meanwhile, another user's, or in use
            if time.time() - folder.stat().st_ctime < MAKING:
                continue
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
