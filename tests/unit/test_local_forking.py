"""A forked worker behaves as a process that was started: its own environment, folder, pipes and end."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")

WORKER = """
import os, sys
print(os.environ["NAME"], os.getcwd(), len(os.environ), sys.argv[0] == __file__, flush=True)
print("log of", os.environ["NAME"], file=sys.stderr, flush=True)
for line in sys.stdin:
    print("heard", line.strip(), flush=True)
    if line.strip() == "fail":
        raise SystemExit(3)
"""

# Not in this process: the unit tests forbid all sockets in it, also those between processes.
SCRIPT = """
import os, signal, subprocess, sys, time
from pathlib import Path
from local.emulator.forking import Zygote

folder = sys.argv[1]
script = folder + "/worker.py"
zygote = Zygote([], [])
before = len(os.listdir("/proc/self/fd"))
first, second = (zygote.fork(script, folder, {"NAME": name}) for name in ("first", "second"))
opened = len(os.listdir("/proc/self/fd")) - before
for worker in (first, second):
    print(worker.stdout.readline().strip())
    print(worker.stderr.readline().strip())
first.stdin.write("hello\\n")
print(first.stdout.readline().strip(), first.poll(), second.poll())
try:
    first.wait(0.01)
except subprocess.TimeoutExpired:
    print("runs on")
first.stdin.write("fail\\n")
first.wait(30)
print("ended", first.poll(), second.poll())
second.terminate()
second.wait(30)
second.terminate()
second.kill()
print("stopped", second.poll())

def status(process):
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()

parent = status(zygote.fork(script, folder, {"NAME": "third"}).pid)[1]
os.kill(int(parent), signal.SIGKILL)
while status(parent)[0] != "Z":
    time.sleep(0.01)
try:
    zygote.fork(script, folder, {"NAME": "none"})
except RuntimeError as error:
    print(error)
print(zygote.fork(script, folder, {"NAME": "fourth"}).stdout.readline().strip())
del first, second, worker
print("descriptors of two workers:", opened - 1, "left open:", len(os.listdir("/proc/self/fd")) - before - 1)
"""


def test_a_forked_worker_is_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)

    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )

    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        f"first {tmp_path} 1 True",
        "log of first",
        f"second {tmp_path} 1 True",
        "log of second",
        "heard hello None None",
        "runs on",
        "ended -1 None",
        "stopped -1",
        "The zygote, from which workers are forked, has ended; retry the call",
        f"fourth {tmp_path} 1 True",
        "descriptors of two workers: 8 left open: 0",
    ]
