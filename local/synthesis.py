"""Synthesizes the CDK app, or takes what it was synthesized to before from exactly the same inputs."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from local.cloud import run
from local.deployment import ROOT, Assembly
from local.errors import LocalCloudError
from local.sources import WATCHED, refused_link

KEPT_IN = ROOT / "build" / "assemblies"
# 45 MB each: `make up`, the tests' settings, and those of another branch.
KEPT = 4
# Nobody takes longer than this to copy one, into `KEPT_IN` or out of it.
COPY_SECONDS = 60
PARTIAL = "partial-"
# Variables that CDK or the app may read.
READ_VARIABLES = ("AWS_", "CDK_", "JSII_", "OMS_")


def synthesize(folder: Path, settings: Mapping[str, object], environment: Mapping[str, str]) -> Assembly:
    """The app for the local stage in `folder`; `settings` changes those in cdk.json."""
    environment = {**environment, "CDK_CONTEXT_JSON": json.dumps(_context(settings), sort_keys=True)}
    key = inputs(ROOT, environment)
    kept = KEPT_IN / key
    if _taken(kept, folder):
        return Assembly(folder)
    # As the CDK CLI would run it.
    result = run([sys.executable, "-m", "infra.app"], {**environment, "CDK_OUTDIR": str(folder)}, ROOT)
    if result.returncode != 0:
        raise LocalCloudError(f"The CDK app could not be synthesized; `make synth` shows the same:\n{result.stdout}")
    # An edit while it ran: nobody can say which of its inputs it has read.
    if inputs(ROOT, environment) == key:
        _keep(folder, kept)
    return Assembly(folder)


def inputs(root: Path, environment: Mapping[str, str]) -> str:
    """A hash of all that the app's assembly depends on: files, settings, packages, Python and platform."""
    read = sorted(f"{name}={value}" for name, value in environment.items() if name.startswith(READ_VARIABLES))
    packages = sorted(f"{found.name}=={found.version}" for found in importlib.metadata.distributions())
    digest = hashlib.sha256()
    for part in (sys.version, platform.platform(), *read, *packages):
        digest.update(f"{part}\0".encode())
    for path in _files(root):
        digest.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_mode}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _files(root: Path) -> Iterator[Path]:
    """All of them, hidden ones too: an asset holds what is in its folder. Raises LocalCloudError for a link."""
    for name in WATCHED:
        paths = sorted((root / name).rglob("*")) if (root / name).is_dir() else [root / name]
        for path in paths:
            if refused := refused_link(root, path.relative_to(root).as_posix()):
                raise LocalCloudError(f"{refused}.")
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _context(settings: Mapping[str, object]) -> dict[str, object]:
    context = dict(json.loads((ROOT / "cdk.json").read_text())["context"])
    stages = dict(context.get("settings", {}))
    stages["local"] = {**stages.get("local", {}), **settings}
    return context | {"stage": "local", "settings": stages}


def _taken(kept: Path, folder: Path) -> bool:
    """Copies what is kept; False when there is nothing, or another process has just removed it."""
    try:
        os.utime(kept)
        shutil.copytree(kept, folder)
    except (FileNotFoundError, shutil.Error):
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def _keep(folder: Path, kept: Path) -> None:
    """Appears complete or not at all; another process may keep the same at the same time."""
    KEPT_IN.mkdir(parents=True, exist_ok=True)
    with _partial() as partial:
        shutil.copytree(folder, partial / "assembly")
        os.utime(partial / "assembly")
        try:
            (partial / "assembly").rename(kept)
        except OSError:
            if not kept.exists():
                raise
    _prune()


def _prune() -> None:
    """Removes what has long not been used, and what was left by processes that were killed.

    Renamed before it is removed: a removal that is cut off leaves nothing under its key. Other processes may do the
    same at once.
    """
    used: dict[Path, float] = {}
    for path in KEPT_IN.iterdir():
        with contextlib.suppress(FileNotFoundError):
            used[path] = path.stat().st_mtime
    partial = [path for path in used if path.name.startswith(PARTIAL)]
    kept = sorted(used.keys() - set(partial), key=used.__getitem__, reverse=True)
    for path in partial + kept[KEPT:]:
        if time.time() - used[path] > COPY_SECONDS:
            with _partial() as removed, contextlib.suppress(FileNotFoundError):
                path.rename(removed / path.name)


@contextlib.contextmanager
def _partial() -> Iterator[Path]:
    """A folder that is removed in the end, by a later process if not by this one."""
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=KEPT_IN, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
