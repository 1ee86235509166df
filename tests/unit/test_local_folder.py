"""A system's folder is removed with it; the next system removes that of a killed one."""

import subprocess
import sys
from pathlib import Path

import pytest

from local import folder
from local.folder import own_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(folder, "CREATION_SECONDS", 0)
    return tmp_path


KILLED = """
import os, signal
from local.folder import own_folder

with own_folder() as folder:
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def left_by_a_killed_system() -> Path:
    ended = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, check=False)
    left = Path(ended.stdout.strip())
    assert left.is_dir()
    return left


def test_it_is_gone_with_its_system(temporary: Path) -> None:
    with own_folder() as own:
        (own / "cdk.out").mkdir()
        assert own.parent == temporary

    assert not own.exists()


def test_the_remains_of_a_killed_system_are_removed_by_the_next(temporary: Path) -> None:
    left = left_by_a_killed_system()
    (left / "layer").write_text("90 MB")

    with own_folder() as own:
        assert list(temporary.iterdir()) == [own]


def test_one_in_use_stays() -> None:
    with own_folder() as first, own_folder() as second:
        assert first.exists()
        assert second.exists()


def test_one_that_is_just_being_made_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "CREATION_SECONDS", 60)
    left = left_by_a_killed_system()

    with own_folder():
        assert left.exists()


def test_what_is_not_a_system_s_stays(temporary: Path) -> None:
    (temporary / "photos").mkdir(mode=0o500)
    (temporary / f"{folder.PREFIX}file").write_text("a file")

    with own_folder() as own:
        assert {it.name for it in temporary.iterdir()} == {"photos", f"{folder.PREFIX}file", own.name}


GB = 1024**3
MEMORY = Path("/dev/shm")  # noqa: S108  only compared with


def machine(root: Path, *, available: int, groups: dict[str, str], own: str) -> Path:
    """Returns a machine's files under /proc and /sys: available bytes, control groups, and files of the process."""
    meminfo = f"MemTotal: {32 * GB // 1024} kB\nMemAvailable:   {available // 1024} kB\n"
    for path, text in {"proc/meminfo": meminfo, "proc/self/cgroup": own, **groups}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.mark.parametrize(
    ("available", "own", "groups", "free"),
    [
        (9 * GB, "0::/\n", {}, 9 * GB),
        (9 * GB, "0::/\n", {"memory.max": "max\n", "memory.current": "5", "memory.stat": ""}, 9 * GB),
        (
            9 * GB,
            "0::/\n",
            {"memory.max": f"{4 * GB}\n", "memory.current": f"{3 * GB}\n", "memory.stat": "inactive_file 1024\n"},
            GB + 1024,
        ),
        (
            9 * GB,
            "1:cpu:/x\n0::/user/app\n",
            {
                "user/memory.max": f"{2 * GB}\n",
                "user/memory.current": f"{GB}\n",
                "user/memory.stat": "",
                "user/app/memory.max": "max\n",
                "user/app/memory.current": "5\n",
                "user/app/memory.stat": "",
            },
            GB,
        ),
        (
            9 * GB,
            "4:memory:/docker/1\n0::/\n",
            {
                "memory/docker/1/memory.limit_in_bytes": f"{3 * GB}\n",
                "memory/docker/1/memory.usage_in_bytes": f"{GB}\n",
                "memory/docker/1/memory.stat": "total_inactive_file 5\n",
            },
            2 * GB + 5,
        ),
        (GB, "0::/\n", {"memory.max": f"{4 * GB}\n", "memory.current": "5\n", "memory.stat": ""}, GB),
    ],
    ids=["none", "no limit", "a container", "a limit above", "version 1", "the machine has less"],
)
def test_the_tightest_limit_says_how_much_memory_is_free(
    tmp_path: Path, available: int, own: str, groups: dict[str, str], free: int
) -> None:
    files = {f"sys/fs/cgroup/{name}": text for name, text in groups.items()}

    assert folder.free_memory(machine(tmp_path, available=available, groups=files, own=own)) == free


def test_without_proc_nothing_is_known_to_be_free(tmp_path: Path) -> None:
    assert folder.free_memory(tmp_path) == 0


@pytest.mark.skipif(not MEMORY.is_dir(), reason="this machine has no memory-backed files")
@pytest.mark.parametrize(("free", "in_memory"), [(folder.MIN_MEMORY_BYTES, True), (folder.MIN_MEMORY_BYTES - 1, False)])
def test_files_go_to_memory_only_where_that_is_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, *, in_memory: bool
) -> None:
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(folder, "free_memory", lambda _: free)
    monkeypatch.setattr(folder, "MIN_FILE_BYTES", 0)

    with own_folder() as own:
        assert own.is_relative_to(MEMORY) == in_memory
