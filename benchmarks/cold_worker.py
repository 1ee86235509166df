"""One cold start, in a process of its own: prints the CPU time of its steps, the resident memory and the modules.

`cold_worker.py MODULE` imports a function's module. With an event in the file EVENT, it sends it twice, as the first
and the second request. `cold_worker.py bare` is the reference: a handler with one DynamoDB client of botocore, which
reads the item of the event. It runs as a file, without `site`, so that only what the function imports is loaded.
"""

import os
import sys
import time

started = time.process_time()
before = set(sys.modules)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    type Handler = Callable[[Any, Any], Any]


class Context:
    function_name = "bench"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:bench"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 29_000


def bare() -> "Handler":
    import json

    import botocore.session

    client: Any = botocore.session.get_session().create_client("dynamodb", region_name="eu-central-1")

    def handler(event: "Any", _: "Any") -> "Any":
        found = client.get_item(TableName="orders", Key={"id": {"S": event["rawPath"].rpartition("/")[2]}})
        return {"statusCode": 200, "body": json.dumps(found["Item"])}

    return handler


def imported(name: str) -> "Handler":
    __import__(name)
    handler: Handler = sys.modules[name].lambda_handler
    return handler


def most_memory_mb() -> float:
    with open("/proc/self/status") as status:  # noqa: PTH123 - pathlib is an import of its own
        (line,) = (it for it in status if it.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main(name: str, event_file: str | None) -> None:
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    handler = bare() if name == "bare" else imported(name)
    result = {"import": time.process_time() - started, "import_mb": most_memory_mb()}
    result["modules"] = len(set(sys.modules) - before)
    if event_file:
        import json

        with open(event_file) as file:  # noqa: PTH123
            event = json.load(file)
        for step in ("first", "second"):
            mark = time.process_time()
            answer = handler(event, Context)
            result[step] = time.process_time() - mark
            if answer["statusCode"] != 200:
                raise SystemExit(str(answer))
        result["mb"] = most_memory_mb()
    pairs = ", ".join(f'"{it}": {value}' for it, value in result.items())
    pipe.write("{" + pairs + "}\n")
    pipe.flush()


main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
