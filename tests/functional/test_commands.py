"""Where an operator's commands act: one region for all of them, printed before they act."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from botocore.exceptions import ClientError

from oms.commands import preflight, stacks
from oms.core import aws, json_reads
from oms.core.dynamodb import connection

OMS = Path(stacks.__file__).parents[1]
# Each command, with its required arguments beside the stage.
COMMANDS = {
    "oms.commands.console": [],
    "oms.commands.origin_secret": [],
    "oms.commands.verify_audit": [],
    "oms.commands.normalize_addresses": [],
    "oms.commands.protect": [],
    "oms.commands.destroy": ["--confirm", "prod"],
    "oms.commands.forget_address_keys": ["--year", "2025", "--confirm", "2025"],
    "oms.commands.preflight": [],
    "oms.commands.region": [],
    "oms.commands.restore": ["--domain", "Orders", "--from-table", "restored"],
    "oms.commands.smoke": [],
    "oms.commands.url": [],
    "oms.commands.first_admin": ["--email", "olga@example.com"],
    "oms.commands.key": ["--name", "Warehouse", "--scopes", "orders:read"],
    "oms.commands.signing_keys": [],
    "oms.commands.redrive": [],
    "oms.commands.index_orders": [],
    "oms.commands.rebuild_reports": [],
    "oms.commands.republish": ["--order", "01234567890123456789"],
}


@pytest.fixture(autouse=True)
def _no_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, _aws: None) -> Iterator[None]:
    """As in a terminal where no region is set, by no variable and by no profile."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    forget_sessions()
    yield
    forget_sessions()


def forget_sessions() -> None:
    """Lets the sessions read the configuration again."""
    aws.botocore_session.cache_clear()
    aws.session.cache_clear()


def run(monkeypatch: pytest.MonkeyPatch, command: str) -> str:
    """Runs the command; returns the message with which it ends, or an empty text."""
    monkeypatch.setattr("sys.argv", [command, "--stage", "dev", *COMMANDS[command]])
    try:
        importlib.import_module(command).main()
    except SystemExit as end:
        return str(end)
    return ""


def test_the_commands_are_all_of_them() -> None:
    found = {
        ".".join(path.relative_to(OMS.parent).with_suffix("").parts)
        for path in OMS.rglob("*.py")
        if '__name__ == "__main__"' in path.read_text()
    }
    assert found == COMMANDS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_to_act_without_a_region(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    assert re.match(r"No AWS region is set\. Set AWS_REGION", run(monkeypatch, command))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_account_region_and_stage_before_it_acts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("AWS_REGION", "ap-southeast-2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(stacks, "cloudformation", _no_answer)
    monkeypatch.setattr(preflight, "CHECKS", {})  # of services that moto does not have

    run(monkeypatch, command)

    assert capsys.readouterr().err == "Account 123456789012, region ap-southeast-2, stage dev\n"


def _no_answer() -> NoReturn:
    """moto's own CloudFormation needs packages that nothing else does."""
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "ListStacks")


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({"AWS_REGION": "ap-southeast-2"}, "ap-southeast-2"),
        ({"AWS_REGION": "ap-southeast-2", "AWS_DEFAULT_REGION": "eu-north-1"}, "ap-southeast-2"),
        ({"AWS_DEFAULT_REGION": "eu-north-1"}, "eu-north-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-north-1"}, "eu-north-1"),
        ({"AWS_PROFILE": "shop"}, "sa-east-1"),
    ],
)
def test_the_region_is_that_of_cdk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str], region: str
) -> None:
    (tmp_path / "config").write_text("[profile shop]\nregion = sa-east-1\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert aws.session().client("sqs").meta.region_name == region
    # These two are of sessions of their own.
    assert connection.__wrapped__().client.meta.region_name == region
    assert json_reads.client.__wrapped__().meta.region_name == region
