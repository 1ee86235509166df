"""What is in the layers and in each function's own code."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.assets import BUILDS
from layers.dependencies.build import SERVICES_USED, build
from layers.shared import build as shared
from tests.support.template import Synthesized

# PEP 552: hash-based, and not checked against the source.
UNCHECKED_HASH = b"\x01\x00\x00\x00"
ELF_AARCH64 = b"\xb7\x00"


@pytest.fixture(scope="module")
def native() -> Path:
    return build("this machine's", native=True, directory=BUILDS)


@pytest.fixture(scope="module")
def arm64() -> Path:
    return build("arm64", native=False, directory=BUILDS)


def test_the_layers_alone_are_enough_to_import_every_handlers_modules(native: Path, tmp_path: Path) -> None:
    for archive in (native, shared.build(BUILDS)):
        zipfile.ZipFile(archive).extractall(tmp_path)
    modules = sorted(
        path.relative_to(tmp_path / "python").with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for path in (tmp_path / "python" / "oms").rglob("*.py")
    )
    # No site-packages (-S), no PYTHON* variables and no current folder (-I): as in Lambda, there is only the layer.
    script = f"import sys; sys.path.insert(0, {str(tmp_path / 'python')!r})\n" + "\n".join(
        f"import {m}" for m in modules
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        env={"AWS_DEFAULT_REGION": "us-east-1", "LAMBDA_TASK_ROOT": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert "oms.core.settings" in modules


def test_on_aws_the_layer_is_for_arm64(arm64: Path) -> None:
    with zipfile.ZipFile(arm64) as archive:
        libraries = [name for name in archive.namelist() if name.endswith(".so")]
        machines = {archive.open(name).read(20)[18:] for name in libraries}

    assert len(libraries) >= 4
    assert machines == {ELF_AARCH64}


def test_every_module_has_bytecode_that_survives_zipping(arm64: Path) -> None:
    for layer in (arm64, shared.build(BUILDS)):
        with zipfile.ZipFile(layer) as archive:
            names = set(archive.namelist())
            compiled = [name for name in names if name.endswith(".pyc")]
            sources = [name for name in names if name.endswith(".py")]
            assert len(compiled) == len(sources) > 5
            assert all(archive.open(name).read(8)[4:] == UNCHECKED_HASH for name in compiled)


def test_the_layer_holds_only_the_services_that_are_used(arm64: Path) -> None:
    with zipfile.ZipFile(arm64) as archive:
        prefix = "python/botocore/data/"
        services = {
            name.split("/")[3] for name in archive.namelist() if name.startswith(prefix) and name.count("/") > 3
        }
        size = sum(entry.file_size for entry in archive.infolist())

    assert services == set(SERVICES_USED)
    # Lambda's limit is 250 MB unzipped; a start unpacks all of it.
    assert size < 60_000_000


def test_a_functions_code_is_its_own_package_alone(prod: Synthesized) -> None:
    for function in prod.functions().values():
        asset = function["Code"]["S3Key"].removesuffix(".zip")
        package = function["Handler"].partition(".")[0]
        files = [
            path.relative_to(prod.folder / f"asset.{asset}") for path in (prod.folder / f"asset.{asset}").rglob("*.py")
        ]

        assert {path.parts[0] for path in files} == {package}
        module = function["Handler"].removesuffix(".lambda_handler").replace(".", "/")
        assert Path(f"{module}.py") in files
