"""Destroys the address key of a past year: `python -m oms.commands.forget_address_keys --stage S --year Y`.

After that, no hash of that year in the audit log can be matched with an address. The log still verifies.
"""

import sys

from oms.audit import audit_log
from oms.audit.models import AuditItem
from oms.commands.closed_pipe import run_until_unread
from oms.commands.signing_keys import address_keys_secret_name
from oms.commands.stacks import acting_on, operator, stage_parser
from oms.core import pseudonyms


def forget(stage: str, year: str) -> bool:
    """Destroys the key of a year. Returns whether it existed. Raises ValueError if the year is not over."""

    def record(action: str, target: str) -> None:
        audit_log.record(audit_log.entry(action, actor_id=operator(), address=None, target=target))

    return pseudonyms.destroy_key(year, secret_name=address_keys_secret_name(stage), record=record)


def main() -> None:
    parser = stage_parser("Destroys the key that hashed the audit log's addresses in a past year.")
    parser.add_argument("--year", required=True)
    parser.add_argument("--confirm", default="", help="the year again, as confirmation without a prompt")
    arguments = parser.parse_args()
    with acting_on(arguments.stage, {AuditItem: "Audit"}):
        if _confirmation(arguments.confirm, arguments.year) != arguments.year:
            raise SystemExit("Nothing was destroyed.")
        try:
            was_there = forget(arguments.stage, arguments.year)
        except ValueError as error:
            raise SystemExit(f"{error}: the keys of this year and later ones are in use.") from error
    print(f"{arguments.year}: " + ("the key is destroyed" if was_there else "there is no key"))


def _confirmation(given: str, year: str) -> str:
    if given or not sys.stdin.isatty():
        return given
    return input(f"Addresses in the audit log of {year} can never be compared again. Type {year} to continue: ")


if __name__ == "__main__":
    run_until_unread(main)
