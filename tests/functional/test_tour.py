"""docs/develop/tour.md: each function is in its file, and the code runs in the order of the tables."""

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from oms.core.dynamodb import get_item
from oms.core.settings import settings
from oms.exports.models import Export
from sweeper import handler as sweeper
from sweeper import worker
from tests.support.aws_client import aws_client
from tests.support.event_bus import entries_of
from tests.support.exports import an_order, process_once
from tests.support.gateway import call
from tests.support.invocation import Answer, Context, Person
from tests.support.orders import ORDERS, Make, post
from tests.support.streams import streamed

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "layers/shared/python/oms"
README = ROOT / "README.md"
PAGE = ROOT / "docs/develop/tour.md"

type Step = tuple[str, str]
"""A file and the qualified name of a function in it."""


def tables() -> list[list[Step]]:
    rows = re.compile(r"^\| `([\w./]+)` \| `([\w.<>]+)` \| .+ \|$", re.MULTILINE)
    return [found for part in PAGE.read_text().split("|---|---|---|")[1:] if (found := rows.findall(part))]


REQUEST, ORDER, MOVE, EXPIRY, LIST, EVENT, CONSUMERS, EXPORT = tables()


def path_of(file: str) -> Path:
    return ROOT / file if (ROOT / file).exists() else SHARED / file


@cache
def functions_in(path: Path) -> set[str]:
    """Yields the qualified names of a file's functions, as frames have them."""

    def within(node: ast.AST, prefix: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                yield prefix + child.name
                yield from within(child, f"{prefix}{child.name}.<locals>.")
            elif isinstance(child, ast.ClassDef):
                yield from within(child, f"{prefix}{child.name}.")

    return set(within(ast.parse(path.read_text()), ""))


@contextmanager
def recorded() -> Iterator[list[Step]]:
    """In this context, records the project's functions that run, in the order of their first calls."""
    calls: dict[Step, None] = {}

    def note(frame: FrameType, event: str, _arg: Any) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(ROOT)):
            file = path.removeprefix(f"{SHARED}/").removeprefix(f"{ROOT}/")
            calls.setdefault((file, frame.f_code.co_qualname))

    steps: list[Step] = []
    sys.setprofile(note)
    try:
        yield steps
    finally:
        sys.setprofile(None)
        steps += calls


def run_in_order(table: list[Step], *work: Callable[[], Any]) -> list[Step]:
    """Does the work, and returns the table's functions in the order in which they ran."""
    with recorded() as steps:
        for act in work:
            act()
    return [step for step in steps if step in table]


def test_each_function_is_in_its_file() -> None:
    named = [step for table in tables() for step in table]

    assert [(file, name) for file, name in named if name not in functions_in(path_of(file))] == []


def test_each_function_in_the_text_is_in_the_file_that_follows_it() -> None:
    named = re.findall(r"`(\w+)`\s+in\s+`([\w./]+\.py)`", PAGE.read_text())

    assert len(named) > 5
    wrong = [
        (name, file) for name, file in named if name not in {it.split(".")[-1] for it in functions_in(path_of(file))}
    ]
    assert wrong == []


@pytest.mark.parametrize("table", [REQUEST, ORDER])
def test_a_request_and_an_order(table: list[Step], customer: Person, product: Make) -> None:
    bought = product(stock=5)

    assert run_in_order(table, lambda: post(customer, (bought, 1))) == table


def test_an_order_passes_the_files_that_the_readme_names(customer: Person, product: Make) -> None:
    bought = product(stock=5)
    with recorded() as steps:
        post(customer, (bought, 1))

    text = " ".join(README.read_text().split())
    passage = re.search(r"An order passes thirteen files of its own\. (.*?) The rest of its path", text)
    assert passage
    named = re.findall(r"`([\w./]+)`", passage[1])
    assert len(named) == 13
    passed = {file for file, _ in steps if file.startswith(("orders/", "functions/orders/"))}
    # The schemas of an order are classes without functions that could be recorded.
    assert set(named) == passed | {"orders/schemas.py"}


def test_a_move(customer: Person, manager: Person, product: Make) -> None:
    path = f"{ORDERS}/{post(customer, (product(stock=5), 1)).json['id']}/confirm"

    assert run_in_order(MOVE, lambda: call("POST", path, token=manager.token)) == MOVE


def test_a_list(customer: Person, manager: Person, product: Make) -> None:
    post(customer, (product(stock=5), 1))

    assert run_in_order(LIST, lambda: call("GET", ORDERS, token=manager.token)) == LIST


def test_a_list_passes_the_files_that_the_readme_names(manager: Person) -> None:
    with recorded() as steps:
        call("GET", ORDERS, token=manager.token)

    passage = re.search(r"A list of orders also passes (.*?)\.(?!py)", " ".join(README.read_text().split()))
    assert passage
    named = set(re.findall(r"`([\w./]+)`", passage[1])) - {"orders/filters.py"}  # a schema, whose fields run nowhere
    assert len(named) == 2
    assert named <= {file for file, _ in steps}


def test_an_event(customer: Person, product: Make) -> None:
    with streamed("orders") as records:
        post(customer, (product(stock=5), 1))

    assert run_in_order(EVENT, lambda: entries_of(records)) == EVENT


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_an_expiry(
    customer: Person,
    order: Callable[..., Answer],
    time_machine: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = aws_client("sqs").create_queue(QueueName="expiry")["QueueUrl"]
    now = settings()
    monkeypatch.setattr(sweeper, "settings", lambda: replace(now, expiry_queue_url=queue))
    order(customer)
    time_machine(timedelta(minutes=31))
    message = {"messageId": "1", "body": json.dumps({"shard": 0}), "eventSource": "aws:sqs"}

    ran = run_in_order(
        EXPIRY,
        lambda: sweeper.lambda_handler({}, Context()),
        lambda: worker.lambda_handler({"Records": [message]}, Context(90_000)),
    )

    aws_client("sqs").delete_queue(QueueUrl=queue)  # other tests create it empty
    assert ran == EXPIRY


@pytest.mark.usefixtures("files")
def test_an_export(manager: Person) -> None:
    """Other threads read ahead, which the recording does not see."""
    an_order()
    exports = "/api/v1/reports/exports"
    with streamed("reports") as records:
        created = run_in_order(EXPORT, lambda: call("POST", exports, {"report": "orders"}, token=manager.token))
    derived = run_in_order(EXPORT, lambda: entries_of(records))
    (detail,) = (json.loads(entry["Detail"]) for entry in entries_of(records))
    export = get_item(Export, Export.key(detail["export"]))
    assert export is not None

    written = run_in_order(EXPORT, lambda: process_once(export))
    shown = run_in_order(EXPORT, lambda: call("GET", f"{exports}/{export.id}", token=manager.token))

    assert [*created, *derived, *written, *shown] == EXPORT
