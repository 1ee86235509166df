"""`make soak MINUTES=…`: eight clients send requests of all operations to a local cloud of its own, while faults are
injected: workers are killed or stopped for a while, events are repeated, a subscriber fails, calls of AWS fail or lose
their answers. At the end, it checks the invariants of stock, sums, feed, webhooks, audit log and responses. The exit
code is 1 if something is wrong.

`SEED=…` repeats the draws of an earlier run, but not its timing.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx

from local.demo import PASSWORD
from local.system import LocalSystem
from tests.support.local_cloud.settings import SETTINGS
from tests.support.local_cloud.shop import CLIENTS, create_product, wait_until
from tests.support.local_cloud.tables import Tables
from tests.support.soak.aws_faults import AwsFaults, before_the_emulator
from tests.support.soak.clients import BUSY, Client, Tally
from tests.support.soak.faults import Faults
from tests.support.soak.invariants import checks
from tests.support.soak.requests import Known, Requests
from tests.support.soak.subscriber import FlakySubscriber, served

# Access tokens are valid for an hour.
_MAX_MINUTES = 50
_PRODUCTS = 20
_MOST_PROBLEMS = 50
# The part of the clients' time for which faults continue without clients: most work of consumers is done then.
_LONGER = 0.2
# Work is divided and done side by side, as in a large shop.
_SETTINGS = {
    **SETTINGS,
    "order_shards": 2,
    "delivery_shards": 4,
    "feed_concurrency": 4,
    "aggregate_concurrency": 4,
    "dispatch_concurrency": 4,
    # Stopped and killed workers let the ledger lag by a minute.
    "settle_seconds": 120,
}


def main(minutes: float, seed: int) -> int:
    assert 0 < minutes <= _MAX_MINUTES, f"MINUTES is at most {_MAX_MINUTES}"
    print(f"seed {seed}", flush=True)
    with LocalSystem(settings=_SETTINGS) as system, served() as subscriber:
        base_url = f"http://127.0.0.1:{system.front_door.port}"
        with httpx.Client(base_url=base_url, timeout=90, trust_env=False) as admin:
            tokens = {name: _sign_in(admin, name) for name in ("alice", "manager", "admin")}
            roles = {"customer": tokens["alice"], "manager": tokens["manager"], "admin": tokens["admin"]}
            known = Known()
            known.earlier_orders = {key for (key,) in Tables(system).of("Orders")}
            _stock_the_shop(admin, tokens["manager"], known)
            admin.headers["Authorization"] = f"Bearer {tokens['admin']}"
            subscriber.subscribe(admin)
            _shorten_visibility(system)
            faults = Faults(system, known, subscriber, seed)
            requests = Requests(known, subscriber.url)
            clients = [Client(base_url, roles, requests, faults, seed + number) for number in range(CLIENTS)]
            aws_faults = AwsFaults(seed)
            with before_the_emulator(system, aws_faults):
                tallies = _run(clients, faults, aws_faults, minutes)
                problems = _report(tallies, faults, aws_faults, subscriber, requests, minutes)
                problems += _check(checks(system, admin, subscriber, known))
    print(f"{len(problems)} problems")
    return 1 if problems else 0


def _check(checks: dict[str, Callable[[], list[str]]]) -> list[str]:
    problems = []
    for name, check in checks.items():
        began = time.monotonic()
        found = check()
        problems += found
        print(f"{'FAILED' if found else 'passed'}  {name} ({time.monotonic() - began:.0f} s)", flush=True)
        _print_problems(found)
    return problems


def _print_problems(problems: list[str]) -> None:
    for problem, number in Counter(problems).most_common(_MOST_PROBLEMS):
        print(f"    {number} × {problem}", flush=True)


def _shorten_visibility(system: LocalSystem) -> None:
    """Lets the message of a killed worker return after 80 seconds instead of six timeouts of its function, up to 90
    minutes. That is longer than any step of a soak, and than the lease of a reservation in the feed.
    """
    sqs = system.client("sqs")
    for url in sqs.list_queues()["QueueUrls"]:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "80"})


def _sign_in(http: httpx.Client, name: str) -> str:
    body = {"email": f"{name}@demo.example", "password": PASSWORD}
    answer = wait_until(lambda: http.post("/api/v1/auth/login", json=body), lambda it: it.status_code != BUSY)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def _stock_the_shop(http: httpx.Client, token: str, known: Known) -> None:
    http.headers["Authorization"] = f"Bearer {token}"
    for _ in range(_PRODUCTS):
        product = create_product(http, stock=500)
        known.add("product", product)
        known.add_units(product, 500)


def _run(clients: list[Client], faults: Faults, aws_faults: AwsFaults, minutes: float) -> list[Tally]:
    """Lets clients and faults run, and returns the clients' tallies. The faults end later."""
    stop, no_more_faults = Event(), Event()
    with ThreadPoolExecutor(len(clients) + 1) as pool:
        injecting = pool.submit(faults.run, no_more_faults)
        running = [pool.submit(client.run, stop) for client in clients]
        aws_faults.active = True
        stop.wait(minutes * 60)
        stop.set()
        tallies = [it.result() for it in running]
        no_more_faults.wait(minutes * 60 * _LONGER)
        no_more_faults.set()
        injecting.result()
        aws_faults.active = False
        return tallies


def _report(
    tallies: list[Tally],
    faults: Faults,
    aws_faults: AwsFaults,
    subscriber: FlakySubscriber,
    requests: Requests,
    minutes: float,
) -> list[str]:
    """Prints the figures of the clients, and returns their problems."""
    responses = sum((it.responses for it in tallies), Counter[tuple[str, int]]())
    succeeded = {operation for (operation, status) in responses if status < 400}
    statuses: Counter[int] = Counter()
    for (_, status), number in responses.items():
        statuses[status] += number
    number, orders = responses.total(), responses["create_order", 201]
    print(f"{number:,} responses in {minutes:g} minutes, {number / minutes / 60:.1f} a second; {orders:,} orders")
    print("by status:", ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items())))
    print("faults:", ", ".join(f"{name}: {count}" for name, count in sorted(faults.counts.items())))
    _print_aws_faults(aws_faults)
    print(f"successful requests that were repeated: {sum(it.repeated for it in tallies)}")
    print(f"requests that met a fault: {sum(it.injected for it in tallies)}")
    print(f"webhooks: {len(subscriber.events):,} events received, {subscriber.failed} attempts failed")
    print("never successful:", ", ".join(sorted(set(requests.operations) - succeeded)) or "none")
    problems = [problem for tally in tallies for problem in tally.problems]
    _print_problems(problems)
    return problems


def _print_aws_faults(faults: AwsFaults) -> None:
    number = faults.counts.total()
    print(f"calls of AWS: {faults.calls:,}, of which {number:,} met a fault ({number / max(faults.calls, 1):.1%})")
    for name, count in sorted(faults.counts.items()):
        print(f"  {name}: {count:,}")


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)))
