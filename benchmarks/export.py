"""`make bench-export`: measures the exporter's rows per second and its maximum memory, with a stub of AWS.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.stub import Stub

ROOT = Path(__file__).parents[1]
EXPORT = "EXPORT00000000000001"
# The function's timeout.
_MILLISECONDS = 300_000
# The limit of resident memory, for exports of any size.
_MAX_MEMORY_MB = 150


def worker(arguments: argparse.Namespace) -> None:
    """Processes one message as the function does, and prints its time and memory."""
    # All threads share one core, as in the function.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    from exporter import handler
    from oms.exports import reading

    if arguments.full_decoding:
        vars(reading)["_decoded"] = _decoded_by_botocore()
    if arguments.ahead is not None:
        reading.MAX_BATCHES_AHEAD = arguments.ahead
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
        "body": json.dumps({"export": EXPORT}),
        "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": "1"},
    }
    began, cpu = time.monotonic(), time.process_time()
    handler.lambda_handler({"Records": [record]}, context)
    took = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(took | {"idle_mb": idle, "most_mb": most_memory()}))


def _decoded_by_botocore() -> Callable[[bytes], Any]:
    import botocore.session
    from botocore.parsers import ResponseParserFactory

    shape = botocore.session.Session().get_service_model("dynamodb").operation_model("BatchGetItem").output_shape
    assert shape is not None
    parser = ResponseParserFactory().create_parser("json")
    return lambda answer: parser.parse({"status_code": 200, "headers": {}, "body": answer}, shape)


def most_memory() -> float:
    """Returns the maximum resident memory, in MB. `getrusage` would include the memory of the parent process."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def new_item(*, gzip: bool, xlsx: bool = False) -> dict[str, Any]:
    """Returns the item of a requested export."""
    at = "2099-01-01T00:00:00.000Z"
    texts = {"pk": f"export#{EXPORT}", "sk": "export", "kind": "export", "id": EXPORT, "report": "orders"}
    texts |= {"status": "queued", "created_at": at, "created_by": "U", "created_by_role": "manager"}
    texts |= {"request_hash": "", "listing": "exports", "created_key": f"{at}#{EXPORT}"}
    texts |= {"format": "xlsx"} if xlsx else {}
    numbers = {"version": 1, "run": 0, "rows": 0, "progress": 0, "ttl": 4102444800}
    item: dict[str, Any] = {name: {"S": value} for name, value in texts.items()}
    item |= {name: {"N": str(value)} for name, value in numbers.items()}
    return item | {"gzip": {"BOOL": gzip}, "ended": {"BOOL": False}, "parts": {"L": []}}


def start(stub: Stub, *options: str) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("layers/shared/python", "functions", ".")),
        **{f"AWS_ENDPOINT_URL_{service}": stub.url for service in ("DYNAMODB", "S3", "SQS")},
        **{f"AWS_{name}": "bench" for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")},
        "AWS_DEFAULT_REGION": "eu-central-1",
        "OMS_EXPORTS_BUCKET": "exports",
        "OMS_EXPORT_QUEUE_URL": f"{stub.url}/000000000000/exports",
        "LAMBDA_TASK_ROOT": "/var/task",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "Oms",
        "POWERTOOLS_SERVICE_NAME": "exporter",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    }
    # A worker emits no metrics if another one continues its export.
    quiet = "ignore:No application metrics to publish"
    command = [sys.executable, "-W", quiet, "-m", "benchmarks.export", "--worker", *options]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def run(stub: Stub, *options: str, gzip: bool = False, xlsx: bool = False) -> dict[str, Any]:
    """Runs one export to its end, in several runs if needed. Returns their total times and their memory."""
    stub.item = new_item(gzip=gzip, xlsx=xlsx)
    total = {"seconds": 0.0, "cpu": 0.0, "idle_mb": 0.0, "most_mb": 0.0, "runs": 0}
    while stub.item["status"]["S"] in ("queued", "running"):
        out, _ = start(stub, *options).communicate()
        assert not stub.refused, stub.refused
        took = json.loads(out.splitlines()[-1])
        for name in ("seconds", "cpu"):
            total[name] += took[name]
        for name in ("idle_mb", "most_mb"):
            total[name] = max(total[name], took[name])
        total["runs"] += 1
    assert stub.item["status"]["S"] == "done", stub.item
    rows = int(stub.item["rows"]["N"])
    size = int(stub.item["size"]["N"])
    return total | {
        "rows": rows,
        "size": size,
        "sha256": stub.item["sha256"]["S"],
        "rows_a_second": rows / total["seconds"],
    }


def show(name: str, took: dict[str, Any]) -> None:
    print(
        f"{name:34} {took['rows']:>9,} rows  {took['seconds']:6.1f} s  {took['rows_a_second']:>8,.0f} rows/s"
        f"  {took['rows'] / took['cpu']:>8,.0f} rows/s of CPU  {took['size'] / 2**20:6.1f} MB"
        f"  memory {took['idle_mb']:.0f} → {took['most_mb']:.0f} MB  {took['runs']} run(s)",
        flush=True,
    )


def disturbed(stub: Stub, seed: int, *, xlsx: bool) -> bool:
    """Runs an export while its workers are killed, time out, or overlap.

    Returns whether the file has the hash that is stored in the export's item.
    """
    draw = random.Random(seed)
    stub.item = new_item(gzip=False, xlsx=xlsx)
    lives = 0
    while stub.item["status"]["S"] in ("queued", "running"):
        # Sometimes two workers at once. Each runs for a limited time, or to its end.
        workers = [
            start(stub, "--milliseconds", str(draw.choice((33_000, 40_000, 300_000))))
            for _ in range(draw.choice((1, 1, 2)))
        ]
        for worker_process in workers:
            lives += 1
            try:
                worker_process.communicate(timeout=draw.uniform(2, 15))
            except subprocess.TimeoutExpired:
                worker_process.send_signal(signal.SIGKILL)
                worker_process.communicate()
        assert not stub.refused, stub.refused
    whole = _whole(stub, "xlsx" if xlsx else "csv")
    print(f"disturbed, seed {seed}: {lives} workers; the file {'matches' if whole else 'DOES NOT MATCH'} its item")
    return whole


def _whole(stub: Stub, extension: str) -> bool:
    data = (stub.folder / f"{EXPORT}.{extension}").read_bytes()
    return bool(hashlib.sha256(data).hexdigest() == stub.item["sha256"]["S"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--milliseconds", type=int, default=_MILLISECONDS, help=argparse.SUPPRESS)
    parser.add_argument("--full-decoding", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--ahead", type=int, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--lines", type=int, default=1_000_000, help="number of order lines, three in each order")
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments)
        return
    orders = arguments.lines // 3
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        measure(Path(folder), orders)


def measure(folder: Path, orders: int) -> None:
    with served(folder / "plain", orders=orders) as stub:
        plain = run(stub)
        show("orders", plain)
        show("orders, gzip", zipped := run(stub, gzip=True))
        show("orders, xlsx", workbook := run(stub, xlsx=True))
    with served(folder / "tenth", orders=orders // 10) as stub:
        show("a tenth of the orders", run(stub))
        show("… decoded by botocore", run(stub, "--full-decoding"))
    with served(folder / "slow", orders=orders // 10, latency=0.015) as stub:
        show("… each read takes 15 ms", run(stub))
        show("… and none is read ahead", run(stub, "--ahead", "0"))
    with served(folder / "long", orders=orders // 30, lines=90) as stub:
        show("orders of 90 lines", long := run(stub))
    with served(folder / "disturbed", orders=orders // 2) as stub:
        right = all(_the_same(stub, xlsx=xlsx) for xlsx in (False, True))
    most = max(result["most_mb"] for result in (plain, zipped, workbook, long))
    print(f"maximum memory: {most:.0f} MB of {_MAX_MEMORY_MB} MB")
    sys.exit(0 if right and most < _MAX_MEMORY_MB else 1)


def _the_same(stub: Stub, *, xlsx: bool) -> bool:
    """Returns whether a disturbed export has the same bytes as an undisturbed one, and leaves no upload."""
    expected = run(stub, xlsx=xlsx)
    whole = disturbed(stub, seed := random.randrange(10**6), xlsx=xlsx)
    same, left = whole and stub.item["sha256"]["S"] == expected["sha256"], len(stub.uploads)
    print(f"disturbed, seed {seed}: sha256 {'equal' if same else 'DIFFERENT'}, {left} uploads left")
    return same and not left


@contextmanager
def served(folder: Path, **options: Any) -> Iterator[Stub]:
    """Yields the stub, which serves in a thread of this process."""
    folder.mkdir()
    stub = Stub(folder, **options)
    threading.Thread(target=stub.serve_forever, daemon=True).start()
    try:
        yield stub
    finally:
        stub.shutdown()
        stub.server_close()


if __name__ == "__main__":
    main()
