"""A faster start of the emulator's Lambda workers, which share memory and one unpacked copy of the layers.

ministack unpacks the layers for each worker (50 MB, a second of a core) and starts Python, which imports the same
modules again. Here layers are unpacked once for each content. On Linux, a worker is forked from a process that has
imported the modules of all functions.

Only this module uses these names of ministack, some of which are private:
- `lambda_runtime.Worker`: the class of a pool's workers, found by this name; its `config` and `_spawn()`.
- `_LAMBDA_LAYERS_DIRS`: the variable that names the unpacked layers' folders to the script of a worker.
- `lambda_runtime.subprocess`: used by `_spawn` as `Popen([python, script], cwd=, env=, …)`, with pipes.
- `lambda_svc._resolve_layer_zip(layer)`: the zip of an attached layer.
`tests/integration/test_workers.py` fails if ministack no longer uses one of these names in this way.
"""

import hashlib
import io
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from layers.dependencies.build import SERVICES_USED
from local.emulator.forking import Worker as ForkedWorker
from local.emulator.forking import Zygote

LAYERS_VARIABLE = "_LAMBDA_LAYERS_DIRS"


def share(folder: Path) -> None:
    """Lets new workers of this process share their memory and their layers, which are unpacked in `folder`."""
    unpacked = Unpacked(folder)

    class SharingWorker(lambda_runtime.Worker):  # type: ignore[misc]
        config: dict[str, Any]

        def _spawn(self) -> None:
            zips = [lambda_svc._resolve_layer_zip(layer) for layer in self.config.get("Layers", [])]
            folders = [str(unpacked.folder_of(data)) for data in zips if data]
            variables = self.config.get("Environment", {}).get("Variables", {})
            # If the configuration has no layers, ministack unpacks none and does not change the variable.
            # AWS sets this variable too.
            log_group = {"AWS_LAMBDA_LOG_GROUP_NAME": self.config.get("LoggingConfig", {}).get("LogGroup", "")}
            environment = {"Variables": variables | log_group | {LAYERS_VARIABLE: os.pathsep.join(folders)}}
            own = self.config
            try:
                self.config = own | {"Layers": [], "Environment": environment}
                super()._spawn()
            finally:
                self.config = own

    lambda_runtime.Worker = SharingWorker
    if sys.platform == "linux":
        lambda_runtime.subprocess = _Forking()


class Unpacked:
    """Zip files that are unpacked once for each content, in a folder of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        # By object identity, since hashing 50 MB takes 0.1 s. The emulator keeps the zip files in memory anyway.
        self._known: dict[int, tuple[bytes, Path]] = {}

    def folder_of(self, data: bytes) -> Path:
        with self._lock:
            if id(data) not in self._known:
                self._known[id(data)] = (data, self._unpack(data))
            return self._known[id(data)][1]

    def _unpack(self, data: bytes) -> Path:
        folder = self._folder / hashlib.sha256(data).hexdigest()[:20]
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                archive.extractall(partial)
            partial.rename(folder)
        return folder


class _Forking:
    """A replacement of `subprocess` that forks Python scripts, and passes on all other calls."""

    def __init__(self) -> None:
        self._zygotes: dict[tuple[str, ...], Zygote] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(  # noqa: N802
        self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], **pipes: Any
    ) -> ForkedWorker | subprocess.Popen[str]:
        python, script = command
        if python != sys.executable:
            return subprocess.Popen(command, cwd=cwd, env=env, **pipes)
        folders = [Path(layer, "python") for layer in env.get(LAYERS_VARIABLE, "").split(os.pathsep) if layer]
        # A new version of the shared layer needs no new zygote: the zygote imports only from the third-party layer.
        imported = tuple(str(folder) for folder in folders if (folder / "botocore").is_dir())
        return self._zygotes.setdefault(imported, Zygote(imported, SERVICES_USED)).fork(script, cwd, env)
