"""`make bench-import`: measures the importer's rows per second and its maximum memory, with a stub of AWS.

It needs Linux. A worker is a separate process, with the imports of the Lambda function and the same message.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.export import ROOT, most_memory
from benchmarks.import_stub import IMPORT, ImportStub, new_item, sku_of, units_of

_MILLISECONDS = 900_000
# The aims: rows in a second of CPU, and resident memory.
_UNCHANGED, _CHANGED, _MAX_MEMORY_MB = 10_000, 1_000, 150
_KILLS = 10


def worker(arguments: argparse.Namespace) -> None:
    """Processes one message as the function does, and prints its time and memory."""
    # All threads share one core, as in the function.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    from importer import handler

    idle = most_memory()
    end = time.monotonic() + arguments.milliseconds / 1000
    context: Any = SimpleNamespace(
        function_name="bench",
        memory_limit_in_mb=1769,
        invoked_function_arn="arn",
        aws_request_id="1",
        get_remaining_time_in_millis=lambda: int((end - time.monotonic()) * 1000),
    )
    record = {
        "messageId": "1",
        "body": json.dumps({"import": IMPORT}),
        "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": "1"},
    }
    began, cpu = time.monotonic(), time.process_time()
    handler.lambda_handler({"Records": [record]}, context)
    took = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(took | {"idle_mb": idle, "most_mb": most_memory()}))


def start(stub: ImportStub) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("layers/shared/python", "functions", ".")),
        **{f"AWS_ENDPOINT_URL_{service}": stub.url for service in ("DYNAMODB", "S3", "SQS")},
        **{f"AWS_{name}": "bench" for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")},
        "AWS_DEFAULT_REGION": "eu-central-1",
        "OMS_IMPORTS_BUCKET": "imports",
        "OMS_IMPORT_QUEUE_URL": f"{stub.url}/000000000000/imports",
        "LAMBDA_TASK_ROOT": "/var/task",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "Oms",
        "POWERTOOLS_SERVICE_NAME": "importer",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    }
    quiet = "ignore:No application metrics to publish"
    command = [sys.executable, "-W", quiet, "-m", "benchmarks.imports", "--worker"]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def upload(stub: ImportStub, rows: int, counted: Callable[[int], int]) -> None:
    """Stores a file with a count for each product, and a new import of it."""
    stub.clear()
    content = "sku,on_hand\r\n" + "".join(f"{sku_of(number)},{counted(number)}\r\n" for number in range(rows))
    (stub.folder / f"uploads~{IMPORT}").write_bytes(content.encode())
    stub.item = new_item(len(content))


def run(stub: ImportStub, rows: int, counted: Callable[[int], int]) -> dict[str, Any]:
    """Runs one import to its end. Returns its time and its memory."""
    upload(stub, rows, counted)
    out, _ = start(stub).communicate()
    took: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert stub.item["status"]["S"] == "done", stub.item
    return took | {"rows": rows, "rows_a_second_of_cpu": rows / took["cpu"]}


def show(name: str, took: dict[str, Any]) -> None:
    print(
        f"{name:24} {took['rows']:>9,} rows  {took['seconds']:6.1f} s  {took['rows_a_second_of_cpu']:>8,.0f} rows/s of "
        f"CPU  memory {took['idle_mb']:.0f} → {took['most_mb']:.0f} MB",
        flush=True,
    )


def state(stub: ImportStub) -> str:
    """Returns a hash of all that an import has written: stock, counts of rows, and the result."""
    (result,) = stub.folder.glob("results~*")
    content = result.read_bytes()
    result.unlink()
    counts = {name: stub.item[name]["N"] for name in ("rows", "created", "updated", "unchanged", "failed")}
    written = [
        sorted(stub.counted.items()),
        counts,
        stub.item["status"],
        stub.writes,
        hashlib.sha256(content).hexdigest(),
    ]
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()


def disturbed(stub: ImportStub, rows: int, counted: Callable[[int], int], seed: int) -> str:
    """Kills ten workers, of which some overlap, and lets the next one finish. Returns the state."""
    draw = random.Random(seed)
    upload(stub, rows, counted)
    for _ in range(_KILLS):
        workers = [start(stub) for _ in range(draw.choice((1, 1, 2)))]
        time.sleep(draw.uniform(1, 4))
        for each in workers:
            each.send_signal(signal.SIGKILL)
            each.communicate()
    start(stub).communicate()
    return state(stub)


def _every_tenth(number: int) -> int:
    return units_of(number) + (number % 10 == 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--milliseconds", type=int, default=_MILLISECONDS, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=1_000_000, help="number of rows; a tenth of them changes stock")
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments)
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        stub = ImportStub(Path(folder))
        threading.Thread(target=stub.serve_forever, daemon=True).start()
        measure(stub, arguments.rows)


def measure(stub: ImportStub, rows: int) -> None:
    show("unchanged", unchanged := run(stub, rows, units_of))
    state(stub)
    show("changed", changed := run(stub, rows // 10, lambda number: units_of(number) + 1))
    state(stub)
    show("every tenth is changed", mixed := run(stub, rows // 5, _every_tenth))
    expected, seed = state(stub), random.randrange(10**6)
    same = disturbed(stub, rows // 5, _every_tenth, seed) == expected
    print(f"killed {_KILLS} times, seed {seed}: the state is {'the same' if same else 'DIFFERENT'}")
    most = max(took["most_mb"] for took in (unchanged, changed, mixed))
    print(f"maximum memory: {most:.0f} MB of {_MAX_MEMORY_MB} MB")
    fast = unchanged["rows_a_second_of_cpu"] >= _UNCHANGED and changed["rows_a_second_of_cpu"] >= _CHANGED
    sys.exit(0 if same and fast and most < _MAX_MEMORY_MB else 1)


if __name__ == "__main__":
    main()
