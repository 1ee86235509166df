"""All guards, in the order of their rows."""

from tests.support.guards import (
    accounts,
    catalogue,
    deliveries,
    email_changes,
    events,
    guests,
    orders,
    requests,
    service_keys,
    template,
)
from tests.support.guards.guard import Guard

PARTS = (accounts, email_changes, service_keys, catalogue, guests, requests, deliveries, orders, events, template)
GUARDS: tuple[Guard, ...] = tuple(
    sorted(
        (guard for part in PARTS for guard in part.GUARDS),
        key=lambda guard: (guard.row[0], int(guard.row[1:])),
    )
)


def of_row(row: str) -> tuple[Guard, ...]:
    """Returns the guards of one row; all for an empty row."""
    return tuple(guard for guard in GUARDS if row in ("", guard.row))


def page() -> str:
    """Returns the content of docs/develop/guards.md."""
    lines = [
        "# Guards, and the tests that fail without them",
        "",
        "Each row of [attacks.md](attacks.md) and [faults.md](faults.md) depends on pieces of code: its guards.",
        "`make guards` removes each guard in turn from a copy of the tree and runs the test that this page names.",
        "Each of these tests has to fail then. `ROW=A13` takes the guards of one row. All these tests run in process.",
        "The command writes this page from the lists in `tests/support/guards`, where new guards are added.",
        "",
        "| row | removed guard | file | test that fails |",
        "|---|---|---|---|",
    ]
    for guard in GUARDS:
        file = guard.file.removeprefix("layers/shared/python/")
        lines.append(f"| {guard.row} | {guard.removed} | `{file}` | `{guard.test.removeprefix('tests/')}` |")
    return "\n".join(lines) + "\n"
