"""Takes changed code into the running system: edit, save, ask again."""

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
# Editors and version control write files in several steps: nothing may have changed for this long.
SETTLE_SECONDS = 0.2
# An update that failed for a reason that may pass.
AGAIN_SECONDS = 2.0
NAMED = 4


class Reloader:
    """Watches the sources and updates the functions that run them, until the process ends.

    What does not compile is told and not deployed: the system goes on as it was, and takes all changes in once the
    last of them compiles. An update that fails is told once and made again. `say` gets one line; `last_target` tells
    which path was asked for last.
    """

    def __init__(self, system: LocalSystem, say: Callable[[str], None], last_target: Callable[[], str]) -> None:
        self._system = system
        self._say = say
        self._last_target = last_target
        self._paths = system.http_paths()
        # What the system was started from: an edit during the start is taken in as well.
        self._tried: Snapshot = system.sources
        self._running: Snapshot = system.sources
        # Of an update that failed midway: nobody can say which functions have it.
        self._unsure: frozenset[str] = frozenset()
        self._failure = ""
        self._again_at = math.inf
        self._cold: set[str] = set()

    def run(self) -> NoReturn:
        while True:
            self.step()

    def step(self) -> None:
        """Raises LocalCloudError when the local cloud has ended by itself."""
        time.sleep(POLL_SECONDS)
        if ended := self._system.ended():
            raise LocalCloudError(ended)
        now = snapshot(ROOT)
        if now != self._tried or time.monotonic() >= self._again_at:
            self._take_in(_settled(now))
        elif self._cold and self._system.front_door.idle:
            # One at a time, so that an edit meanwhile is noticed, and never beside a request that starts one itself.
            self._start_worker()

    def _take_in(self, now: Snapshot) -> None:
        if waiting := Changes.between(self._tried, now).for_the_next_start:
            self._say(f"Changed: {_listed(waiting)}. Restart `make up` to take it in")
        self._tried = now
        self._again_at = math.inf
        changes = Changes(Changes.between(self._running, now).paths | self._unsure)
        try:
            if mistakes := changes.mistakes(ROOT):
                self._say("Not reloaded: " + "; ".join(mistakes))
                return
            self._reload(changes)
        except (BotoCoreError, ClientError, LayerBuildError, OSError) as error:
            self._unsure = changes.paths
            self._try_again(f"Not reloaded, tried again: {str(error)[:500]}")
        else:
            self._running, self._unsure, self._failure = now, frozenset(), ""

    def _try_again(self, failure: str) -> None:
        self._again_at = time.monotonic() + AGAIN_SECONDS
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
        """Starts a worker of an updated function, first of the one that was asked last: it is likely asked next."""
        asked = self._last_target()
        name = max(sorted(self._cold), key=lambda it: asked.startswith(self._paths[it]) and len(self._paths[it]))
        self._cold.discard(name)
        if failure := self._system.failure_at(self._paths[name]):
            self._say(f"{name} does not answer: {failure}")


def update(system: LocalSystem, changes: Changes) -> list[str]:
    """Gives the functions that run changed code the code as it is now; returns their construct ids.

    Requests wait at the front door meanwhile, as an update ends the workers: none is cut off by it.
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
    """What the template deploys of a package: functions/ with it alone."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((ROOT / FUNCTIONS / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(ROOT / FUNCTIONS).as_posix())
    return data.getvalue()


def _next_layers(system: LocalSystem, functions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The layers of all functions, with a new version of the shared code in the place of theirs."""
    archive = shared.build(system.folder)
    deployed = next(arn for logical_id, arn in system.deployment.resources.items() if "LayersShared" in logical_id)
    layer = deployed.rpartition(":")[0]
    version = system.client("lambda").publish_layer_version(
        LayerName=layer.rpartition(":")[2], Content={"ZipFile": archive.read_bytes()}
    )
    archive.unlink()
    (now,) = {tuple(layer["Arn"] for layer in function["Layers"]) for function in functions.values()}
    return [version["LayerVersionArn"] if arn.startswith(f"{layer}:") else arn for arn in now]


def _settled(now: Snapshot) -> Snapshot:
    while True:
        time.sleep(SETTLE_SECONDS)
        later = snapshot(ROOT)
        if later == now:
            return now
        now = later


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
