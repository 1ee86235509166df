"""`make fuzz CASES=…`: Schemathesis with all its checks against the running system, as each role of the demo accounts.

It sends thousands of requests from the document's examples and the bounds of its schemas, and up to CASES random ones:
the same number for each operation and role, at least one. Afterwards the system has many created resources. The demo
accounts may have other names, but they can sign in and have their former roles. The exit code is 1 if an answer was a
5xx or undocumented.
"""

import sys
import time

import httpx

from local.errors import LocalCloudError
from local.port import port
from local.running import HAS_STOPPED, about_system
from tests.support.fuzzing.accounts import restore_demo_accounts, sign_in
from tests.support.fuzzing.run import ACCOUNTS, fuzz, operations

# The document's example of a current password is that of the demo accounts, whose sign-in the README shows.
# tests/functional/test_schemathesis.py calls it.
LEFT_OUT = ("--exclude-operation-id", "change_password")


def main(cases: int) -> int:
    about_system(port(), "make fuzz")
    base_url = f"http://127.0.0.1:{port()}"
    examples = max(1, cases // sum(len(operations(role)) for role in ACCOUNTS))
    failed = False
    with httpx.Client(base_url=base_url, timeout=60) as http:
        try:
            # The admin last: those requests may change the roles of the others.
            for role, email in ACCOUNTS.items():
                started = time.monotonic()
                # Just before, since an access token is valid for an hour.
                token = sign_in(http, email)
                outcome = fuzz(base_url, role=role, token=token, examples=examples, options=LEFT_OUT)
                failed |= not outcome.passed
                if not outcome.passed:
                    print(outcome.output)
                result = "passed" if outcome.passed else "FAILED"
                print(f"{result}  {role:<9}{outcome.cases:>7} cases in {time.monotonic() - started:.0f} s", flush=True)
        finally:
            restore_demo_accounts(http)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(int(sys.argv[1])))
    except LocalCloudError as error:
        sys.exit(str(error))
    except httpx.TransportError:
        sys.exit(HAS_STOPPED)
