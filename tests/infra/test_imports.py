"""Imports: the bucket of their files, access to it, and expiry."""

from importer import handler as importer
from tests.support.template import ORIGINS, QUEUE, Synthesized, all_mappings, rules_of_the_bus


def test_a17_pages_of_the_stages_origins_may_upload_and_read_files_and_no_others(
    prod: Synthesized, dev: Synthesized
) -> None:
    (rule,) = prod.one("AWS::S3::Bucket", "ImportsFiles")["CorsConfiguration"]["CorsRules"]

    assert rule["AllowedOrigins"] == ORIGINS
    assert set(rule["AllowedMethods"]) == {"GET", "HEAD", "PUT"}
    assert rule["AllowedHeaders"] == ["Content-Type"], "S3 refuses a link that comes with Authorization"
    assert "CorsConfiguration" not in dev.one("AWS::S3::Bucket", "ImportsFiles"), "a stage without origins"


def test_the_files_are_private_and_end(prod: Synthesized) -> None:
    bucket = prod.one("AWS::S3::Bucket", "ImportsFiles")
    rules = bucket["LifecycleConfiguration"]["Rules"]

    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert [(it.get("Prefix"), it["ExpirationInDays"], it["Status"]) for it in rules] == [
        ("uploads/", 7, "Enabled"),
        (None, 30, "Enabled"),
    ]


def test_the_importer_gets_its_triggers_and_its_setting_bounds_the_workers(prod: Synthesized, dev: Synthesized) -> None:
    (rule,) = (it for name, it in rules_of_the_bus(prod).items() if name.startswith("EventsImports"))
    (mapping,) = (it for name, it in all_mappings(dev) if name == "Importer")

    assert rule["EventPattern"] == {"source": ["oms.internal"], "detail-type": ["import.look"]}
    assert mapping["BatchSize"] == 1
    assert mapping["ScalingConfig"]["MaximumConcurrency"] == 7


def test_the_importer_knows_its_last_try_and_stops_long_before_its_end(prod: Synthesized) -> None:
    variables = prod.functions()["Importer"]["Environment"]["Variables"]
    function = prod.one("AWS::Lambda::Function", "FunctionsImporter")

    assert variables["OMS_IMPORT_TRIES"] == str(prod.one(QUEUE, "EventsImports")["RedrivePolicy"]["maxReceiveCount"])
    assert function["MemorySize"] >= 1769
    assert function["Timeout"] >= 4 * importer.RESERVE_SECONDS
