"""`make up` loads changed code when it is saved, and interrupts no request. Tests edit a copy, never this folder."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.cloud import end_group, free_port
from local.deployment import ROOT
from local.sources import WATCHED
from tests.support.local_cloud.shop import WAIT_SECONDS, wait_until

pytestmark = [pytest.mark.alone, pytest.mark.full]

HEALTH = "functions/docs/handler.py"
ERRORS = "layers/shared/python/oms/core/errors.py"


@dataclass
class Running:
    """`make up` in a copy of the sources."""

    root: Path
    output: Path
    http: httpx.Client

    def edit(self, path: str, before: str, after: str) -> None:
        file = self.root / path
        source = file.read_text()
        assert before in source
        file.write_text(source.replace(before, after))

    def health(self) -> str:
        return str(self.http.get("/health").json()["status"])

    def said(self) -> str:
        return self.output.read_text()


def allow_any_health(root: Path) -> None:
    """Lets the health route answer other words than `ok`, which its schema has alone."""
    file = root / HEALTH
    source = file.read_text()
    assert 'Literal["ok"]' in source
    file.write_text(source.replace('Literal["ok"]', "str"))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("copy")
    for name in WATCHED:
        copy: Callable[..., Any] = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    allow_any_health(root)
    # The layer of third-party packages is shared, since building it takes a minute.
    (ROOT / "build").mkdir(exist_ok=True)
    (root / "build").symlink_to(ROOT / "build")
    output, port = root / "output", free_port()
    with output.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.up"],
            cwd=root,
            env={**os.environ, "PORT": str(port)},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        within(lambda: "Ready in" in output.read_text() or process.poll() is not None)
        assert process.poll() is None, output.read_text()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_SECONDS, trust_env=False) as http:
            yield Running(root, output, http)
    finally:
        end_group(process, 30)


@pytest.fixture
def running(started: Running) -> Iterator[Running]:
    """The system with the sources of this folder, restored before and after each test."""
    yield started
    shutil.rmtree(started.root / "functions/docs")
    shutil.copytree(ROOT / "functions/docs", started.root / "functions/docs")
    allow_any_health(started.root)
    shutil.copyfile(ROOT / ERRORS, started.root / ERRORS)
    within(lambda: '"status":"ok"' in started.http.get("/health").text)
    within(lambda: "Not found" in started.http.get("/nowhere").text)


@pytest.fixture
def traffic(running: Running) -> Iterator[list[int]]:
    """Sends requests one after the other in this context, and gives their statuses."""
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=running.http.base_url, timeout=WAIT_SECONDS, trust_env=False) as http:
            while not done.wait(0.02):
                statuses.extend(http.get(path).status_code for path in ("/health", "/api/v1/orders"))

    asking = threading.Thread(target=ask)
    asking.start()
    yield statuses
    done.set()
    asking.join()


def within(holds: Callable[[], bool]) -> float:
    """Waits until it is true; returns the seconds that this took."""
    started = time.monotonic()
    assert wait_until(holds, bool, pause=0.05)
    return time.monotonic() - started


# A function that reports its call, and answers when it is released.
HELD = """from oms.http import api
import pathlib, time
def held() -> str:
    pathlib.Path({begun!r}).touch()
    while not pathlib.Path({go!r}).exists():
        time.sleep(0.02)
    return "held"
"""


def test_a_function_answers_by_its_edited_code(running: Running, traffic: list[int]) -> None:
    running.edit(HEALTH, 'status="ok"', 'status="edited"')

    seconds = within(lambda: running.health() == "edited")

    print(f"\na function's file: changed answer after {seconds:.1f} s")
    assert "Reloaded Docs in" in running.said()
    assert set(traffic) == {200, 401}


def test_every_function_answers_by_edited_shared_code(running: Running, traffic: list[int]) -> None:
    def titles() -> set[str]:
        paths = ("/api/v1/orders", "/api/v1/inventory/products", "/api/v1/auth/me")
        return {running.http.get(path).json()["title"] for path in paths}

    running.edit(ERRORS, '"Authentication required"', '"Who are you?"')

    seconds = within(lambda: "Who are you?" in running.http.get("/api/v1/orders").text)

    print(f"\na file of the shared code: changed answer after {seconds:.1f} s")
    within(lambda: titles() == {"Who are you?"})
    assert set(traffic) == {200, 401}


def test_code_that_does_not_compile_is_reported_and_the_system_continues_unchanged(
    running: Running, traffic: list[int]
) -> None:
    running.edit(HEALTH, "def get_health() ->", "def get_health( ->")
    running.edit(ERRORS, '"Not found"', '"Nothing there"')

    line = (running.root / HEALTH).read_text().splitlines().index("def get_health( -> Response[HealthResponse]:") + 1
    within(lambda: f"Not reloaded: {HEALTH}:{line}: " in running.said())
    assert running.health() == "ok"
    assert running.http.get("/nowhere").json()["title"] == "Not found", "all changes together, or none"

    running.edit(HEALTH, "def get_health( ->", "def get_health() ->")
    within(lambda: running.http.get("/nowhere").json()["title"] == "Nothing there")
    assert set(traffic) == {200, 401}


def test_new_and_renamed_modules_are_taken_along(running: Running) -> None:
    word = running.root / "functions/docs/word.py"

    word.write_text('WORD = "new"\n')
    running.edit(HEALTH, 'status="ok"', "status=WORD")
    running.edit(HEALTH, "from oms.http import api\n", "from docs.word import WORD\nfrom oms.http import api\n")
    within(lambda: running.health() == "new")

    word.rename(word.with_name("words.py"))
    word.with_name("words.py").write_text('WORD = "renamed"\n')
    running.edit(HEALTH, "docs.word import", "docs.words import")
    within(lambda: running.health() == "renamed")


def test_a_function_that_does_not_start_is_reported_with_the_reason(running: Running) -> None:
    running.edit(HEALTH, "import json\n", "import json\nimport no_such_module\n")
    within(lambda: "No module named 'no_such_module'" in running.said())
    assert "Docs does not answer: " in running.said()


def test_a_request_under_way_is_answered_by_the_code_that_took_it(running: Running) -> None:
    answers: list[httpx.Response] = []
    begun, go = running.root / "begun", running.root / "go"
    running.edit(HEALTH, "from oms.http import api\n", HELD.format(begun=str(begun), go=str(go)))
    running.edit(HEALTH, 'status="ok"', "status=held()")
    go.touch()
    within(lambda: running.health() == "held")
    go.unlink()
    begun.unlink()

    slow = threading.Thread(target=lambda: answers.append(running.http.get("/health")))
    slow.start()
    within(begun.exists)
    running.edit(HEALTH, "status=held()", 'status="quick"')
    # By then the reload waits for the request. If it is slower, the request is answered before, which is also correct.
    threading.Timer(3, go.touch).start()
    within(lambda: running.health() == "quick")
    slow.join()

    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "held")]


def test_changes_that_need_a_restart_are_named(running: Running) -> None:
    running.edit("cdk.json", "{", "{ ")

    within(lambda: "Changed: cdk.json. Restart `make up` to load the change" in running.said())
