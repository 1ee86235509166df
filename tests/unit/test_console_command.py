"""The back office's part of a deployment: its files, its web ACL, and the rotation of the origin secret."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.stages import Stage
from oms.commands import console, origin_secret, web_acl
from oms.commands.deployments import has_web_acl
from tests.support.aws_answers import Answers, AwsAnswers, RefusedError

ARN = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/oms-prod-eu-central-1/0123"
FOUND = {"Name": "oms-prod-eu-central-1", "Id": "0123", "ARN": ARN}
ON: dict[str, Any] = {"console": True}


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build of the back office, in the folder where the command looks for it."""
    for name in ("index.html", "favicon.svg", "assets/index-B3x9.js", "assets/index-C1.css", "assets/inter-D2.woff2"):
        file = tmp_path / "build/console" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "build/console"


def settings(monkeypatch: pytest.MonkeyPatch, chosen: dict[str, Any]) -> None:
    monkeypatch.setattr(console, "settings_of", lambda _: chosen)


def acls(*found: dict[str, Any]) -> Answers:
    return {
        "wafv2.ListWebACLs": {"WebACLs": list(found)},
        "wafv2.CreateWebACL": {"Summary": FOUND},
        "wafv2.GetWebACL": {"LockToken": "token"},
        "wafv2.UpdateWebACL": {"NextLockToken": "next"},
        "wafv2.DeleteWebACL": {},
    }


# ---- before the deployment ------------------------------------------------------------------------------------------


def test_without_the_setting_nothing_is_checked_or_created(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    account = AwsAnswers(monkeypatch, {})
    monkeypatch.chdir(tmp_path)
    settings(monkeypatch, {})

    assert console.prepare("prod", "eu-central-1") == ""
    assert account.calls == []


@pytest.mark.parametrize(("chosen", "target"), [(ON, "console\n"), ({}, "\n"), ({"console": False}, "\n")])
def test_make_builds_the_files_for_a_stage_with_a_back_office_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], chosen: dict[str, Any], target: str
) -> None:
    account = AwsAnswers(monkeypatch, {})
    settings(monkeypatch, chosen)
    monkeypatch.setattr("sys.argv", ["console", "--stage", "prod", "--target"])

    console.main()

    assert capsys.readouterr().out == target
    assert account.calls == []


@pytest.mark.parametrize("missing", ["index.html", "assets"])
def test_a_back_office_that_is_not_built_ends_the_deployment(
    build: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    account = AwsAnswers(monkeypatch, {})
    settings(monkeypatch, ON)
    (build / missing).rename(build.parent / "elsewhere")

    with pytest.raises(SystemExit, match=r"The back office is not built: build/console/index\.html or .* is missing"):
        console.prepare("prod", "eu-central-1")
    assert account.calls == []


def test_the_web_acl_is_created_in_us_east_1_and_given_to_the_stack(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = AwsAnswers(monkeypatch, acls({**FOUND, "Name": "oms-prod-eu-west-1"}))
    settings(monkeypatch, {**ON, "console_web_acl_rate": 500})

    assert console.prepare("prod", "eu-central-1") == f"--parameters WebAclArn={ARN}"

    assert web_acl._client().meta.region_name == "us-east-1"
    (created,) = account.called("wafv2.CreateWebACL")
    assert (created["Name"], created["Scope"], created["DefaultAction"]) == (FOUND["Name"], "CLOUDFRONT", {"Allow": {}})
    rate, common, known = created["Rules"]
    assert rate["Statement"]["RateBasedStatement"]["Limit"] == 500
    assert rate["Action"]["Block"]["CustomResponse"]["ResponseCode"] == 429
    groups = [it["Statement"]["ManagedRuleGroupStatement"] for it in (common, known)]
    assert [it["Name"] for it in groups] == ["AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"]
    assert all(it["OverrideAction"] == {"None": {}} for it in (common, known)), "the groups block"
    assert json.loads(created["CustomResponseBodies"]["TooMany"]["Content"])["code"] == "too-many-requests"


# https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html, 2026-12-01
RULES_OF_AWS = {
    "AWSManagedRulesCommonRuleSet": """
        NoUserAgent_HEADER UserAgent_BadBots_HEADER SizeRestrictions_QUERYSTRING SizeRestrictions_Cookie_HEADER
        SizeRestrictions_BODY SizeRestrictions_URIPATH EC2MetaDataSSRF_BODY EC2MetaDataSSRF_COOKIE
        EC2MetaDataSSRF_URIPATH EC2MetaDataSSRF_QUERYARGUMENTS GenericLFI_QUERYARGUMENTS GenericLFI_URIPATH
        GenericLFI_BODY RestrictedExtensions_URIPATH RestrictedExtensions_QUERYARGUMENTS GenericRFI_QUERYARGUMENTS
        GenericRFI_BODY GenericRFI_URIPATH CrossSiteScripting_COOKIE CrossSiteScripting_QUERYARGUMENTS
        CrossSiteScripting_BODY CrossSiteScripting_URIPATH
    """,
    "AWSManagedRulesKnownBadInputsRuleSet": """
        JavaDeserializationRCE_HEADER JavaDeserializationRCE_BODY JavaDeserializationRCE_URIPATH
        JavaDeserializationRCE_QUERYSTRING Host_localhost_HEADER PROPFIND_METHOD ExploitablePaths_URIPATH
        Log4JRCE_HEADER Log4JRCE_QUERYSTRING Log4JRCE_BODY Log4JRCE_URIPATH ReactJSRCE_BODY
    """,
}


def test_no_rule_of_the_web_acl_refuses_a_text_that_the_api_accepts(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies and queries have texts of any content and up to 256 KB. A client may omit User-Agent."""
    account = AwsAnswers(monkeypatch, acls())
    settings(monkeypatch, ON)

    console.prepare("prod", "eu-central-1")

    (created,) = account.called("wafv2.CreateWebACL")
    for rule in created["Rules"][1:]:
        group = rule["Statement"]["ManagedRuleGroupStatement"]
        overridden = group["RuleActionOverrides"]
        assert all(it["ActionToUse"] == {"Count": {}} for it in overridden)
        assert {it["Name"] for it in overridden} == {
            name
            for name in RULES_OF_AWS[group["Name"]].split()
            if name.endswith(("_BODY", "_QUERYARGUMENTS", "_QUERYSTRING")) or name == "NoUserAgent_HEADER"
        }


def test_the_next_deployment_updates_the_rules_of_the_same_acl(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = AwsAnswers(monkeypatch, acls(FOUND))
    settings(monkeypatch, ON)

    assert console.prepare("prod", "eu-central-1") == f"--parameters WebAclArn={ARN}"

    (updated,) = account.called("wafv2.UpdateWebACL")
    assert (updated["Id"], updated["LockToken"]) == ("0123", "token")
    assert updated["Rules"][0]["Statement"]["RateBasedStatement"]["Limit"] == 10_000
    assert not account.called("wafv2.CreateWebACL")


def test_an_acl_on_a_later_page_of_the_list_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(params: dict[str, Any]) -> dict[str, Any]:
        return {"WebACLs": [FOUND]} if "NextMarker" in params else {"WebACLs": [], "NextMarker": "more"}

    account = AwsAnswers(monkeypatch, acls() | {"wafv2.ListWebACLs": page})

    assert web_acl.delete("oms-prod-eu-central-1")
    assert account.called("wafv2.DeleteWebACL")


def test_the_stack_and_the_command_agree_on_the_web_acl() -> None:
    assert Stage.model_fields["console_web_acl_rate"].default == web_acl.REQUESTS_IN_FIVE_MINUTES
    for stage in ("dev", "prod"):
        for chosen in ({}, ON, {**ON, "console_web_acl": True}, {**ON, "console_web_acl": False}):
            expected = Stage.named(stage, {**chosen, "alarm_email": "none"}).has_web_acl
            assert has_web_acl(stage, chosen) == expected, (stage, chosen)


# ---- after it -------------------------------------------------------------------------------------------------------


def stack(**outputs: str) -> Answers:
    listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    described = {"StackName": "Oms-prod", "CreationTime": "2026-01-31T00:00:00Z", "StackStatus": "CREATE_COMPLETE"}
    return {"cloudformation.DescribeStacks": {"Stacks": [{**described, "Outputs": listed}]}}


def test_new_files_are_there_before_the_page_that_names_them_and_old_ones_stay(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = stack(ConsoleBucket="files", ApiUrl="https://office.shop.example")
    account = AwsAnswers(monkeypatch, outputs | {"s3.PutObject": {}})
    said: list[str] = []

    console.publish("prod", say=said.append)

    uploads = account.called("s3.PutObject")
    assert [it["Key"] for it in uploads][-1] == "index.html"
    assert {it["Key"]: (it["ContentType"], it["CacheControl"]) for it in uploads} == {
        "assets/index-B3x9.js": ("text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        "assets/index-C1.css": ("text/css; charset=utf-8", "public, max-age=31536000, immutable"),
        "assets/inter-D2.woff2": ("font/woff2", "public, max-age=31536000, immutable"),
        "favicon.svg": ("image/svg+xml", "no-cache"),
        "index.html": ("text/html; charset=utf-8", "no-cache"),
    }
    assert {name for name, _ in account.calls} == {"cloudformation.DescribeStacks", "s3.PutObject"}, "none is deleted"
    assert said == ["5 files of the back office are uploaded: https://office.shop.example"]


def test_a_stage_without_a_back_office_gets_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    account = AwsAnswers(monkeypatch, stack(ApiUrl="https://api.shop.example"))

    console.publish("prod")

    assert {name for name, _ in account.calls} == {"cloudformation.DescribeStacks"}


# ---- the rotation of the origin secret ------------------------------------------------------------------------------


class Secret:
    """The secret of a stage, as the functions would load it, and what its distribution sends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        self.value = self.sent = value
        self.seen: list[tuple[str, str]] = []
        monkeypatch.setattr(origin_secret, "read_secret", lambda _: self.value)
        monkeypatch.setattr(origin_secret, "secrets_client", lambda: self)
        monkeypatch.setattr(origin_secret, "_send", self._send)
        answer = {"cloudfront.GetDistribution": {"Distribution": DEPLOYED}}
        AwsAnswers(monkeypatch, answer)

    def put_secret_value(self, *, SecretId: str, SecretString: str) -> None:  # noqa: N803 - AWS's names
        assert SecretId == "oms/prod/origin"
        self.value = SecretString
        self.seen.append((self.sent, self.value))

    def _send(self, distribution_id: str, secret: str) -> None:
        assert distribution_id == "E123"
        self.sent = secret
        self.seen.append((self.sent, self.value))

    def sleep(self, seconds: float) -> None:
        assert seconds > 300, "the functions load the secret again after five minutes"
        self.seen.append(("slept", ""))


DEPLOYED = {
    "Id": "E123",
    "ARN": "arn:aws:cloudfront::123456789012:distribution/E123",
    "Status": "Deployed",
    "LastModifiedTime": "2026-01-31T00:00:00Z",
    "InProgressInvalidationBatches": 0,
    "DomainName": "d123.cloudfront.net",
    "DistributionConfig": {
        "CallerReference": "1",
        "Comment": "",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [{"Id": "files", "DomainName": "files.s3.amazonaws.com"}]},
        "DefaultCacheBehavior": {"TargetOriginId": "1", "ViewerProtocolPolicy": "https-only"},
    },
}


@pytest.mark.parametrize("begins_with", ["the-old", "the-old,the-new"])
def test_a33_at_each_moment_of_a_rotation_the_secret_that_is_sent_is_accepted(
    monkeypatch: pytest.MonkeyPatch, begins_with: str
) -> None:
    monkeypatch.setattr(origin_secret.secrets, "token_hex", lambda _: "the-new")
    secret = Secret(monkeypatch, begins_with)
    secret.sent = "the-old"

    origin_secret.rotate("prod", "E123", sleep=secret.sleep)

    assert secret.seen == [
        ("the-old", "the-old,the-new"),
        ("slept", ""),
        ("the-new", "the-old,the-new"),
        ("the-new", "the-new"),
    ]


def test_only_the_header_of_the_distribution_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    header = {"HeaderName": "X-Origin-Secret", "HeaderValue": "the-old"}
    origins = [
        {"Id": "files", "DomainName": "files.s3.amazonaws.com", "CustomHeaders": {"Quantity": 0}},
        {"Id": "api", "DomainName": "abc.execute-api", "CustomHeaders": {"Quantity": 1, "Items": [header]}},
    ]
    config = {**DEPLOYED["DistributionConfig"], "Origins": {"Quantity": 2, "Items": origins}}  # type: ignore[dict-item]
    account = AwsAnswers(
        monkeypatch,
        {
            "cloudfront.GetDistributionConfig": {"ETag": "E1", "DistributionConfig": json.loads(json.dumps(config))},
            "cloudfront.UpdateDistribution": {},
        },
    )

    origin_secret._send("E123", "the-new")

    (updated,) = account.called("cloudfront.UpdateDistribution")
    header["HeaderValue"] = "the-new"
    assert updated == {"Id": "E123", "IfMatch": "E1", "DistributionConfig": config}


def test_a_stage_without_a_distribution_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = {"sts.GetCallerIdentity": {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/ada"}}
    AwsAnswers(monkeypatch, stack(ApiUrl="https://api.shop.example") | caller)
    monkeypatch.setattr("sys.argv", ["origin_secret", "--stage", "prod"])

    with pytest.raises(SystemExit, match="has no distribution of its own"):
        origin_secret.main()


def test_a_distribution_that_lost_its_header_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    account = AwsAnswers(
        monkeypatch,
        {"cloudfront.GetDistributionConfig": {"ETag": "E1", "DistributionConfig": DEPLOYED["DistributionConfig"]}},
    )

    with pytest.raises(LookupError, match="no origin with the header"):
        origin_secret._send("E123", "the-new")
    assert not account.called("cloudfront.UpdateDistribution")


def test_a_refused_acl_ends_the_deployment(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: Answers = {"wafv2.ListWebACLs": RefusedError("AccessDeniedException", "may not list")}
    caller = {"sts.GetCallerIdentity": {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/ada"}}
    AwsAnswers(monkeypatch, caller | refused)
    settings(monkeypatch, ON)
    monkeypatch.setattr("sys.argv", ["console", "--stage", "prod", "--prepare"])

    with pytest.raises(SystemExit, match="may not list"):
        console.main()
