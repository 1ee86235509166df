"""How the emulator starts Lambda workers, changed: they share one unpacked copy of the layers, and their memory.

ministack unpacks the layers for each worker (50 MB, a second of a core) and starts Python for it, which imports the
same modules again. Here layers are unpacked once for each content, and on Linux a worker is forked from a process that
has imported what all functions import.

These names of ministack are touched, some of them private, and only here:
- `lambda_runtime.Worker`: the class that a pool makes its workers of, by this name; `config` and `_spawn()` of it.
- `_LAMBDA_LAYERS_DIRS`: the variable that names the unpacked layers' folders to the script of a worker.
- `lambda_runtime.subprocess`: used by `_spawn` as `Popen([python, script], cwd=, env=, …)`, with pipes.
- `lambda_svc._resolve_layer_zip(layer)`: the zip of an attached layer.
`tests/integration/test_workers.py` fails when ministack no longer uses one of them so.
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
    """From here on the workers of this process share their layers, which are unpacked in `folder`, and their memory."""
    unpacked = Unpacked(folder)

    class SharingWorker(lambda_runtime.Worker):  # type: ignore[misc]
        config: dict[str, Any]

        def _spawn(self) -> None:
            zips = [lambda_svc._resolve_layer_zip(layer) for layer in self.config.get("Layers", [])]
            folders = [str(unpacked.folder_of(data)) for data in zips if data]
            variables = self.config.get("Environment", {}).get("Variables", {})
            # Without layers, ministack unpacks none, and leaves the variable as it is.
            environment = {"Variables": variables | {LAYERS_VARIABLE: os.pathsep.join(folders)}}
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
    """Zips that are unpacked once for each content, in a folder that is this process's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        # By the identity of a zip, which the emulator keeps in memory anyway: to hash 50 MB takes 0.1 s.
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
    """In the place of `subprocess`: Python scripts are forked, everything else is as it was."""

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
        # That of a changed layer of our own code is the same: what it has imported is the other layer's.
        imported = tuple(str(folder) for folder in folders if (folder / "botocore").is_dir())
        return self._zygotes.setdefault(imported, Zygote(imported, SERVICES_USED)).fork(script, cwd, env)
