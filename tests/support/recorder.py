"""Records every AWS call of a handler while the suites run, for `tests.support.privileges`.

A plugin of pytest, used if `RECORD_PRIVILEGES` names a folder: each process writes a file into it when it ends.
"""

import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import partial, wraps
from itertools import dropwhile
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

import pytest

from oms.core.settings import settings
from tests.support.aws_calls import observed
from tests.support.policies import Call
from tests.support.recorded_calls import evaluated_actions, write_calls

TESTS = str(Path(__file__).parents[1])
# By the module of the handler; a test compares them with the template.
FUNCTIONS = {
    "admin.handler": "Admin",
    "aggregator.handler": "Aggregator",
    "auth.handler": "Auth",
    "auth.passwords": "Passwords",
    "bookkeeper.handler": "Bookkeeper",
    "finder.handler": "Finder",
    "dispatcher.handler": "Dispatcher",
    "docs.handler": "Docs",
    "exporter.handler": "Exporter",
    "feeder.handler": "Feeder",
    "importer.handler": "Importer",
    "inventory.handler": "Inventory",
    "notifier.handler": "Notifier",
    "orders.handler": "Orders",
    "publisher.handler": "Publisher",
    "reports.handler": "Reports",
    "scheduler.handler": "Scheduler",
    "sealer.handler": "Sealer",
    "sender.handler": "Sender",
    "sweeper.handler": "Sweeper",
    "sweeper.replays": "Replayer",
    "sweeper.worker": "Expiry",
    "verifier.handler": "Verifier",
    "webhooks.handler": "Webhooks",
}


class Recorder:
    """The calls of one process."""

    def __init__(self) -> None:
        self.calls: set[Call] = set()
        self._entered: set[int] = set()

    def mark_functions(self) -> None:
        """Marks the start of each function; called again, also in modules that were imported since."""
        for module_name, function in FUNCTIONS.items():
            module = sys.modules.get(module_name)
            if module and id(module) not in self._entered:
                self._entered.add(id(module))
                handler: Any = module.lambda_handler
                module.lambda_handler = wraps(handler)(partial(enter, function, handler))  # type: ignore[attr-defined]

    def observe(self, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        function = running_function()
        if function:
            for action, resource, context in evaluated_actions(service, operation, parameters):
                self.calls.add(Call(function, action, resource, tuple(sorted(set(context)))))


class Recording:
    """The plugin of pytest: one recorder for the whole process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recorder = Recorder()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Iterator[None]:
        with observed(self._recorder.observe):
            return (yield)

    def pytest_runtest_setup(self) -> None:
        self._recorder.mark_functions()

    def pytest_sessionfinish(self) -> None:
        if not self._recorder.calls:  # the controller of several workers records none
            return
        known = {f"OMS_{it.name.upper()}": getattr(settings(), it.name) for it in fields(settings())}
        names = {name: value for name, value in known.items() if isinstance(value, str)}
        self._folder.mkdir(parents=True, exist_ok=True)
        write_calls(self._folder / f"{uuid4().hex}.jsonl", names, self._recorder.calls)


def enter(function: str, handler: Any, event: Any, context: Any) -> Any:
    """Calls a handler; `running_function` reads the name of its function from this frame."""
    return handler(event, context)


def running_function() -> str | None:
    """Returns the function whose code makes the current call; None if a test makes it, even during a function.

    A thread that the code began belongs to the function that the main thread runs.
    """
    for frame in _below_the_hook(sys._getframe(2)):
        if frame.f_code is enter.__code__:
            return str(frame.f_locals["function"])
        if frame.f_code.co_filename.startswith(TESTS):
            return None
    if threading.current_thread() is threading.main_thread():
        return None
    main = sys._current_frames()[threading.main_thread().ident or 0]
    return next((str(it.f_locals["function"]) for it in _up(main) if it.f_code is enter.__code__), None)


def _below_the_hook(frame: FrameType) -> Iterator[FrameType]:
    """Returns the frame without those that the tests have put between botocore and its callers."""
    return dropwhile(lambda it: it.f_code.co_filename.startswith(TESTS), _up(frame))


def _up(frame: FrameType | None) -> Iterator[FrameType]:
    while frame:
        yield frame
        frame = frame.f_back
