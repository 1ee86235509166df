"""`make bench`: the CPU time of requests, webhooks, new connections and cold starts, in tables."""

import argparse
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import cold, connection, requests, webhooks
from benchmarks.oms_worker import ROOT
from benchmarks.tables import as_markdown, write_between_marks

PAGE = ROOT / "docs" / "operate" / "performance.md"


def machine() -> str:
    """Returns the date, the machine and the state of the code."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((it.partition(":")[2].strip() for it in lines if it.startswith("model name")), platform.machine())
    git = shutil.which("git")
    described = git and subprocess.run(
        [git, "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    code = f", commit {described.stdout.strip()}" if described and described.returncode == 0 else ""
    return f"{datetime.now(UTC):%Y-%m-%d}, {model}, {os.cpu_count()} cores, Python {platform.python_version()}{code}."


def report(rounds: int, repeats: int, split_seconds: float) -> str:
    """Measures everything. Returns the tables, each with its title."""
    operations = list(requests.OPERATIONS)
    say("the shops of all variants")
    with requests.workers() as started:
        say("requests")
        measured = requests.measure(started, operations, rounds)
        say("their parts")
        samples = requests.split(started[0], operations, split_seconds)
    say("webhooks")
    webhook_tables = webhooks.tables(rounds)
    say("new connections")
    connections = connection.measure(rounds)
    say("cold starts")
    starts, layers = cold.measure(repeats)
    tables = {
        "One request: CPU in milliseconds, median/minimum": requests.table(measured),
        "The parts of this project's median, in milliseconds": requests.split_table(measured, samples),
        **webhook_tables,
        "A new connection": connection.table(connections),
        "Import and first request": cold.aim_table(starts),
        "Cold starts: CPU in milliseconds, median/minimum": cold.table(starts),
        "Layers": cold.layer_table(layers),
    }
    return "\n\n".join([machine(), *(f"**{title}**\n\n{as_markdown(table)}" for title, table in tables.items())])


def say(step: str) -> None:
    print(f"Measuring {step} …", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="blocks of ten requests of each operation")
    parser.add_argument("--repeats", type=int, default=3, help="cold starts of each function")
    parser.add_argument("--split", type=float, default=2.0, help="seconds of CPU for the split of each operation")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    text = report(arguments.rounds, arguments.repeats, arguments.split)
    print(text)
    if arguments.write:
        write_between_marks(PAGE, text)


if __name__ == "__main__":
    main()
