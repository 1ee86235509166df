"""One request to a function in processes that die before and after their first, second, … AWS call.

`crash_walk` runs this module beside the local cloud, with the environment of the deployed function. It imports the
function once and forks a process for each crash, which shares no state with the others and ends without clean-up.
"""

import json
import os
import subprocess
import sys
from importlib import import_module
from typing import Any, NamedTuple

from local.deployment import ROOT
from local.system import LocalSystem
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.invocation import invoke

DIED, ANSWERED, FAILED = 3, 0, 4
MOST_CALLS = 50


class Crash(NamedTuple):
    """Where a process died, and the Idempotency-Key of its request. `number` counts the calls from 1."""

    key: str
    number: int
    operation: str
    made: bool


def crash_walk(system: LocalSystem, function: str, request: dict[str, Any], key: str) -> list[Crash]:
    """Returns all crashes of a request, each with its own key that begins with `key`; then one more request is
    answered.

    `request` has the module of the handler, and the method, path, body and token for `invoke`.
    """
    environment = system.cloud.child_environment() | system.environment(function)
    environment |= {
        "PYTHONPATH": f"{ROOT}/layers/shared/python:{ROOT}/functions:{ROOT}",
        "LAMBDA_TASK_ROOT": "/var/task",
        # Without the rate limit, whose calls vary with earlier requests: each process makes the same calls.
        "OMS_CUSTOMER_REQUESTS": "0",
        "OMS_MANAGER_REQUESTS": "0",
    }
    result = subprocess.run(
        [sys.executable, "-m", __name__, key],
        cwd=ROOT,
        env=environment,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return [Crash(*json.loads(line)) for line in result.stdout.splitlines() if line.startswith("[")]


def main(key: str) -> None:
    request = json.load(sys.stdin)
    handler = import_module(request.pop("handler"))
    for number in range(1, MOST_CALLS):
        for made in (False, True):
            mine = f"{key}-{number}-{made}"
            child = os.fork()
            if child == 0:
                _handle(handler, request, mine, _dying(mine, number, made=made))
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            if code == ANSWERED:
                return
            if code != DIED:
                raise SystemExit(f"{mine}: exit code {code}")
    raise SystemExit("the request does not end")


def _dying(key: str, number: int, *, made: bool) -> Plan:
    def plan(call: Call) -> Any:
        if call.number != number:
            return call.send()
        if made:
            call.send()
        print(json.dumps(Crash(key, number, call.operation, made)), flush=True)
        os._exit(DIED)

    return plan


def _handle(handler: Any, request: dict[str, Any], key: str, plan: Plan) -> None:
    """Handles the request in this process, and ends the process."""
    try:
        with intercepted(plan):
            answer = invoke(handler, **request, headers={"Idempotency-Key": key})
        print(answer.text, file=sys.stderr, flush=True)
        os._exit(ANSWERED if answer.status < 300 else FAILED)
    finally:
        os._exit(FAILED)


if __name__ == "__main__":
    main(sys.argv[1])
