"""`make verify-audit`: the output of the command, and its end."""

from collections.abc import Callable

import pytest

from oms.commands import stacks, verify_audit
from oms.core.settings import settings
from tests.support.audit_log import Log, keys

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Run = Callable[..., tuple[str, str | None]]


@pytest.fixture
def run(log: Log, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command with a fake stack; returns its output and the message of its failure, or None."""
    monkeypatch.setattr(stacks, "table_of", lambda _stage, _domain: settings().audit_table)
    monkeypatch.setattr(stacks, "outputs_of", lambda _stage: {"AuditBucket": settings().audit_bucket})
    monkeypatch.setattr(verify_audit, "load_seal_keys", lambda name: {"oms/prod/audit-keys": keys()}[name])

    def command(*arguments: str) -> tuple[str, str | None]:
        monkeypatch.setattr("sys.argv", ["verify", "--stage", "prod", *arguments])
        capsys.readouterr()
        try:
            verify_audit.main()
        except SystemExit as error:
            failure = str(error.code)
        else:
            failure = None
        return capsys.readouterr().out, failure

    return command


def test_a_log_as_it_was_sealed_is_said_to_be_so(log: Log, run: Run) -> None:
    log.write(2)
    log.seal()
    log.hourly()

    seen = "entries 2, links 2, chains 1, objects 1, from 2026-01-31 to 2026-01-31"
    assert run() == (f"{seen}: nothing was changed or removed.\n", None)


def test_an_empty_log_is_whole(run: Run) -> None:
    assert run() == (
        "entries 0, links 0, chains 0, objects 0, from 2026-01-31 to 2026-01-31: nothing was changed or removed.\n",
        None,
    )


def test_each_place_has_a_line_and_the_command_fails(log: Log, run: Run) -> None:
    first, second, _ = log.write(3)
    log.seal()
    log.change(first, actor_id="eve")
    log.remove(second)

    printed, failure = run()

    assert [line.split()[:2] for line in printed.splitlines()] == [
        ["entry-changed", f"{'/'.join(first)}:"],
        ["entry-removed", f"{'/'.join(second)}:"],
    ]
    assert failure is not None
    assert "2 places differ from the sealed state" in failure


def test_the_requested_days_are_read(log: Log, run: Run) -> None:
    (first,) = log.write(1)
    log.seal()
    log.advance(days=1)
    log.write(1)
    log.seal()
    log.change(first, actor_id="eve")

    assert run("--from", "2026-02-01")[1] is None
    assert run("--to", "2026-01-31")[1] is not None


@pytest.mark.parametrize("days", [("--from", "2026-02-01", "--to", "2026-01-31"), ("--from", "yesterday")])
def test_days_without_sense_are_refused(run: Run, days: tuple[str, ...]) -> None:
    assert run(*days) == ("", "2")


def test_a_stage_that_cannot_be_reached_is_reported_in_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_stage: str, _domain: str) -> str:
        raise LookupError("the stack Oms-prod has no audit table")

    monkeypatch.setattr(stacks, "table_of", missing)

    assert run() == (
        "",
        "Stage 'prod' cannot be reached (is it deployed?): the stack Oms-prod has no audit table",
    )
