"""Checks the audit log of a stage: `python -m oms.commands.verify_audit --stage S [--from DAY] [--to DAY]`.

Names each entry, link, head and object that was changed or removed, or was never sealed. If there is one, it fails.
"""

import argparse

from oms.audit.macs import load_keys
from oms.audit.models import ChainItem
from oms.audit.verification import Verification
from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread
from oms.core.dynamodb import tables_named


def main() -> None:
    parser = argparse.ArgumentParser(description="Checks that nothing of the audit log was changed or removed.")
    parser.add_argument("--stage", required=True, choices=("local", "dev", "prod"))
    parser.add_argument("--from", dest="first", type=stacks.day, help="a day, as 2026-01-31; the first there is")
    parser.add_argument("--to", dest="last", type=stacks.day, help="a day; today")
    arguments = parser.parse_args()
    stage: str = arguments.stage
    first, last = (it.isoformat() if it else "" for it in (arguments.first, arguments.last))
    if last and first > last:
        parser.error("--to is before --from")
    with stacks.acting_on(stage):
        verification = Verification(
            keys=load_keys(f"oms/{stage}/audit-keys"),
            bucket=stacks.outputs_of(stage)["AuditBucket"],
            first=first,
            last=last,
        )
        found = 0
        with tables_named({ChainItem: stacks.table_of(stage, "Audit")}):
            for finding in verification.run():
                print(finding, flush=True)
                found += 1
    seen = (
        f"entries {verification.entries}, links {verification.links}, chains {verification.chains}, objects "
        f"{verification.objects}, from {verification.first or verification.last} to {verification.last}"
    )
    if found:
        raise SystemExit(f"{seen}: {found} places are not as they were sealed (see docs/operate/audit.md).")
    print(f"{seen}: nothing was changed or removed.")


if __name__ == "__main__":
    run_until_unread(main)
