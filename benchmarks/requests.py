"""The CPU time of one request, beside a plain order API of Flask and SQLAlchemy: `python -m benchmarks.requests`.

Each variant is a worker process that calls its routes in process, warm. The variants take turns, a block of ten
requests each, so all of them see the same states of the machine. It needs Linux.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from benchmarks import postgres
from benchmarks.attribution import PARTS_IN_ORDER
from benchmarks.oms_worker import ROOT, environment, traced
from benchmarks.servers import server
from benchmarks.tables import Table, as_markdown, median_and_least, missed
from benchmarks.turns import Block, Worker

BASELINE_PYTHON = ROOT / "build" / "flask-baseline" / "bin" / "python"
PROJECT, TRACED = "this project", "this project, traced by X-Ray"
SQLITE, POSTGRESQL = "Flask + SQLite", "Flask + PostgreSQL (+ its server)"
OPERATIONS = {
    "get": "get order",
    "list": "list 20 orders",
    "create": "create, 2 lines",
    "products": "products, 20",
    "refresh": "refresh",
    "confirm": "confirm",
}
# As many as a user's lease of requests, so that each block has one write of a lease: see oms.identity.user_limits.
BLOCK = 10
WARM_UP_ROUNDS = 2
AIM = 0.8


def aws_stub(*options: str) -> AbstractContextManager[int]:
    """Runs the stub of AWS. The context has its port."""
    return server("benchmarks.aws_stub", *options)


def project_worker(name: str, variables: Mapping[str, str], *options: str, checkout: Path = ROOT) -> Worker:
    return worker_of(name, "benchmarks.oms_worker", variables, *options, checkout=checkout)


def worker_of(name: str, module: str, variables: Mapping[str, str], *options: str, checkout: Path = ROOT) -> Worker:
    """Starts a worker, which is a module, with the functions and the shared code of a checkout."""
    folders = [checkout / "layers/shared/python", checkout / "functions", ROOT]
    command = [sys.executable, "-m", module, *options]
    return Worker(name, command, {**variables, "PYTHONPATH": os.pathsep.join(map(str, folders))})


def baseline_worker(name: str, url: str) -> Worker:
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return Worker(name, [str(BASELINE_PYTHON), "-m", "benchmarks.flask_baseline.worker", url], variables)


@contextmanager
def workers(*, against: Sequence[Path] = (), baseline: bool = True, tracing: bool = True) -> Iterator[list[Worker]]:
    """Starts the variants, the project first; fewer where PostgreSQL or the baseline's packages are not installed.

    `against` are further checkouts of this project.
    """
    with ExitStack() as stack:
        started: list[Worker] = []

        def add(worker: Worker) -> None:
            stack.callback(worker.stop)
            started.append(worker)

        def stub() -> dict[str, str]:
            return environment(f"http://127.0.0.1:{stack.enter_context(aws_stub())}", "orders")

        add(project_worker(PROJECT, stub()))
        for checkout in against:
            add(project_worker(str(checkout), stub(), checkout=checkout))
        if tracing:
            add(project_worker(TRACED, traced(stub())))
        if baseline and not BASELINE_PYTHON.exists():
            print("Flask is left out: `make bench` installs its packages.", file=sys.stderr)
        elif baseline:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-sqlite-"))
            add(baseline_worker(SQLITE, f"sqlite:///{Path(folder) / 'shop.db'}"))
            programs = postgres.find_programs()
            if programs:
                add(baseline_worker(POSTGRESQL, stack.enter_context(postgres.running(programs))))
            else:
                print("PostgreSQL is left out: it is not installed (Debian: apt install postgresql).", file=sys.stderr)
        yield started


type Measured = dict[str, dict[str, list[Block]]]
"""The blocks of each operation, by the name of the variant. Blocks of the same turn have the same place."""


def measure(started: Sequence[Worker], operations: Sequence[str], rounds: int) -> Measured:
    measured: Measured = {operation: {worker.name: [] for worker in started} for operation in operations}
    for turn in range(WARM_UP_ROUNDS + rounds):
        for operation in operations:
            # Another variant begins in each turn.
            first = turn % len(started)
            for worker in (*started[first:], *started[:first]):
                block = worker.block(operation, BLOCK)
                if turn >= WARM_UP_ROUNDS:
                    measured[operation][worker.name].append(block)
    return measured


def split(worker: Worker, operations: Sequence[str], seconds: float) -> dict[str, Counter[str]]:
    """Returns the samples of each part of each operation, from blocks that used `seconds` of CPU."""
    samples: dict[str, Counter[str]] = {}
    for operation in operations:
        samples[operation], used = Counter(), 0.0
        while used < seconds:
            block = worker.block(operation, BLOCK, sampled=True)
            samples[operation].update(block.samples)
            used += block.worker * BLOCK / 1000
    return samples


def ratio(project: Sequence[Block], other: Sequence[Block]) -> float:
    """Returns the median of the ratios of blocks of the same turn, database servers included."""
    return statistics.median(it.total / that.total for it, that in zip(project, other, strict=True))


def ratio_of_minima(project: Sequence[Block], other: Sequence[Block]) -> float:
    return min(it.total for it in project) / min(it.total for it in other)


def table(measured: Measured) -> Table:
    """Returns the variants, then the project's ratio to each of the others."""
    operations = list(measured)
    names = list(measured[operations[0]])
    rows = [["variant", *(OPERATIONS[it] for it in operations)]]
    rows += [[name, *(_cell(measured[it][name]) for it in operations)] for name in names]
    for name in names[1:]:
        row = [f"ratio to {name}"]
        for operation in operations:
            pair = measured[operation][PROJECT], measured[operation][name]
            text = f"{ratio(*pair):.2f}/{ratio_of_minima(*pair):.2f}"
            row.append(text + missed(ratio(*pair), AIM) if name == POSTGRESQL else text)
        rows.append(row)
    return rows


def _cell(blocks: Sequence[Block]) -> str:
    text = median_and_least([it.worker for it in blocks])
    if any(it.server for it in blocks):
        text += f" + {median_and_least([it.server for it in blocks])}"
    return text


def split_table(measured: Measured, samples: Mapping[str, Counter[str]]) -> Table:
    """Returns each part's milliseconds of the project's median, and its share in percent."""
    rows = [["part", *(OPERATIONS[it] for it in samples)]]
    for part in PARTS_IN_ORDER:
        row = [part]
        for operation, counted in samples.items():
            share = counted[part] / counted.total()
            median = statistics.median(it.total for it in measured[operation][PROJECT])
            row.append(f"{share * median:.2f} ({share:.0%})")
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help=f"blocks of {BLOCK} requests of each operation")
    parser.add_argument("--only", nargs="+", choices=list(OPERATIONS), default=list(OPERATIONS), help="operations")
    parser.add_argument("--against", nargs="+", type=Path, default=[], help="other checkouts, as further variants")
    parser.add_argument("--without-baseline", action="store_true", help="leave out Flask")
    parser.add_argument("--traced", action="store_true", help="add a variant with X-Ray's tracing")
    parser.add_argument("--split", type=float, default=0.0, help="seconds of CPU for the split of each operation")
    arguments = parser.parse_args()
    against = [it.resolve() for it in arguments.against]
    with workers(against=against, baseline=not arguments.without_baseline, tracing=arguments.traced) as started:
        measured = measure(started, arguments.only, arguments.rounds)
        print(as_markdown(table(measured)))
        if arguments.split:
            print()
            print(as_markdown(split_table(measured, split(started[0], arguments.only, arguments.split))))


if __name__ == "__main__":
    main()
