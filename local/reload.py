"""Reloads changed code into the running system when a file is saved."""

import io
import math
import time
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from layers.archive import LayerBuildError
from layers.shared import build as shared
from local.deployment import ROOT
from local.errors import LocalCloudError
from local.sources import FUNCTIONS, Changes, Snapshot, snapshot
from local.system import LocalSystem

POLL_SECONDS = 0.2
# Editors and version control write files in several steps, so files must be unchanged for this time.
SETTLE_SECONDS = 0.2
# The delay before a failed update is retried.
RETRY_SECONDS = 2.0
MAX_LISTED = 4


class Reloader:
    """A watcher of the sources, which updates the functions that run them.

    Changes that do not compile are reported and not deployed. The system continues with its old code, and loads all
    changes when they compile. A failed update is reported once and retried. `say` prints a line; `last_target` returns
    the path of the latest request.
    """

    def __init__(self, system: LocalSystem, say: Callable[[str], None], last_target: Callable[[], str]) -> None:
        self._system = system
        self._say = say
        self._last_target = last_target
        self._paths = system.http_paths()
        # The sources that the start has read, so that edits during the start are loaded, too.
        self._tried: Snapshot = system.sources
        self._running: Snapshot = system.sources
        # The changes of a failed update, which some functions may already have.
        self._unsure: frozenset[str] = frozenset()
        self._failure = ""
        self._retry_at = math.inf
        self._cold: set[str] = set()

    def run(self) -> NoReturn:
        while True:
            self.step()

    def step(self) -> None:
        """Checks for changes once. Raises LocalCloudError if the local cloud has ended unexpectedly."""
        time.sleep(POLL_SECONDS)
        if ended := self._system.ended():
            raise LocalCloudError(ended)
        now = snapshot(ROOT)
        if now != self._tried or time.monotonic() >= self._retry_at:
            self._load(_settled(now))
        elif self._cold and self._system.front_door.idle:
            # One worker at a time, so that edits are noticed in between; and not during a request, which also starts a
            # worker.
            self._start_worker()

    def _load(self, now: Snapshot) -> None:
        if waiting := Changes.between(self._tried, now).for_the_next_start:
            self._say(f"Changed: {_listed(waiting)}. Restart `make up` to load the change")
        self._tried = now
        self._retry_at = math.inf
        changes = Changes(Changes.between(self._running, now).paths | self._unsure)
        try:
            if mistakes := changes.mistakes(ROOT):
                self._say("Not reloaded: " + "; ".join(mistakes))
                return
            self._reload(changes)
        except (BotoCoreError, ClientError, LayerBuildError, OSError) as error:
            self._unsure = changes.paths
            self._retry_later(f"Not reloaded, will be retried: {str(error)[:500]}")
        else:
            self._running, self._unsure, self._failure = now, frozenset(), ""

    def _retry_later(self, failure: str) -> None:
        self._retry_at = time.monotonic() + RETRY_SECONDS
        if failure != self._failure:
            self._say(failure)
        self._failure = failure

    def _reload(self, changes: Changes) -> None:
        started = time.monotonic()
        names = update(self._system, changes)
        if names:
            self._cold = set(names) & self._paths.keys()
            self._say(f"Reloaded {_listed(names)} in {time.monotonic() - started:.1f} s")
        elif changes.packages:
            self._say(
                f"No function runs {_listed(sorted(changes.packages))}: declare it in infra/ and restart `make up`"
            )

    def _start_worker(self) -> None:
        """Starts a worker of an updated function.

        The function of the latest request is first, since it is likely next.
        """
        target = self._last_target()
        name = max(sorted(self._cold), key=lambda name: target.startswith(self._paths[name]) and len(self._paths[name]))
        self._cold.discard(name)
        if failure := self._system.failure_at(self._paths[name]):
            self._say(f"{name} does not answer: {failure}")


def update(system: LocalSystem, changes: Changes) -> list[str]:
    """Updates the functions that run changed code, and returns their construct ids.

    An update ends the workers, so requests wait at the front door meanwhile, and no request is interrupted.
    """
    functions = system.functions()
    packages = {name: function["Handler"].partition(".")[0] for name, function in functions.items()}
    code = {name: _package(package) for name, package in packages.items() if package in changes.packages}
    layers = _next_layers(system, functions) if changes.shared else None
    names = sorted(functions if layers else code)
    if not names:
        return []
    client = system.client("lambda")
    with system.front_door.paused():
        for name in names:
            function = functions[name]["FunctionName"]
            if name in code:
                client.update_function_code(FunctionName=function, ZipFile=code[name])
            if layers:
                client.update_function_configuration(FunctionName=function, Layers=layers)
    return names


def _package(name: str) -> bytes:
    """Returns the zip file that the template deploys for a package: the folder functions/ with only this package."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((ROOT / FUNCTIONS / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(ROOT / FUNCTIONS).as_posix())
    return data.getvalue()


def _next_layers(system: LocalSystem, functions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns the functions' layers, with a new version of the shared code."""
    archive = shared.build(system.folder)
    deployed = next(arn for logical_id, arn in system.deployment.resources.items() if "LayersShared" in logical_id)
    layer = deployed.rpartition(":")[0]
    version = system.client("lambda").publish_layer_version(
        LayerName=layer.rpartition(":")[2], Content={"ZipFile": archive.read_bytes()}
    )
    archive.unlink()
    (current,) = {tuple(layer["Arn"] for layer in function["Layers"]) for function in functions.values()}
    return [version["LayerVersionArn"] if arn.startswith(f"{layer}:") else arn for arn in current]


def _settled(now: Snapshot) -> Snapshot:
    while True:
        time.sleep(SETTLE_SECONDS)
        later = snapshot(ROOT)
        if later == now:
            return now
        now = later


def _listed(names: list[str]) -> str:
    listed = ", ".join(names[:MAX_LISTED])
    return listed if len(names) <= MAX_LISTED else f"{listed} and {len(names) - MAX_LISTED} more"
