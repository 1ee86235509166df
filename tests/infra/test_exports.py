"""Exports: the bucket of their files, access to it, and expiry."""

from exporter import handler as exporter
from tests.support.template import ORIGINS, QUEUE, Synthesized, all_mappings, rules_of_the_bus


def test_the_files_are_private_encrypted_and_reached_by_tls_alone(prod: Synthesized) -> None:
    bucket = prod.one("AWS::S3::Bucket", "ExportsFiles")
    statements = prod.one("AWS::S3::BucketPolicy", "ExportsFilesPolicy")["PolicyDocument"]["Statement"]

    assert bucket["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert all((it["Effect"], it["Action"], it["Principal"]) == ("Deny", "s3:*", {"AWS": "*"}) for it in statements)
    assert [it["Condition"] for it in statements] == [
        {"Bool": {"aws:SecureTransport": "false"}},
        {"NumericLessThan": {"s3:TlsVersion": 1.2}},
    ]


def test_a17_pages_of_the_stages_origins_may_read_files_and_no_others(prod: Synthesized, dev: Synthesized) -> None:
    (rule,) = prod.one("AWS::S3::Bucket", "ExportsFiles")["CorsConfiguration"]["CorsRules"]

    assert rule["AllowedOrigins"] == ORIGINS
    assert set(rule["AllowedMethods"]) == {"GET", "HEAD"}
    assert set(rule["ExposedHeaders"]) == {"Content-Disposition", "ETag"}
    assert "AllowedHeaders" not in rule, "S3 refuses a link that comes with Authorization"
    assert "CorsConfiguration" not in dev.one("AWS::S3::Bucket", "ExportsFiles"), "a stage without origins"


def test_files_end_after_thirty_days_and_incomplete_uploads_after_one(prod: Synthesized) -> None:
    (rule,) = prod.one("AWS::S3::Bucket", "ExportsFiles")["LifecycleConfiguration"]["Rules"]

    assert rule["Status"] == "Enabled"
    assert rule["ExpirationInDays"] == 30
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert not {"Prefix", "TagFilters"} & rule.keys(), "of all files"


def test_the_exporter_gets_the_looks_and_one_at_a_time(prod: Synthesized) -> None:
    (rule,) = (it for name, it in rules_of_the_bus(prod).items() if name.startswith("EventsExports"))
    (mapping,) = (it for name, it in all_mappings(prod) if name == "Exporter")

    assert rule["EventPattern"] == {"source": ["oms.internal"], "detail-type": ["export.look"]}
    assert mapping["BatchSize"] == 1
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 5}


def test_the_exporter_knows_its_queue_and_which_try_of_it_is_the_last(prod: Synthesized) -> None:
    exporter = prod.functions()["Exporter"]["Environment"]["Variables"]
    queue = prod.one(QUEUE, "EventsExports")

    assert exporter["OMS_EXPORT_TRIES"] == str(queue["RedrivePolicy"]["maxReceiveCount"])
    assert exporter["OMS_EXPORT_QUEUE_URL"]["Ref"].startswith("EventsExports")


def test_the_exporter_has_a_core_of_its_own_and_stops_long_before_its_end(prod: Synthesized) -> None:
    function = prod.one("AWS::Lambda::Function", "FunctionsExporter")

    assert function["MemorySize"] >= 1769
    assert function["Timeout"] >= 8 * exporter.RESERVE_SECONDS
