"""The first day on AWS: docs/operate/deploying.md is true, and CDK acts on the account of the other commands."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from local.rehearse import MARKED, script
from local.rehearsed_app import adapted_template
from oms.commands import rights
from oms.service_keys.scopes import SCOPES

ROOT = Path(__file__).parents[2]
LOCKS = ("runtime", "infrastructure", "tests", "uv", "baseline")
SYSTEM = ["runtime", "infrastructure"]
PAGE = (ROOT / "docs" / "operate" / "deploying.md").read_text()


def test_the_policy_of_the_page_is_the_one_that_is_checked() -> None:
    shown, of_console = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    needed = rights.needed(account="ACCOUNT", region="REGION", stage="STAGE")
    assert json.loads(shown)["Statement"] == [
        {"Effect": "Allow", "Action": actions, "Resource": resource} for actions, resource in needed
    ]
    needed = rights.needed_for_console(account="ACCOUNT", stage="STAGE")
    assert json.loads(of_console) == [
        {"Effect": "Allow", "Action": actions, "Resource": resource} for actions, resource in needed
    ]


def test_each_target_of_make_that_docs_name_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+(?: [a-z-]+)*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    there = {name for line in targets for name in line.split()}
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]

    named = {
        name for page in pages for name in re.findall(r"(?:`|^)make (?:-s )?([a-z][a-z-]*)", page.read_text(), re.M)
    }
    assert {"deploy", "preflight", "smoke", "destroy"} <= named
    assert named - there == set()


def test_the_lines_that_are_rehearsed_are_a_script() -> None:
    assert len(MARKED.findall(PAGE)) >= 6
    subprocess.run(["bash", "-n"], input=script(PAGE), text=True, check=True)  # noqa: S607


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs a target with a fake CDK and commands that print only their arguments."""
    cdk, command = tmp_path / "cdk", tmp_path / "command"
    cdk.write_text('#!/bin/sh\necho "cdk in ${AWS_REGION:-no region}: $*"\n')
    cdk.chmod(0o700)
    command.write_text(
        'case "$*" in *--target*) echo "$BUILT";; esac\n'
        'test "$1" != oms.commands.region || { echo "$REGION_FOUND"; test -n "$REGION_FOUND"; }\n'
    )

    def run(target: str, region: str, **more: str) -> "subprocess.CompletedProcess[str]":
        installed = [it for name in (".venv/.installed", str(cdk)) for it in ("-o", name)]
        variables = [
            f"CDK={cdk}",
            f"COMMAND=sh {command}",
            "STAGE=dev",
            *(f"{name}={value}" for name, value in more.items()),
        ]
        return subprocess.run(
            ["make", "--no-print-directory", *installed, target, *variables],  # noqa: S607
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-west-1", "REGION_FOUND": region},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("target", ["bootstrap", "deploy"])
def test_cdk_acts_in_the_region_of_the_commands(
    make: Callable[..., "subprocess.CompletedProcess[str]"], target: str
) -> None:
    result = make(target, "eu-north-1")

    assert f"cdk in eu-north-1: {target} --context stage=dev" in result.stdout, result.stderr


@pytest.mark.parametrize("target", ["bootstrap", "deploy"])
def test_cdk_is_not_called_where_the_commands_find_no_region(
    make: Callable[..., "subprocess.CompletedProcess[str]"], target: str
) -> None:
    result = make(target, "")

    assert result.returncode != 0
    assert "cdk in" not in result.stdout


@pytest.mark.parametrize("target", ["preflight", "deploy"])
@pytest.mark.parametrize("built", ["console", ""])
def test_the_back_office_is_built_for_a_stage_that_has_one(
    make: Callable[..., "subprocess.CompletedProcess[str]"], target: str, built: str
) -> None:
    result = make(target, "eu-north-1", MAKE="echo make", BUILT=built)

    assert ("make --no-print-directory console" in result.stdout) == bool(built), result.stderr
    assert result.returncode == 0


class Checkout:
    """A copy of the Makefile and the locks, with an installer that only records its arguments and its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "Makefile").write_text((ROOT / "Makefile").read_text())
        for name in LOCKS:
            self.change(f"requirements/{name}.txt", seconds=-60)
        self.change(".venv/bin/python", seconds=-60)
        self._installer = folder / "installer"
        self._calls = folder / "calls"
        self._installer.write_text(f'#!/bin/sh\necho "$@" >>{self._calls}\nsleep 0.1\necho end >>{self._calls}\n')
        self._installer.chmod(0o700)

    def change(self, name: str, seconds: int = 60) -> None:
        """Creates a file that is older (below 0) or newer than the installation."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
        now = file.stat().st_mtime
        os.utime(file, (now + seconds, now + seconds))

    def make(self, *arguments: str) -> list[list[str]]:
        """Runs make, and returns the names of the installed locks, of each installation. None may overlap another."""
        self._calls.unlink(missing_ok=True)
        command = ["make", "--no-print-directory", f"UV={self._installer}", *arguments]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        calls = self._calls.read_text().splitlines() if self._calls.exists() else []
        assert calls[1::2] == ["end"] * (len(calls) // 2)
        return [re.findall(r"requirements/(\w+)\.txt", call) for call in calls[::2]]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_test_packages_are_not_installed_to_run_the_system(checkout: Checkout) -> None:
    assert checkout.make(".venv/.installed") == [SYSTEM]
    assert checkout.make(".venv/.installed") == []


def test_test_packages_that_are_there_stay_and_follow_their_lock(checkout: Checkout) -> None:
    assert checkout.make(".venv/.installed-tests") == [SYSTEM, [*SYSTEM, "tests"]]
    checkout.change("requirements/runtime.txt")

    assert checkout.make(".venv/.installed") == [[*SYSTEM, "tests"]]


@pytest.mark.parametrize("targets", [("installed", "installed-tests"), ("installed-tests", "installed")])
def test_a_parallel_make_installs_the_test_packages_last(checkout: Checkout, targets: tuple[str, str]) -> None:
    """An installation without them removes them."""
    assert checkout.make("-j2", *(f".venv/.{it}" for it in targets)) == [SYSTEM, [*SYSTEM, "tests"]]


def test_clean_removes_all_that_git_ignores(checkout: Checkout) -> None:
    kept = ["infra/app.py", ".gitignore"]
    ignored = (ROOT / ".gitignore").read_text().split()
    ignored += [f"console/{it}" for it in (ROOT / "console/.gitignore").read_text().split()]
    # Some are created in the folders of their users.
    placed = {"generated": "tests/clients/generated", "__pycache__/": "infra/__pycache__", "*.pyc": "infra/*.pyc"}
    for pattern in ignored:
        checkout.change(
            f"{placed.get(pattern, pattern).rstrip('/').replace('*', 'one')}{'' if '.' in pattern[1:] else '/file'}"
        )
    for name in kept:
        checkout.change(name)
    before = {str(it.relative_to(checkout.folder)) for it in checkout.folder.rglob("*") if it.is_file()}
    assert {".schemathesis/file", "infra/__pycache__/file", ".coverage.one"} <= before

    checkout.make("clean")

    left = {str(it.relative_to(checkout.folder)) for it in checkout.folder.rglob("*") if it.is_file()}
    assert left - {*kept, "Makefile", "installer"} == {f"requirements/{name}.txt" for name in LOCKS}
    assert set(kept) <= left


def test_the_rehearsal_leaves_out_alarms_on_expressions_alone() -> None:
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "5xx"}}
    on_expression = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": [{"Expression": "SELECT …"}]}}
    queue = {"Type": "AWS::SQS::Queue", "Properties": {}}
    template = {"Resources": {"Alarm": alarm, "OnExpression": on_expression, "Queue": queue}, "Outputs": {}}

    assert json.loads(adapted_template(json.dumps(template))) == {
        "Resources": {"Alarm": alarm, "Queue": queue},
        "Outputs": {},
    }


def test_the_lines_that_make_a_service_key_run_its_command_and_print_the_key_alone(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "integrate" / "sign-in.md").read_text()
    checkout, python = Checkout(tmp_path), tmp_path / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o700)
    checkout.make(".venv/.installed")

    lines = re.findall(r"^SERVICE_KEY=.*make -s key .*$", page, re.MULTILINE)
    done = subprocess.run(
        ["bash", "-eu"],  # noqa: S607
        input="\n".join(f'{line}; echo "$SERVICE_KEY"' for line in lines),
        cwd=tmp_path,
        env=os.environ | {"MAKEFLAGS": f"UV={tmp_path / 'installer'}"},
        check=True,
        capture_output=True,
        text=True,
    )

    options = "--name Warehouse --scopes catalogue:read,stock:write"
    assert done.stdout.splitlines() == [
        f"-m local.key --stage local {options}",
        f"-m oms.commands.key --stage dev {options}",
    ]
    assert {"catalogue:read", "stock:write"} <= set(SCOPES)
