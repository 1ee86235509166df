"""The CPU time of webhooks: `python -m benchmarks.webhooks`.

The sender and the dispatcher are worker processes that are invoked with the events of their queues, warm, one
invocation after the other. The receiver of the deliveries is another process on loopback.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.connection import write_certificates
from benchmarks.oms_worker import ROOT, environment
from benchmarks.receiver import receiver
from benchmarks.requests import WARM_UP_ROUNDS, aws_stub, worker_of
from benchmarks.tables import Table, as_markdown, median_and_least
from benchmarks.turns import Block, Worker
from benchmarks.webhooks_worker import BATCH

# Invocations of a block.
BLOCK = 10
SUBSCRIPTIONS = (1, 10)
_WORKER = "benchmarks.webhooks_worker"

type Measured = dict[str, list[Block]]
"""The blocks of each operation, by its name in the table."""


@contextmanager
def sender(checkout: Path = ROOT) -> Iterator[tuple[Worker, dict[str, str]]]:
    """Starts a sender with its receivers. Yields it, and the name of each operation for the table.

    The connections to the receivers trust the benchmark's CA alone. Plain HTTP and addresses of this machine are
    allowed, as in the local stage.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-webhooks-")))
        ca, chain = write_certificates(folder)
        tls = f"https://localhost:{stack.enter_context(receiver(chain))}"
        plain = f"http://localhost:{stack.enter_context(receiver())}"
        operations = {
            f"{tls}/0": "TLS, response at once",
            f"{plain}/0": "plain HTTP, response at once",
            f"{tls}/100": "TLS, response after 100 ms",
        }
        stub = f"http://127.0.0.1:{stack.enter_context(aws_stub())}"
        local = {"AWS_ENDPOINT_URL": stub, "OMS_WEBHOOK_PRIVATE_TARGETS": "true", "SSL_CERT_FILE": str(ca)}
        worker = worker_of(
            f"sender of {checkout}",
            _WORKER,
            environment(stub, "sender") | local,
            "--urls",
            *operations,
            checkout=checkout,
        )
        stack.callback(worker.stop)
        yield worker, operations


@contextmanager
def dispatcher(checkout: Path = ROOT) -> Iterator[tuple[Worker, dict[str, str]]]:
    """Starts a dispatcher. Yields it, and the name of each operation for the table."""
    with aws_stub() as port:
        stub = f"http://127.0.0.1:{port}"
        operations = {f"{it}": f"{it} webhook{'s' if it > 1 else ''}" for it in SUBSCRIPTIONS}
        variables = environment(stub, "dispatcher") | {"AWS_ENDPOINT_URL_SQS": stub}
        worker = worker_of(
            f"dispatcher of {checkout}", _WORKER, variables, "--subscriptions", *operations, checkout=checkout
        )
        try:
            yield worker, operations
        finally:
            worker.stop()


def measure(workers: Sequence[tuple[Worker, Mapping[str, str]]], rounds: int) -> list[Measured]:
    """Returns the blocks of each worker, all in turns."""
    measured: list[Measured] = [{name: [] for name in operations.values()} for _, operations in workers]
    for turn in range(WARM_UP_ROUNDS + rounds):
        for (worker, operations), blocks in zip(workers, measured, strict=True):
            for operation, name in operations.items():
                block = worker.block(operation, BLOCK)
                if turn >= WARM_UP_ROUNDS:
                    blocks[name].append(block)
    return measured


def sender_table(measured: Measured) -> Table:
    rows = [["one delivery", "CPU ms", "ms on the clock", "deliveries a second of one sender, median/most"]]
    for name, blocks in measured.items():
        elapsed = [it.elapsed for it in blocks]
        rate = f"{1000 / statistics.median(elapsed):.0f}/{1000 / min(elapsed):.0f}"
        rows.append([name, median_and_least([it.worker for it in blocks]), median_and_least(elapsed, 1), rate])
    return rows


def dispatcher_table(measured: Measured) -> Table:
    rows = [[f"a batch of {BATCH} events", "CPU ms, an event", "CPU ms, an event and webhook"]]
    for number, (name, blocks) in zip(SUBSCRIPTIONS, measured.items(), strict=True):
        events = [it.worker / BATCH for it in blocks]
        rows.append([name, median_and_least(events), median_and_least([it / number for it in events])])
    return rows


def tables(rounds: int) -> dict[str, Table]:
    """Measures both functions. Returns their tables, by title."""
    with sender() as sending, dispatcher() as dispatching:
        sent, dispatched = measure([sending, dispatching], rounds)
    return {
        "Webhooks: one delivery by the sender, median/minimum": sender_table(sent),
        "Webhooks: the dispatcher, median/minimum": dispatcher_table(dispatched),
    }


def against(checkout: Path, rounds: int) -> dict[str, Table]:
    """Measures the sender of this checkout and of another one in turns. Returns the table of each."""
    with sender() as here, sender(checkout) as there:
        measured = measure([here, there], rounds)
    return {str(it): sender_table(blocks) for it, blocks in zip((ROOT, checkout), measured, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help=f"blocks of {BLOCK} invocations of each operation")
    parser.add_argument("--against", type=Path, help="another checkout, whose sender takes turns with this one")
    arguments = parser.parse_args()
    rounds, other = arguments.rounds, arguments.against
    for title, table in (against(other.resolve(), rounds) if other else tables(rounds)).items():
        print(f"{title}\n\n{as_markdown(table)}\n")


if __name__ == "__main__":
    main()
