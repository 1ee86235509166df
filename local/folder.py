"""The folder of one running system. Those of systems that were killed are cleared away by the next to start."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "oms-local-"
# Every worker unpacks its own copy of the layers, 90 MB with the archive.
MEMORY_NEEDED = 6 * 1024**3
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
    if "TMPDIR" in os.environ or not memory.is_dir() or shutil.disk_usage(memory).free < MEMORY_NEEDED:
        return None
    return memory


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
