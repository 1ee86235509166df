"""The checks of an account before a deployment, each failure with the response that AWS would send."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from infra.stages import Stage
from oms.commands import console, preflight
from tests.support.aws_answers import Answers, AwsAnswers, RefusedError

ADA = "arn:aws:iam::123456789012:user/ada"
SESSION = "arn:aws:sts::123456789012:assumed-role/Deployer/ada"
ROLE = {
    "Role": {
        "RoleName": "Deployer",
        "RoleId": "AROAEXAMPLEEXAMPLE",
        "Path": "/teams/",
        "CreateDate": "2026-01-31",
        "Arn": "arn:aws:iam::123456789012:role/teams/Deployer",
    }
}
SUBSCRIBED = "arn:aws:sns:eu-central-1:123456789012:alarms:2"
MAILING = {
    "public_url": "https://shop.example",
    "alarm_email": "ops@shop.example",
    "mail_from": "shop@shop.example",
}
BACKED_UP = {**MAILING, "backup_days": 35}


def stack(status: str = "CREATE_COMPLETE", *, protected: bool = False) -> dict[str, Any]:
    described = {"StackName": "Oms-dev", "CreationTime": "2026-01-31T00:00:00Z", "StackStatus": status}
    return {"Stacks": [{**described, "EnableTerminationProtection": protected}]}


def simulated(params: dict[str, Any], denied: frozenset[str] = frozenset()) -> dict[str, Any]:
    decisions = {action: "implicitDeny" if action in denied else "allowed" for action in params["ActionNames"]}
    return {"EvaluationResults": [{"EvalActionName": it, "EvalDecision": how} for it, how in decisions.items()]}


def limit(most: int) -> dict[str, Any]:
    return {"AccountLimit": {"ConcurrentExecutions": most, "UnreservedConcurrentExecutions": most}}


def ses(*, sandbox: bool = False, sending: bool = True) -> dict[str, Any]:
    quota = {"Max24HourSend": 50000.0}
    return {"SendingEnabled": sending, "ProductionAccessEnabled": not sandbox, "SendQuota": quota}


def ready() -> Answers:
    """Returns an account in which the first deployment will succeed."""
    return {
        "sts.GetCallerIdentity": {"Account": "123456789012", "Arn": ADA},
        "cloudformation.DescribeStacks": RefusedError("ValidationError", "Stack with id Oms-dev does not exist"),
        "ssm.GetParameter": {"Parameter": {"Name": preflight.BOOTSTRAP_PARAMETER, "Value": "25"}},
        "lambda.GetAccountSettings": limit(1000),
        "sesv2.GetAccount": ses(),
        "sesv2.GetEmailIdentity": lambda it: {"VerifiedForSendingStatus": it["EmailIdentity"] == "shop.example"},
        "secretsmanager.ListSecrets": {"SecretList": []},
        "events.DescribeEventBus": RefusedError("ResourceNotFoundException"),
        "scheduler.GetScheduleGroup": RefusedError("ResourceNotFoundException"),
        "sesv2.GetConfigurationSet": RefusedError("NotFoundException"),
        "backup.ListBackupVaults": {"BackupVaultList": [{"BackupVaultName": "Default"}]},
        "iam.SimulatePrincipalPolicy": simulated,
    }


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> AwsAnswers:
    return AwsAnswers(monkeypatch, ready())


def look(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    stage: str = "dev",
    settings: dict[str, Any] | None = None,
) -> tuple[int, list[str]]:
    """Returns the exit code, and the lines that are not ok."""
    monkeypatch.setattr(preflight, "settings_of", lambda _: MAILING if settings is None else settings)
    monkeypatch.setattr("sys.argv", ["preflight", "--stage", stage])
    code = 0
    try:
        preflight.main()
    except SystemExit as end:
        code = int(str(end))
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(line.split()[0] in ("ok", "warn", "FAIL") for line in lines)
    return code, [line for line in lines if not line.startswith("ok ")]


def test_an_account_that_is_ready_has_nothing_to_do(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert look(monkeypatch, capsys) == (0, [])


def test_nothing_is_changed(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    look(monkeypatch, capsys)

    verbs = {name.split(".")[1] for name, _ in account.calls}
    assert all(verb.startswith(("Describe", "Get", "List", "Simulate")) for verb in verbs), verbs


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"ssm.GetParameter": RefusedError("ParameterNotFound")}, "none. Run `make bootstrap STAGE=dev`"),
        (
            {"ssm.GetParameter": {"Parameter": {"Value": "5"}}},
            "version 5, but version 6 is needed. Run `make bootstrap STAGE=dev`",
        ),
        ({"sesv2.GetAccount": ses(sending=False)}, "SES has paused sending"),
        ({"sesv2.GetEmailIdentity": RefusedError("NotFoundException")}, "neither shop@shop.example nor shop.example"),
        ({"sesv2.GetEmailIdentity": {"VerifiedForSendingStatus": False}}, "neither shop@shop.example nor shop.example"),
        (
            {"secretsmanager.ListSecrets": {"SecretList": [{"Name": "oms/dev/pepper", "DeletedDate": "2026-01-31"}]}},
            "oms/dev/pepper (scheduled for deletion) exists outside the stack",
        ),
        ({"events.DescribeEventBus": {"Name": "oms-dev"}}, "aws events delete-event-bus --name oms-dev"),
        ({"scheduler.GetScheduleGroup": {"Name": "oms-dev"}}, "aws scheduler delete-schedule-group --name oms-dev"),
        (
            {"backup.ListBackupVaults": {"BackupVaultList": [{"BackupVaultName": "oms-dev"}]}},
            "aws backup delete-backup-vault --backup-vault-name oms-dev",
        ),
        ({"sesv2.GetConfigurationSet": {}}, "aws sesv2 delete-configuration-set --configuration-set-name oms-dev"),
        ({"cloudformation.DescribeStacks": stack("UPDATE_ROLLBACK_FAILED")}, "continue-update-rollback"),
        ({"cloudformation.DescribeStacks": stack("UPDATE_FAILED")}, "rollback-stack --stack-name Oms-dev"),
        ({"cloudformation.DescribeStacks": stack("CREATE_FAILED")}, "delete-stack --stack-name Oms-dev"),
        ({"cloudformation.DescribeStacks": stack("DELETE_FAILED")}, "delete-stack --stack-name Oms-dev"),
        ({"cloudformation.DescribeStacks": stack("UPDATE_IN_PROGRESS")}, "another deployment is running"),
        (
            {"cloudformation.DescribeStacks": stack("ROLLBACK_COMPLETE", protected=True)},
            "--no-enable-termination-protection",
        ),
        (
            {"iam.SimulatePrincipalPolicy": lambda it: simulated(it, frozenset({"ssm:PutParameter"}))},
            f"{ADA} may not ssm:PutParameter on arn:aws:ssm:eu-central-1:123456789012:parameter/oms/dev/jwks",
        ),
    ],
)
def test_each_failing_check_is_one_line_with_the_remedy(
    account: AwsAnswers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changed: Answers,
    says: str,
) -> None:
    account.answers |= {"sns.ListSubscriptionsByTopic": {"Subscriptions": []}, **_no_resources(), **changed}

    code, lines = look(monkeypatch, capsys, settings=BACKED_UP)

    assert code == 1
    (line,) = lines
    assert line.startswith("FAIL ")
    assert says in line


def _no_resources() -> Answers:
    return {"cloudformation.ListStackResources": {"StackResourceSummaries": []}}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"lambda.GetAccountSettings": limit(10)}, "10 functions at once"),
        ({"sesv2.GetAccount": ses(sandbox=True)}, "in SES's sandbox"),
    ],
)
def test_a_limit_that_is_enough_for_a_trial_is_a_warning_in_dev_and_a_failure_in_prod(
    account: AwsAnswers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changed: Answers,
    says: str,
) -> None:
    account.answers |= changed
    quota = 10 if "lambda.GetAccountSettings" in changed else 1000

    for stage, level in (("dev", "warn"), ("prod", "FAIL")):
        code, (line,) = look(monkeypatch, capsys, stage=stage, settings={**MAILING, "lambda_concurrency": quota})
        assert code == (level == "FAIL")
        assert line.startswith(level)
        assert says in line


@pytest.mark.parametrize(
    "operation",
    [
        "ssm.GetParameter",
        "lambda.GetAccountSettings",
        "sesv2.GetAccount",
        "sesv2.GetEmailIdentity",
        "secretsmanager.ListSecrets",
        "events.DescribeEventBus",
        "scheduler.GetScheduleGroup",
        "sesv2.GetConfigurationSet",
        "backup.ListBackupVaults",
        "iam.SimulatePrincipalPolicy",
    ],
)
@pytest.mark.parametrize(
    "refusal", [RefusedError("AccessDeniedException"), EndpointConnectionError(endpoint_url="https://there")]
)
def test_a_failed_lookup_is_a_warning_and_ends_no_other_check(
    account: AwsAnswers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    operation: str,
    refusal: Exception,
) -> None:
    account.answers |= {operation: refusal}

    code, (line,) = look(monkeypatch, capsys, settings=BACKED_UP)

    assert code == 0
    assert line.startswith("warn")
    assert "cannot be looked up" in line


NAMES: Answers = {
    "secretsmanager.ListSecrets": {"SecretList": [{"Name": "oms/dev/pepper"}]},
    "events.DescribeEventBus": {"Name": "oms-dev"},
    "scheduler.GetScheduleGroup": {"Name": "oms-dev"},
    "sesv2.GetConfigurationSet": {},
    "backup.ListBackupVaults": {"BackupVaultList": [{"BackupVaultName": "oms-dev"}]},
}


@pytest.mark.parametrize("denied", NAMES)
def test_a_kind_of_name_that_cannot_be_looked_up_hides_no_other_that_is_taken(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], denied: str
) -> None:
    account.answers |= {**NAMES, denied: RefusedError("AccessDeniedException")}

    code, lines = look(monkeypatch, capsys, settings=BACKED_UP)

    assert code == 1
    at = list(NAMES).index(denied)
    assert [line.split()[0] for line in lines] == ["warn" if it == at else "FAIL" for it in range(len(NAMES))]
    assert "cannot be looked up" in lines[at]


def test_a_mail_account_that_cannot_be_looked_up_hides_no_sender_that_is_not_verified(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.answers |= {
        "sesv2.GetAccount": RefusedError("AccessDeniedException"),
        "sesv2.GetEmailIdentity": {"VerifiedForSendingStatus": False},
    }

    code, lines = look(monkeypatch, capsys)

    assert code == 1
    assert [line.split()[0] for line in lines] == ["warn", "FAIL"]


def test_a_stage_without_backups_asks_for_no_vault(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.answers |= {"backup.ListBackupVaults": RefusedError("AccessDeniedException")}

    assert look(monkeypatch, capsys) == (0, [])


CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0123"
WITH_CONSOLE = {
    **MAILING,
    "console": True,
    "console_domain": "office.shop.example",
    "console_certificate_arn": CERTIFICATE,
}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "BUILD", tmp_path)
    (tmp_path / "assets").mkdir()
    for name in ("index.html", "assets/index-B3x9.js"):
        (tmp_path / name).write_text("")


def test_a_back_office_that_is_built_with_its_certificate_can_be_deployed(
    built: None, account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.answers |= {"acm.DescribeCertificate": {"Certificate": {"Status": "ISSUED"}}}

    assert look(monkeypatch, capsys, settings=WITH_CONSOLE) == (0, [])

    (asked,) = account.called("acm.DescribeCertificate")
    assert asked == {"CertificateArn": CERTIFICATE}
    rights = {action for it in account.called("iam.SimulatePrincipalPolicy") for action in it["ActionNames"]}
    assert {"wafv2:CreateWebACL", "s3:PutObject"} <= rights


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"Certificate": {"Status": "PENDING_VALIDATION"}}, "certificate of office.shop.example is PENDING_VALIDATION"),
        (RefusedError("ResourceNotFoundException"), f"the certificate {CERTIFICATE} does not exist"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_named(
    built: None,
    account: AwsAnswers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: Any,
    says: str,
) -> None:
    account.answers |= {"acm.DescribeCertificate": answer}

    code, (line,) = look(monkeypatch, capsys, settings=WITH_CONSOLE)

    assert code == 1
    assert line.startswith("FAIL")
    assert says in line


def test_a_back_office_that_is_not_built_is_named(
    tmp_path: Path, account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "BUILD", tmp_path)

    code, (line,) = look(monkeypatch, capsys, settings={**MAILING, "console": True})

    assert (code, line.split()[0]) == (1, "FAIL")
    assert "The back office is not built" in line


def test_the_rights_of_the_preflight_that_docs_list_are_those_of_its_calls(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.answers |= {"acm.DescribeCertificate": {"Certificate": {"Status": "ISSUED"}}}
    look(monkeypatch, capsys, settings={**BACKED_UP, **WITH_CONSOLE})
    account.answers |= _deployed([{"Endpoint": "ops@shop.example", "SubscriptionArn": SUBSCRIBED}])
    account.answers |= {"sts.GetCallerIdentity": {"Account": "123456789012", "Arn": SESSION}, "iam.GetRole": ROLE}
    look(monkeypatch, capsys, settings=BACKED_UP)

    page = Path("docs/operate/deploying.md").read_text()
    (listed,) = re.findall(r"^<!-- rights of the preflight.*?-->\n```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    called = {re.sub(r"^sesv2\.", "ses.", name).replace(".", ":") for name, _ in account.calls}
    assert set(listed.split()) == called - {"sts:GetCallerIdentity"}  # which needs no right


def test_a_stack_that_cannot_be_looked_up_ends_no_check_and_its_names_are_not_taken_for_others(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.answers |= {
        "cloudformation.DescribeStacks": RefusedError("AccessDenied", "not authorized"),
        "cloudformation.ListStackResources": RefusedError("AccessDenied", "not authorized"),
        "events.DescribeEventBus": {"Name": "oms-dev"},
    }

    code, lines = look(monkeypatch, capsys)

    assert code == 0
    assert [line.partition(": ")[0] for line in lines] == ["warn  Stack Oms-dev", "warn  Alarm mail"]


def test_a_failed_first_deployment_is_made_again(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.answers |= {"cloudformation.DescribeStacks": stack("ROLLBACK_COMPLETE")}

    code, (line,) = look(monkeypatch, capsys)

    assert code == 0
    assert "`make deploy` deletes the stack and starts again" in line


def test_names_of_the_stack_itself_are_not_taken(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.answers |= {
        "cloudformation.DescribeStacks": stack(),
        **_no_resources(),
        "events.DescribeEventBus": {"Name": "oms-dev"},
        "secretsmanager.ListSecrets": {"SecretList": [{"Name": "oms/dev/pepper"}]},
    }

    assert look(monkeypatch, capsys) == (0, [])


@pytest.mark.parametrize(
    ("subscriptions", "says"),
    [
        ([("ops@shop.example", SUBSCRIBED)], []),
        ([("ops@shop.example", "PendingConfirmation")], ["ops@shop.example is not confirmed"]),
        ([("ops@shop.example", "Deleted")], ["ops@shop.example was unsubscribed"]),
        ([("ops@shop.example", SUBSCRIBED), ("ops@shop.example", "Deleted")], []),
        ([("ops@shop.example", SUBSCRIBED), ("old@shop.example", "Deleted")], []),
        ([], ["ops@shop.example is not subscribed"]),
        ([("old@shop.example", SUBSCRIBED)], ["ops@shop.example is not subscribed"]),
    ],
)
def test_an_alarm_address_that_gets_no_mail_is_seen_after_the_first_deployment(
    account: AwsAnswers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    subscriptions: list[tuple[str, str]],
    says: list[str],
) -> None:
    account.answers |= _deployed([{"Endpoint": it, "SubscriptionArn": arn} for it, arn in subscriptions])

    code, lines = look(monkeypatch, capsys)

    assert code == 0
    assert [line.partition(",")[0] for line in lines] == [f"warn  Alarm mail: {it}" for it in says]
    assert all("aws sns subscribe" in line and "ops@shop.example" in line for line in lines)


def test_a_stage_that_mails_no_alarms_needs_no_subscription(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.answers |= _deployed([])

    _, (line,) = look(monkeypatch, capsys, settings={**MAILING, "alarm_email": "none"})

    assert line.startswith("warn  Setting alarm_email")


def _deployed(subscriptions: list[dict[str, str]]) -> Answers:
    topic = {
        "LogicalResourceId": "AlarmsTopic",
        "PhysicalResourceId": "arn:aws:sns:eu-central-1:123456789012:alarms",
        "ResourceType": "AWS::SNS::Topic",
        "ResourceStatus": "CREATE_COMPLETE",
        "LastUpdatedTimestamp": "2026-01-31T00:00:00Z",
    }
    return {
        "cloudformation.DescribeStacks": stack(),
        "cloudformation.ListStackResources": {"StackResourceSummaries": [topic]},
        "sns.ListSubscriptionsByTopic": {"Subscriptions": subscriptions},
    }


@pytest.mark.parametrize(
    ("settings", "stage", "says"),
    [
        ({}, "dev", ["FAIL  Setting public_url", "warn  Setting alarm_email", "warn  Mail"]),
        ({"public_url": "https://s.example"}, "prod", ["FAIL  Setting alarm_email", "warn  Mail"]),
        ({**MAILING, "alarm_email": "none"}, "prod", ["warn  Setting alarm_email"]),
        ({**MAILING, "passwords_concurrency": 901}, "dev", ["FAIL  Setting passwords_concurrency"]),
        ({**MAILING, "passwords_concurrency": 900}, "dev", []),
        ({**MAILING, "lambda_concurrency": 500}, "dev", ["warn  Setting lambda_concurrency: 500"]),
    ],
)
def test_settings_that_hinder_a_deployment_or_its_use_are_named(
    account: AwsAnswers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, Any],
    stage: str,
    says: list[str],
) -> None:
    code, lines = look(monkeypatch, capsys, stage=stage, settings=settings)

    assert code == any(it.startswith("FAIL") for it in says)
    assert [line[: len(start)] for line, start in zip(lines, says, strict=True)] == says


def test_the_default_of_lambda_concurrency_is_the_stages() -> None:
    assert Stage.model_fields["lambda_concurrency"].default == preflight.LAMBDA_CONCURRENCY


def test_a_quota_that_the_concurrency_alarm_does_not_know_is_named_with_the_setting(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.answers |= {"lambda.GetAccountSettings": limit(400)}

    code, (line,) = look(monkeypatch, capsys)

    assert code == 0
    assert line.startswith("warn  Setting lambda_concurrency: 1000")
    assert "Set it to 400" in line


def test_a_region_without_ses_takes_a_stage_without_mail_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    AwsAnswers(monkeypatch, ready(), region="eu-south-2")

    code, (line,) = look(monkeypatch, capsys)
    assert code == 1
    assert "SES is not in eu-south-2" in line
    code, (line,) = look(monkeypatch, capsys, settings={**MAILING, "mail_from": None})
    assert code == 0
    assert "no mail is sent" in line


@pytest.mark.parametrize(
    ("caller", "source"),
    [
        (ADA, ADA),
        (SESSION, "arn:aws:iam::123456789012:role/teams/Deployer"),
        ("arn:aws:iam::123456789012:root", None),
        ("arn:aws:sts::123456789012:federated-user/ada", None),
    ],
)
def test_rights_are_those_of_the_user_or_of_the_role_of_a_session(
    account: AwsAnswers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caller: str,
    source: str | None,
) -> None:
    account.answers |= {"sts.GetCallerIdentity": {"Account": "123456789012", "Arn": caller}, "iam.GetRole": ROLE}

    code, lines = look(monkeypatch, capsys)

    assert code == 0
    assert {it["PolicySourceArn"] for it in account.called("iam.SimulatePrincipalPolicy")} == (
        {source} if source else set()
    )
    assert bool(lines) is (source is None)


def test_the_settings_are_those_of_the_cdk_app() -> None:
    with open("cdk.json") as file:  # noqa: PTH123
        assert preflight.settings_of("dev") == json.load(file)["context"]["settings"]["dev"]
