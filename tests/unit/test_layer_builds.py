"""A layer's archive is named by a hash of its inputs, so that a kept archive is the one that would be built now."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from layers import archive

ROOT = Path(__file__).resolve().parents[2]
SHARED = "from pathlib import Path; from layers.shared.build import build; print(build(Path('built')))"
DEPENDENCIES = """
from pathlib import Path
from layers.dependencies.build import build
print(build("arm64", native=False, directory=Path("built")))
"""
# Replaces uv: the layer gets the lock itself, which changes at that moment.
UV = """#!/bin/sh
while [ $# -gt 0 ]; do case $1 in --target) target=$2;; --requirements) lock=$2;; esac; shift; done
test -z "$MEANWHILE" || echo "$MEANWHILE" > requirements/runtime.txt
mkdir -p "$target/botocore/data" && cp "$lock" "$target/lock"
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the builders, with a shared layer of one module and one template."""
    shutil.copytree(ROOT / "layers", tmp_path / "layers", ignore=shutil.ignore_patterns("python", "__pycache__"))
    for path, text in {
        "layers/shared/python/oms/a.py": "A = 1",
        "layers/shared/python/oms/templates/a.txt": "Hello",
        "layers/shared/python/oms/commands/operate.py": "",
        "requirements/runtime.txt": "locked",
        "uv": UV,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "uv").chmod(0o700)
    return tmp_path


def build(copy: Path, script: str, **variables: str) -> Path:
    """Builds in a new process, since the builders' code may have changed."""
    environment = {**os.environ, "UV": str(copy / "uv"), **variables}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=copy, env=environment, capture_output=True, text=True, check=True
    )
    return copy / result.stdout.strip()


def read(archive: Path, name: str) -> str:
    with zipfile.ZipFile(archive) as opened:
        return opened.read(f"python/{name}").decode().strip()


def test_a_command_of_an_operator_is_not_in_the_layer_and_changes_no_function(copy: Path) -> None:
    first = build(copy, SHARED)
    (copy / "layers/shared/python/oms/commands/operate.py").write_text("CHANGED = True")

    assert build(copy, SHARED) == first
    with zipfile.ZipFile(first) as opened:
        assert not [name for name in opened.namelist() if "commands" in name]


@pytest.mark.parametrize("script", [SHARED, DEPENDENCIES], ids=["shared", "dependencies"])
def test_an_unchanged_layer_is_not_built_again(copy: Path, script: str) -> None:
    first = build(copy, script)
    built = first.stat().st_mtime_ns

    assert build(copy, script) == first
    assert first.stat().st_mtime_ns == built


@pytest.mark.parametrize(
    ("script", "path"),
    [
        (SHARED, "layers/shared/python/oms/a.py"),
        (SHARED, "layers/shared/python/oms/templates/a.txt"),
        (SHARED, "layers/shared/build.py"),
        (SHARED, "layers/archive.py"),
        (DEPENDENCIES, "requirements/runtime.txt"),
        (DEPENDENCIES, "layers/dependencies/build.py"),
        (DEPENDENCIES, "layers/archive.py"),
    ],
)
def test_a_change_of_the_inputs_or_of_the_builder_is_built(copy: Path, script: str, path: str) -> None:
    first = build(copy, script)

    (copy / path).write_text((copy / path).read_text() + "\n# changed")

    assert build(copy, script) != first


def test_the_shared_layer_has_files_that_are_not_modules_too(copy: Path) -> None:
    assert read(build(copy, SHARED), "oms/templates/a.txt") == "Hello"


def test_a_module_that_is_edited_meanwhile_is_not_kept_under_its_former_name(copy: Path) -> None:
    module = copy / "layers/shared/python/oms/a.py"
    edit = f"""
import shutil
from pathlib import Path
real = shutil.copytree
def copytree(source, *arguments, **options):
    Path({str(module)!r}).write_text("A = 2")
    return real(source, *arguments, **options)
shutil.copytree = copytree
"""
    build(copy, edit + SHARED)

    module.write_text("A = 1")

    assert read(build(copy, SHARED), "oms/a.py") == "A = 1"


def test_a_lock_that_is_edited_meanwhile_is_not_kept_under_its_former_name(copy: Path) -> None:
    build(copy, DEPENDENCIES, MEANWHILE="edited")

    (copy / "requirements/runtime.txt").write_text("locked")

    assert read(build(copy, DEPENDENCIES), "lock") == "locked"


def test_an_editors_link_beside_an_open_file_does_not_stop_the_build(copy: Path) -> None:
    """Emacs marks an open file by a dangling link."""
    (copy / "layers/shared/python/oms/.#a.py").symlink_to("someone@somewhere.1")

    assert read(build(copy, SHARED), "oms/a.py") == "A = 1"


def test_bytecode_is_compiled_at_any_length_of_the_temporary_folders_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("a" * 100)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "layer").mkdir()
    for number in range(3):
        (tmp_path / "layer" / f"module{number}.py").write_text("value = 1\n")

    archive.compile_bytecode(tmp_path / "layer")

    assert len(list((tmp_path / "layer").rglob("*.pyc"))) == 3
