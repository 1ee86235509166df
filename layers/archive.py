"""Reproducible zip files with bytecode, for both layers. A hash of their inputs is their name."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# The earliest time of the zip format. All files have it, so that archives depend on content alone.
EPOCH = (1980, 1, 1, 0, 0, 0)
# The path of a Unix socket has at most 104 bytes (108 on Linux). Multiprocessing adds up to 34 of them.
LONGEST_TEMPORARY_FOLDER = 70


class LayerBuildError(Exception):
    """A layer could not be built. The message says why and what to do."""


def name_of(*inputs: bytes) -> str:
    """Returns the name of an archive: a hash of its inputs, of this module and of the Python version.

    A builder passes its own source as one of the inputs.
    """
    digest = hashlib.sha256()
    for part in (sys.version.encode(), Path(__file__).read_bytes(), *inputs):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:20]


def compile_bytecode(folder: Path) -> None:
    """Writes .pyc files that Python loads without comparing times, since the zip files have other times."""
    # Parallel jobs use a socket in the temporary folder, and the path of a socket has a maximum length.
    jobs = "0" if len(tempfile.gettempdir()) <= LONGEST_TEMPORARY_FOLDER else "1"
    command = [sys.executable, "-m", "compileall", "-q", "-j", jobs, "--invalidation-mode", "unchecked-hash"]
    result = subprocess.run([*command, "-s", str(folder), str(folder)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = (result.stdout + result.stderr).strip()
        raise LayerBuildError(f"The layer has a module that does not compile:\n{said}")


def write_zip(folder: Path, archive: Path, *, compress: bool) -> None:
    """Zips a folder's content. The archive appears completely or not at all."""
    # The name contains the process id, since two processes may build the same layer at once.
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
