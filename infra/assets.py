"""The code that the functions run: two layers, and one package for each function."""

import platform
import tomllib
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.stages import Stage
from layers.dependencies import build as dependencies
from layers.shared import build as shared

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
            self._layer("Shared", shared.build(BUILDS), "The shared code: oms"),
        ]

    def _layer(self, construct_id: str, archive: Path, description: str) -> lambda_.LayerVersion:
        # The archive's name has the hash of its sources.
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
    """Returns the stage's architecture. The local stage has that of this machine, which runs the functions as
    processes.
    """
    arm = platform.machine() in ("arm64", "aarch64") if stage.is_local else stage.architecture == "arm64"
    return lambda_.Architecture.ARM_64 if arm else lambda_.Architecture.X86_64


def function_code(package: str) -> lambda_.Code:
    """Returns the folder functions/ with only this package, so that import names, as `orders.handler`, are the same
    everywhere.
    """
    return lambda_.Code.from_asset(
        str(ROOT / "functions"),
        exclude=["/*", f"!/{package}", "__pycache__"],
        ignore_mode=cdk.IgnoreMode.GIT,
    )


def project_version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
