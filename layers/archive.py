"""Reproducible zips with bytecode, for both layers, named by a hash of their inputs."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# The earliest time a zip can hold: archives depend on content alone.
EPOCH = (1980, 1, 1, 0, 0, 0)
# The path of a Unix socket has 104 bytes at most (macOS; 108 on Linux), of which multiprocessing adds up to 34.
LONGEST_TEMPORARY_FOLDER = 70


class LayerBuildError(Exception):
    """A layer could not be built; the message says why and what to do."""


def name_of(*inputs: bytes) -> str:
    """The name of an archive: a hash of its inputs, of this module and of the Python version.

    A builder passes its own source as one of the inputs.
    """
    digest = hashlib.sha256()
    for part in (sys.version.encode(), Path(__file__).read_bytes(), *inputs):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:20]


def compile_bytecode(folder: Path) -> None:
    """Writes .pyc files that Python loads without comparing times, which zipping changes."""
    # Its processes talk over a socket in the temporary folder, and the path of a socket has a limit.
    jobs = "0" if len(tempfile.gettempdir()) <= LONGEST_TEMPORARY_FOLDER else "1"
    command = [sys.executable, "-m", "compileall", "-q", "-j", jobs, "--invalidation-mode", "unchecked-hash"]
    result = subprocess.run([*command, "-s", str(folder), str(folder)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = (result.stdout + result.stderr).strip()
        raise LayerBuildError(f"The layer holds a module that does not compile:\n{said}")


def write_zip(folder: Path, archive: Path, *, compress: bool) -> None:
    """Zips a folder's content; the archive appears complete or not at all."""
    # A name of its own for each process: two may build the same layer at once.
    partial = archive.with_suffix(f".{os.getpid()}.partial")
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    try:
        with zipfile.ZipFile(partial, "w", method) as out:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
                    entry.external_attr = (0o755 if path.stat().st_mode & 0o100 else 0o644) << 16
                    entry.compress_type = method
                    out.writestr(entry, path.read_bytes())
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)
