"""The content of the layers and of each function's own code."""

import json
import subprocess
import sys
import zipfile
from itertools import product
from pathlib import Path

import pytest
from botocore.regions import EndpointResolver
from botocore.session import Session

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
    # No site-packages (-S), no PYTHON* variables and no current folder (-I): as in Lambda, only the layer is available.
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

    assert services == set(SERVICES_USED)


def test_the_remaining_endpoints_are_those_of_botocore(arm64: Path) -> None:
    with zipfile.ZipFile(arm64) as archive:
        trimmed = EndpointResolver(json.loads(archive.read("python/botocore/data/endpoints.json")))
    session = Session()
    whole = EndpointResolver(session.get_component("data_loader").load_data("endpoints"))
    names = {session.get_service_model(it).endpoint_prefix for it in SERVICES_USED}
    regions = [it for partition in whole.get_available_partitions() for it in _regions(session, partition)]

    assert len(names) == len(SERVICES_USED)
    assert len(regions) > 40
    for name, region in product(names, regions):
        assert trimmed.construct_endpoint(name, region) == whole.construct_endpoint(name, region), (name, region)


def _regions(session: Session, partition: str) -> list[str]:
    return [*session.get_available_regions("s3", partition), "unknown-region-1"]


@pytest.mark.parametrize(("name", "most"), [("dependencies", 47_000_000), ("shared", 3_600_000)])
def test_a_layer_stays_small(name: str, most: int, arm64: Path) -> None:
    """Lambda unpacks the layers before each cold start. Its limit is 250 MB for both and the function."""
    with zipfile.ZipFile(arm64 if name == "dependencies" else shared.build(BUILDS)) as archive:
        assert sum(entry.file_size for entry in archive.infolist()) < most


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
