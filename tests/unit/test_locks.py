"""Every installed package is locked by a hash, and the repository names no registry."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_each_python_package_has_a_version_and_hashes(lock: Path) -> None:
    requirements = lock.read_text().replace("\\\n", " ").strip().splitlines()

    assert requirements
    for requirement in requirements:
        assert re.match(r"[\w.-]+==[\w.]+ ", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement
        assert "://" not in requirement, requirement


@pytest.mark.parametrize("folder", [".", "tests/clients", "console"])
def test_each_node_package_has_a_version_and_a_hash(folder: str) -> None:
    package = json.loads((ROOT / folder / "package.json").read_text())
    locked = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]

    own = locked.pop("")
    for kind in ("dependencies", "devDependencies"):
        assert own.get(kind) == package.get(kind)
    wanted = package.get("dependencies", {}) | package["devDependencies"]
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version, "an exact one"
    for name, part in locked.items():
        assert part["integrity"].startswith("sha512-"), name
        assert "resolved" not in part, name


def test_a_deployment_installs_one_node_package_and_no_install_script_is_run() -> None:
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    settings = (ROOT / ".npmrc").read_text().splitlines()

    assert locked.keys() == {"", "node_modules/aws-cdk"}
    assert {"ignore-scripts=true", "omit-lockfile-registry-resolved=true"} <= set(settings)
    for folder in ("tests/clients", "console"):
        assert (ROOT / folder / ".npmrc").read_text().splitlines() == settings


def test_make_installs_by_the_locks_alone() -> None:
    installs = re.findall(r"^.*\b(?:pip install|pip sync|npm ci|npm install|npx)\b.*$", MAKEFILE, re.MULTILINE)

    locking = [line for line in installs if "--package-lock-only" in line]
    by_hash = [line for line in installs if "--require-hashes" in line or re.search("npm ci .*--ignore-scripts", line)]
    assert set(installs) == {*locking, *by_hash}
    # uv, the packages, those for tests, those of the Flask baseline, the CDK command line, the back office, the
    # linters of the API
    assert len(by_hash) == 7
