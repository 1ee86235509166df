"""What the functions run: two layers, and each function's own package."""

import hashlib
import platform
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.stages import Stage
from layers.archive import compile_bytecode, write_zip
from layers.dependencies import build as dependencies

ROOT = Path(__file__).resolve().parents[1]
BUILDS = ROOT / "build" / "layers"
RUNTIME = lambda_.Runtime.PYTHON_3_13


class Layers(Construct):
    def __init__(self, scope: Construct, construct_id: str, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.architecture = _architecture(stage)
        third_party = dependencies.build(self.architecture.name, native=stage.is_local, directory=BUILDS)
        self.all = [
            self._layer("Dependencies", third_party, "Third-party packages, from the run-time lock"),
            self._layer("Shared", build_shared(), "The shared code: oms"),
        ]

    def _layer(self, construct_id: str, archive: Path, description: str) -> lambda_.LayerVersion:
        # The archive's name says what it was built from, so it need not be hashed again.
        code = lambda_.Code.from_asset(str(archive), asset_hash=archive.stem, asset_hash_type=cdk.AssetHashType.CUSTOM)
        return lambda_.LayerVersion(
            self,
            construct_id,
            code=code,
            description=description,
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[self.architecture],
        )


def _architecture(stage: Stage) -> lambda_.Architecture:
    """arm64 on AWS: cheaper for the same work. Locally the functions are processes of this machine."""
    if stage.is_local and platform.machine() not in ("arm64", "aarch64"):
        return lambda_.Architecture.X86_64
    return lambda_.Architecture.ARM_64


def build_shared() -> Path:
    source = ROOT / "layers" / "shared" / "python"
    files = sorted(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    digest = hashlib.sha256(sys.version.encode())
    for path in files:
        digest.update(
            f"{path.relative_to(source).as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}".encode()
        )
    archive = BUILDS / f"shared-{digest.hexdigest()[:20]}.zip"
    if not archive.exists():
        BUILDS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="partial-", dir=BUILDS) as folder:
            shutil.copytree(source, Path(folder) / "python", ignore=shutil.ignore_patterns("__pycache__"))
            compile_bytecode(Path(folder))
            write_zip(Path(folder), archive, compress=True)
    return archive


def function_code(package: str) -> lambda_.Code:
    """functions/ with one package in it, so that the import name is the same everywhere: `orders.handler`."""
    return lambda_.Code.from_asset(
        str(ROOT / "functions"),
        exclude=["/*", f"!/{package}", "__pycache__"],
        ignore_mode=cdk.IgnoreMode.GIT,
    )


def project_version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
