"""Builds the third-party layer from the run-time lock, without Docker: wheels only, trimmed, with bytecode.

The result is one zip under build/. Its name is a hash of all inputs, so an unchanged lock is never built twice.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from layers.archive import LayerBuildError, compile_bytecode, name_of, write_zip

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "runtime.txt"
PYTHON_VERSION = "3.13"

# botocore ships the models of every AWS service, most of its size. Add a service here when the code first calls it.
SERVICES_USED = ("dynamodb", "events", "logs", "s3", "scheduler", "secretsmanager", "sesv2", "sqs", "ssm")
# By these names, botocore finds their endpoints: SES is `email`.
ENDPOINTS_USED = {*SERVICES_USED, "email"} - {"sesv2"}
UNUSED = (
    *("bin", "**/tests", "**/*.pyi", "**/*.dist-info/RECORD"),
    # cryptography is built already, and needs only the library of cffi beside these.
    *("cffi", "pycparser"),
    # The reference page needs only Swagger UI's bundle and style sheet.
    *("flask_swagger_ui/templates", "flask_swagger_ui/dist/swagger-ui.js", "flask_swagger_ui/dist/*-standalone-*"),
)

# Lambda's Python 3.13 runs on Amazon Linux 2023 (glibc 2.34), which supports these wheels.
LAMBDA_PLATFORMS = {"arm64": "aarch64-manylinux2014", "x86_64": "x86_64-manylinux2014"}


def build(architecture: str, *, native: bool, directory: Path) -> Path:
    """Builds the layer, and returns its zip. `native` uses the wheels of this machine, which need not be Linux."""
    target = "native-" + platform.platform() if native else LAMBDA_PLATFORMS[architecture]
    locked = LOCK.read_bytes()
    archive = directory / f"dependencies-{name_of(Path(__file__).read_bytes(), target.encode(), locked)}.zip"
    if not archive.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="partial-", dir=directory) as folder:
            # Copied, since the lock may change at any moment.
            lock, layer = Path(folder) / LOCK.name, Path(folder) / "layer"
            lock.write_bytes(locked)
            _install(lock, layer / "python", None if native else LAMBDA_PLATFORMS[architecture])
            _trim(layer / "python")
            compile_bytecode(layer / "python")
            # Each start of the local cloud unpacks it. Without compression it is larger, but three times as fast.
            write_zip(layer, archive, compress=not native)
    return archive


def _install(lock: Path, target: Path, lambda_platform: str | None) -> None:
    command = [find_uv(), "pip", "install", "--quiet", "--target", str(target), "--require-hashes", "--no-deps"]
    command += ["--only-binary", ":all:", "--python", sys.executable, "--requirements", str(lock)]
    if lambda_platform:
        command += ["--python-platform", lambda_platform, "--python-version", PYTHON_VERSION]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LayerBuildError(f"The dependencies layer could not be installed by uv:\n{result.stderr.strip()}")


def find_uv() -> str:
    """Returns the path of uv: the Makefile's choice, or one beside this Python, in .uv/ or on the PATH."""
    found = os.environ.get("UV") or shutil.which("uv", path=f"{ROOT / '.uv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if not found:
        raise LayerBuildError("uv is missing: run `make up` or `make test` once, which install it into .uv/.")
    return found


def _trim(python: Path) -> None:
    for pattern in UNUSED:
        for path in list(python.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    data = python / "botocore" / "data"
    for model in data.iterdir():
        if model.is_dir() and model.name not in SERVICES_USED:
            shutil.rmtree(model)
    _trim_endpoints(data / "endpoints.json")


def _trim_endpoints(file: Path) -> None:
    """Removes the other services' endpoints. botocore reads the whole file for its first client, in 15 ms and 14 MB."""
    if not file.exists():
        return
    content = json.loads(file.read_text())
    for partition in content["partitions"]:
        found = partition["services"]
        partition["services"] = {name: found[name] for name in found if name in ENDPOINTS_USED}
    file.write_text(json.dumps(content, separators=(",", ":")))
