"""CI's audit of the locked packages: pip-audit's report decides, not its exit code."""

import json
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOUND = {"name": "jinja2", "version": "3.1.6", "vulns": []}
KNOWN = {"name": "pyjwt", "version": "2.3.0", "vulns": [{"id": "PYSEC-2022-202", "fix_versions": ["2.4.0"]}]}
SKIPPED = {"name": "idna", "skip_reason": "Dependency not found on PyPI"}
UNREACHABLE = "requests.exceptions.ConnectionError: Failed to establish a new connection"

type Audit = Callable[..., tuple[int, str]]


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Audit:
    """Runs the audit of two locks, whose packages pip-audit reports in turn; returns its exit code and its text."""
    (tmp_path / "requirements").mkdir()
    for name in ("runtime.txt", "tests.txt"):
        (tmp_path / "requirements" / name).touch()
    monkeypatch.chdir(tmp_path)

    def run(*reports: list[dict[str, Any]], stderr: str = "", returncode: int = 0) -> tuple[int, str]:
        answers = [json.dumps({"dependencies": report}) for report in reports] or ["", ""]
        results = iter([subprocess.CompletedProcess([], returncode, answer, stderr) for answer in answers])
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: next(results))
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / ".ci/audit.py"), run_name="__main__")
        return int(str(ended.value.code)), capsys.readouterr().out

    return run


def test_a24_without_an_advisory_the_audit_passes(audit: Audit) -> None:
    assert audit([SOUND], [SOUND])[0] == 0


def test_a24_a_package_with_a_known_advisory_fails_the_audit_and_is_named(audit: Audit) -> None:
    for reports in (([SOUND, KNOWN], [SOUND]), ([SOUND], [SOUND, KNOWN])):
        status, text = audit(*reports)

        assert status == 1
        assert "pyjwt 2.3.0: PYSEC-2022-202" in text


def test_a24_a_package_that_could_not_be_audited_fails_the_audit(audit: Audit) -> None:
    status, text = audit([SOUND, SKIPPED], [SOUND])

    assert status == 1
    assert "idna: Dependency not found on PyPI" in text


def test_a24_an_audit_without_packages_or_with_another_failure_fails(audit: Audit) -> None:
    assert audit([SOUND], [])[0] == 1
    assert audit([SOUND], [SOUND], returncode=1)[0] == 1
    assert audit(stderr="hashes are required", returncode=1)[0] == 1


def test_a24_without_a_connection_it_is_not_done_which_is_no_success(audit: Audit) -> None:
    assert audit(stderr=UNREACHABLE, returncode=1)[0] == 3
    assert audit([SKIPPED], [SKIPPED], returncode=1)[0] == 3
    assert audit([SKIPPED], [SOUND, KNOWN], returncode=1)[0] == 1, "an advisory in one lock is still a failure"


def test_a24_ci_fails_for_every_status_but_none_found_and_not_done() -> None:
    (case,) = (ROOT / ".ci/run").read_text().split("case $status in")[1:]
    branches = [line.strip().partition(")")[0] for line in case.partition("esac")[0].splitlines() if ")" in line]

    assert branches == ["0", "3", "*"]
    assert "fail " in case.partition("*)")[2].partition("esac")[0]
