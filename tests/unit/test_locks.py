"""Everything that is installed is locked by a hash, and comes from no registry that the repository names."""

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


@pytest.mark.parametrize("folder", [".", "tests/clients"])
def test_each_node_package_has_a_version_and_a_hash(folder: str) -> None:
    wanted = json.loads((ROOT / folder / "package.json").read_text())["devDependencies"]
    locked = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]

    own = locked.pop("")
    assert own["devDependencies"] == wanted
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version, "an exact one"
    for name, package in locked.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


def test_a_deployment_installs_one_node_package_and_no_install_script_is_run() -> None:
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    settings = (ROOT / ".npmrc").read_text().splitlines()

    assert locked.keys() == {"", "node_modules/aws-cdk"}
    assert {"ignore-scripts=true", "omit-lockfile-registry-resolved=true"} <= set(settings)
    assert (ROOT / "tests/clients/.npmrc").read_text().splitlines() == settings


def test_make_installs_by_the_locks_alone() -> None:
    installs = re.findall(r"^.*\b(?:pip install|pip sync|npm ci|npm install|npx)\b.*$", MAKEFILE, re.MULTILINE)

    locking = [line for line in installs if "--package-lock-only" in line]
    by_hash = [line for line in installs if "--require-hashes" in line or re.search("npm ci .*--ignore-scripts", line)]
    assert set(installs) == {*locking, *by_hash}
    assert len(by_hash) == 5  # uv, the packages, those for tests, the CDK command line, the linters of the API
