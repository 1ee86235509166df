"""Synthesizes the CDK app, or reuses an assembly that was synthesized from the same inputs."""

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

CACHE = ROOT / "build" / "assemblies"
# Assemblies of 45 MB: for `make up`, for the tests' settings, and for both on another branch.
MAX_CACHED = 4
# The maximum time for copying an assembly into `CACHE` or out of it.
COPY_SECONDS = 60
PARTIAL = "partial-"
# Prefixes of the variables that CDK or the app may read.
READ_VARIABLES = ("AWS_", "CDK_", "JSII_", "OMS_")


def synthesize(folder: Path, settings: Mapping[str, object], environment: Mapping[str, str]) -> Assembly:
    """Returns the assembly of the local stage, in `folder`. `settings` overrides those in cdk.json."""
    environment = {**environment, "CDK_CONTEXT_JSON": json.dumps(_context(settings), sort_keys=True)}
    key = inputs(ROOT, environment)
    cached = CACHE / key
    if _copy_cached(cached, folder):
        return Assembly(folder)
    # The CDK CLI makes the same call.
    result = run([sys.executable, "-m", "infra.app"], {**environment, "CDK_OUTDIR": str(folder)}, ROOT)
    if result.returncode != 0:
        raise LocalCloudError(f"The synthesis of the CDK app failed. Correct this error:\n{result.stdout}")
    # If a file was edited during the synthesis, it is unknown which version was read.
    if inputs(ROOT, environment) == key:
        _store(folder, cached)
    return Assembly(folder)


def inputs(root: Path, environment: Mapping[str, str]) -> str:
    """Returns a hash of all inputs of the assembly: files, settings, packages, Python and the platform."""
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
    """Yields all files of the sources, including hidden ones, since assets include them. Raises LocalCloudError for a
    link.
    """
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


def _copy_cached(cached: Path, folder: Path) -> bool:
    """Copies a cached assembly. Returns False if it does not exist, or if another process has just removed it."""
    try:
        os.utime(cached)
        shutil.copytree(cached, folder)
    except (FileNotFoundError, shutil.Error):
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def _store(folder: Path, cached: Path) -> None:
    """Adds an assembly to the cache, completely or not at all.

    Another process may add the same one at the same time.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with _partial() as partial:
        shutil.copytree(folder, partial / "assembly")
        os.utime(partial / "assembly")
        try:
            (partial / "assembly").rename(cached)
        except OSError:
            if not cached.exists():
                raise
    _prune()


def _prune() -> None:
    """Removes the least recently used assemblies, and partial ones of killed processes.

    An assembly is renamed before its removal, so that an interrupted removal leaves no incomplete one under its key.
    Other processes may remove the same one at the same time.
    """
    used: dict[Path, float] = {}
    for path in CACHE.iterdir():
        with contextlib.suppress(FileNotFoundError):
            used[path] = path.stat().st_mtime
    partial = [path for path in used if path.name.startswith(PARTIAL)]
    cached = sorted(used.keys() - set(partial), key=used.__getitem__, reverse=True)
    for path in partial + cached[MAX_CACHED:]:
        if time.time() - used[path] > COPY_SECONDS:
            with _partial() as removed, contextlib.suppress(FileNotFoundError):
                path.rename(removed / path.name)


@contextlib.contextmanager
def _partial() -> Iterator[Path]:
    """Yields a temporary folder, which is removed at the end, or by a later process if this one is killed."""
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=CACHE, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
