"""Checks the audit log of a stage: `python -m oms.commands.verify_audit --stage S [--from DAY] [--to DAY]`.

Prints each entry, link, head and object that was changed, removed or never sealed. Fails if it finds any.
"""

from oms.audit.macs import load_seal_keys
from oms.audit.models import ChainItem
from oms.audit.verification import Verification
from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread


def main() -> None:
    parser = stacks.stage_parser(
        "Checks that no entry of the audit log was changed or removed.", stages=stacks.ALL_STAGES
    )
    arguments = stacks.parse_with_days(parser)
    stage: str = arguments.stage
    first, last = (day.isoformat() if day else "" for day in (arguments.first, arguments.last))
    with stacks.acting_on(stage, {ChainItem: "Audit"}):
        verification = Verification(
            keys=load_seal_keys(f"oms/{stage}/audit-keys"),
            bucket=stacks.outputs_of(stage)["AuditBucket"],
            first=first,
            last=last,
        )
        found = 0
        for finding in verification.run():
            print(finding, flush=True)
            found += 1
    seen = (
        f"entries {verification.entries}, links {verification.links}, chains {verification.chains}, objects "
        f"{verification.objects}, from {verification.first or verification.last} to {verification.last}"
    )
    if found:
        raise SystemExit(f"{seen}: {found} places differ from the sealed state (see docs/operate/audit.md).")
    print(f"{seen}: nothing was changed or removed.")


if __name__ == "__main__":
    run_until_unread(main)
