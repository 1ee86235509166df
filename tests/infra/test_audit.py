"""The audit log's sealer, and the bucket whose objects cannot be deleted."""

import json

import pytest

from infra.stages import Stage, StageError
from oms.audit import sealing
from tests.support.template import Synthesized, mappings, synthesize

BUCKET = "AWS::S3::Bucket"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    return synthesize(tmp_path_factory.mktemp("dev"), "dev", {"audit_lock_days": 7})


def retention(stage: Synthesized) -> dict[str, object]:
    lock = stage.one(BUCKET, "AuditHeads")["ObjectLockConfiguration"]
    assert lock["ObjectLockEnabled"] == "Enabled"
    return dict(lock["Rule"]["DefaultRetention"])


def test_an_object_in_the_bucket_is_locked_for_a_year_against_every_user(prod: Synthesized) -> None:
    bucket = prod.one(BUCKET, "AuditHeads")

    assert retention(prod) == {"Mode": "COMPLIANCE", "Days": 365}
    assert bucket["ObjectLockEnabled"] is True
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


def test_outside_production_a_permitted_user_can_end_the_lock(dev: Synthesized, local: Synthesized) -> None:
    assert retention(dev) == {"Mode": "GOVERNANCE", "Days": 7}
    assert retention(local)["Mode"] == "GOVERNANCE"


@pytest.mark.parametrize("days", [0, -1, 36_501, "year"])
def test_a_lock_without_sense_is_refused(days: object) -> None:
    with pytest.raises(StageError, match="audit_lock_days"):
        Stage.named("prod", {"audit_lock_days": days})


def test_the_bucket_is_encrypted_private_and_outlives_the_stack(prod: Synthesized) -> None:
    ((name, bucket),) = ((name, it) for name, it in prod.all(BUCKET).items() if name.startswith("AuditHeads"))

    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert prod.template["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"
    (policy,) = (it for it in prod.all("AWS::S3::BucketPolicy").values() if it["Bucket"] == {"Ref": name})
    assert [it["Effect"] for it in policy["PolicyDocument"]["Statement"]] == ["Deny"]
    assert prod.template["Outputs"]["AuditBucket"]["Value"] == {"Ref": name}


def test_the_sealer_gets_each_entry_once_and_all_that_is_changed_or_removed(prod: Synthesized) -> None:
    mapping = mappings(prod)["Sealer"]
    patterns = [json.loads(it["Pattern"]) for it in mapping["FilterCriteria"]["Filters"]]

    assert mapping["EventSourceArn"]["Fn::GetAtt"][0][:-8] == "DataAudit"
    assert (mapping["StartingPosition"], mapping["ParallelizationFactor"]) == ("TRIM_HORIZON", 1)
    assert mapping["BatchSize"] % sealing.MAX_BATCH == 0
    assert patterns == [
        {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["entry"]}}}},
        {"eventName": ["MODIFY"], "dynamodb": {"OldImage": {"kind": {"S": ["entry", "link"]}}}},
        {
            "eventName": ["MODIFY"],
            "dynamodb": {"OldImage": {"kind": {"S": ["denials"]}, "listing": {"S": [{"exists": True}]}}},
        },
        {"eventName": ["REMOVE"]},
    ]


def test_each_hour_and_each_night_the_sealer_searches_for_unsealed_entries(prod: Synthesized) -> None:
    rules = {name: prod.one("AWS::Events::Rule", f"Audit{name}") for name in ("Hourly", "Nightly")}

    assert {
        name: (rule["ScheduleExpression"], json.loads(rule["Targets"][0]["Input"])) for name, rule in rules.items()
    } == {
        "Hourly": ("cron(5 * * * ? *)", {"hours": 2}),
        "Nightly": ("cron(20 0 * * ? *)", {"hours": 26}),
    }
    for rule in rules.values():
        assert rule["State"] == "ENABLED"
        assert prod.function_of(rule["Targets"][0]["Arn"])[:-8] == "FunctionsSealer"


def test_the_sealer_has_time_beyond_its_deadline(prod: Synthesized) -> None:
    assert prod.functions()["Sealer"]["Timeout"] > sealing._DEADLINE_SECONDS + 30
