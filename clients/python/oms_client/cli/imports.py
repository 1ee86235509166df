"""The command `oms import`: products, prices or stock from a file."""

import uuid
from typing import BinaryIO, get_args

import click

from oms_client.cli.state import ROWS_FAILED, Command, State, pass_state
from oms_client.importing import RowError, import_file
from oms_client.models import ImportFormat, ImportKind, ImportResponse


@click.command("import", cls=Command)
@click.argument("file", type=click.File("rb"))
@click.option("--kind", required=True, type=click.Choice(get_args(ImportKind)), help="The content of the rows.")
@click.option("--format", "format_", type=click.Choice(get_args(ImportFormat)), help="By default that of the name.")
@click.option("--create-only", is_flag=True, help="Change no product that exists.")
@click.option("--dry-run", is_flag=True, help="Check the rows, and write nothing.")
@click.option("--again", is_flag=True, help="Import, although the same file was imported before.")
@pass_state
def import_command(
    state: State, file: BinaryIO, kind: str, format_: str | None, create_only: bool, dry_run: bool, again: bool
) -> int:
    """Import a file of rows, and print the rows that failed.

    If the command is interrupted, run it with the same file: it continues with the same import.
    """

    def progress(it: ImportResponse) -> None:
        state.say(f"{it.progress} %, {it.rows} rows")

    name = str(getattr(file, "name", ""))
    guessed = "jsonl" if name.endswith((".jsonl", ".ndjson")) else "csv"
    options = {
        "kind": kind,
        "format": format_ or guessed,
        "mode": "create" if create_only else "upsert",
        "dry_run": dry_run,
    }
    key = f"import-{uuid.uuid4()}" if again else None
    client = state.client
    result = client.run(import_file(client.exchange, file.read(), options, key, progress))
    for error in result.errors:
        state.show(
            {"row": error.row, "code": error.code, "pointer": error.pointer, "detail": error.detail}, line(error)
        )
    if state.as_json:
        state.show(result.summary, "")
    state.say(summary(result.summary))
    if result.replayed:
        state.say(
            f"The same file was imported at {result.summary.created_at:%Y-%m-%d %H:%M}. `--again` imports it again."
        )
    return ROWS_FAILED if result.summary.failed else 0


def line(error: RowError) -> str:
    return f"row {error.row}: {error.detail} ({error.code}{f', {error.pointer}' if error.pointer else ''})"


def summary(it: ImportResponse) -> str:
    counts = f"{it.created} created, {it.updated} updated, {it.unchanged} unchanged, {it.failed} failed"
    return f"{it.rows} rows: {counts}.{' Nothing was written.' if it.dry_run else ''}"
