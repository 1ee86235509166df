"""`make fuzz CASES=…`: Schemathesis with all its checks against the running system, as each role of the demo accounts.

Afterwards the system is full of what was made: start it again. The exit code is 1 when an answer was a 5xx or outside
the document.
"""

import sys
import time

import httpx

from local.demo import PASSWORD
from local.errors import LocalCloudError
from local.port import port
from local.running import about_system
from tests.support.fuzzing.run import ACCOUNTS, fuzz, operations


def main(cases: int) -> int:
    about_system(port(), "make fuzz")
    base_url = f"http://127.0.0.1:{port()}"
    examples = max(1, cases // sum(len(operations(role)) for role in ACCOUNTS))
    failed = False
    for role, email in ACCOUNTS.items():
        started = time.monotonic()
        # Right before: an access token lives for an hour.
        outcome = fuzz(base_url, role=role, token=_sign_in(base_url, email), examples=examples)
        failed |= not outcome.passed
        if not outcome.passed:
            print(outcome.output)
        result = "passed" if outcome.passed else "FAILED"
        print(f"{result}  {role:<9}{outcome.cases:>7} cases in {time.monotonic() - started:.0f} s", flush=True)
    return 1 if failed else 0


def _sign_in(base_url: str, email: str) -> str:
    answer = httpx.post(f"{base_url}/api/v1/auth/login", json={"email": email, "password": PASSWORD}, timeout=60)
    if answer.status_code != 200:
        raise LocalCloudError(f"{email} cannot sign in: {answer.status_code} {answer.text}")
    return str(answer.json()["access_token"])


if __name__ == "__main__":
    try:
        sys.exit(main(int(sys.argv[1])))
    except LocalCloudError as error:
        sys.exit(str(error))
