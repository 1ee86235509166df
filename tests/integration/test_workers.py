"""Workers share one unpacked copy of the layers, and the memory of their common imports.

It fails if ministack no longer starts workers in the way that `local.emulator.workers` changes.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.errors import LocalCloudError
from local.system import LocalSystem

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked, and seen in /proc, on Linux")


@pytest.fixture(scope="module")
def busy(system: LocalSystem) -> LocalSystem:
    system.warm_up(3, ["/health"])
    system.warm_up(1)
    return system


def test_the_layers_are_unpacked_once_for_all_workers(busy: LocalSystem) -> None:
    assert len(list(workers(busy))) > 5
    assert len(list(busy.folder.rglob("botocore/data"))) == 1


def test_workers_are_forked_from_one_process_and_share_its_memory(busy: LocalSystem) -> None:
    (zygote,) = {parent_of(worker) for worker in workers(busy)}

    assert b"zygote.py" in (Path("/proc") / zygote / "cmdline").read_bytes()
    for worker in workers(busy):
        shared = sum(int(kilobytes) for kilobytes in re.findall(r"^Shared_\w+: +(\d+) kB", memory_of(worker), re.M))
        assert shared > 20_000, "botocore, pydantic and Powertools at least"


def test_a_worker_that_has_failed_is_started_again(busy: LocalSystem) -> None:
    for _ in range(2):
        with pytest.raises(LocalCloudError, match="requestContext"):
            busy.invoke("Docs", {"no": "request"})

    assert busy.failure_at("/health") is None


def workers(system: LocalSystem) -> Iterator[str]:
    """Returns process ids by the working folder: each worker has its own, in that of the system."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            folder = (process / "cwd").readlink()
        except OSError:
            continue  # gone meanwhile, or another user's
        if folder.is_relative_to(system.folder) and folder.name == "code":
            yield process.name


def parent_of(process: str) -> str:
    return (Path("/proc") / process / "stat").read_text().rpartition(")")[2].split()[1]


def memory_of(process: str) -> str:
    return (Path("/proc") / process / "smaps_rollup").read_text()
