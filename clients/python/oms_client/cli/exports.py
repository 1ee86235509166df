"""Commands about exports: a report as a file."""

import hashlib
import sys
import time
from pathlib import Path
from typing import Any, cast

import click
import httpx

from oms_client.cli.orders import STATUSES
from oms_client.cli.state import Command, State, pass_state
from oms_client.codec import UNSET
from oms_client.errors import ConnectionFailedError, OmsClientError
from oms_client.models import ExportReport, ExportResponse, Format, OrderStatus

POLL_SECONDS = 2


class ExportFailedError(OmsClientError):
    """The file was not made, or is not the one that was downloaded."""


@click.command(cls=Command)
@click.argument("report", type=click.Choice(["orders", "inventory", "sales"]))
@click.option("--from", "from_", type=click.DateTime(["%Y-%m-%d"]), help="This day or later.")
@click.option("--to", type=click.DateTime(["%Y-%m-%d"]), help="This day or earlier.")
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Only orders with this status; repeatable.")
@click.option("--format", "format_", type=click.Choice(["csv", "xlsx"]), default="csv", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, allow_dash=True), help="The file; - is the standard output.")
@pass_state
def export(
    state: State, report: str, from_: Any, to: Any, status: tuple[str, ...], format_: str, out: str | None
) -> None:
    """Write a report to a file, and compare its checksum."""
    made = state.client.reports.create_export(
        report=cast("ExportReport", report),
        from_=from_.date() if from_ else UNSET,
        to=to.date() if to else UNSET,
        status=cast("tuple[OrderStatus, ...]", status) or UNSET,
        format=cast("Format", format_),
    )
    done = finished(state, made)
    if out == "-":
        _download(state, done, None)
        return
    target = Path(out or f"{report}.{format_}")
    part = target.with_name(f"{target.name}.part")
    try:
        _download(state, done, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    state.show({"file": str(target), "export": done}, f"{target}: {done.rows} rows, {done.size} bytes.")


def finished(state: State, made: ExportResponse) -> ExportResponse:
    while made.status in ("queued", "running"):
        time.sleep(POLL_SECONDS)
        made = state.client.reports.get_export(made.id)
    if made.status != "done" or not made.url:
        raise ExportFailedError(f"The export {made.id} is {made.status}: {made.failure or 'no reason is known'}.")
    return made


def _download(state: State, export: ExportResponse, target: Path | None) -> None:
    """Writes the file to the target or the standard output. The link needs no token, and refuses one."""
    digest = hashlib.sha256()
    try:
        with (
            httpx.Client(transport=state.transport) as http,
            http.stream("GET", str(export.url)) as response,
            target.open("wb") if target else sys.stdout.buffer as file,
        ):
            if not response.is_success:
                raise ExportFailedError(f"The file cannot be downloaded: status {response.status_code}.")
            for block in response.iter_bytes():
                digest.update(block)
                file.write(block)
            file.flush()
    except httpx.TransportError as error:
        raise ConnectionFailedError(f"The download failed: {error}", may_have_taken_effect=False) from error
    if digest.hexdigest() != export.sha256:
        raise ExportFailedError("The file differs from the checksum of the export. Download it again.")
