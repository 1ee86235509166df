"""The functions' environment: the resources and secrets that it names, and the settings that each function requires."""

import ast
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oms.core.settings import read
from tests.support.template import Resource, Synthesized

ROOT = Path(__file__).parents[2]


def test_the_statistics_know_each_queue_and_where_its_failures_end(prod: Synthesized) -> None:
    environment = prod.functions()["Admin"]["Environment"]["Variables"]
    text = "".join(
        part if isinstance(part, str) else f"<{part['Fn::GetAtt'][0]}>"
        for part in environment["OMS_QUEUES"]["Fn::Join"][1]
    )
    queues = prod.all("AWS::SQS::Queue")
    rows = [row.split(",") for row in text.split(";")]
    watched = {name for _, *pair in rows for name in pair if name}
    by_failures = {
        it["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]: name
        for name, it in queues.items()
        if "RedrivePolicy" in it
    }

    assert watched == {f"<{name}>" for name in queues}
    for name, queue, failures in rows:
        before = by_failures.get(failures.strip("<>"))
        assert queue == (f"<{before}>" if before else ""), name
    # Lambda's environment has at most 4 KB. CloudFormation's names are the stack, the logical id and 13 characters at
    # most; those of queues are cut to 80.
    longest = sum(len(key) + len(value if isinstance(value, str) else "x" * 80) for key, value in environment.items())
    named = re.sub("<(.*?)>", lambda it: "x" * min(80, len(f"Oms-prod-{it[1]}-") + 13), text)
    assert longest - 80 + len(named) < 4096


def test_secrets_are_named_by_stage_and_outlive_the_stack(prod: Synthesized) -> None:
    secrets = prod.all("AWS::SecretsManager::Secret")

    assert {secret["Name"] for secret in secrets.values()} == {
        "oms/prod/signing-keys",
        "oms/prod/pepper",
        "oms/prod/origin",
        "oms/prod/webhook-keys",
        "oms/prod/audit-keys",
        "oms/prod/address-keys",
    }
    assert all(prod.template["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate" for name in secrets)
    assert all("SecretString" not in secret for secret in secrets.values())


def test_the_environment_names_resources_and_has_no_secret(prod: Synthesized) -> None:
    environments = {name: function["Environment"]["Variables"] for name, function in prod.functions().items()}

    assert {name for name, it in environments.items() if "OMS_PEPPER_SECRET" in it} == {"Passwords", "Admin"}
    assert {name for name, it in environments.items() if "OMS_SIGNING_KEYS_SECRET" in it} == {"Auth", "Passwords"}
    assert {name for name, it in environments.items() if "OMS_EXPIRY_QUEUE_URL" in it} == {"Sweeper"}
    assert {name for name, it in environments.items() if "OMS_EVENT_BUS" in it} == {"Publisher"}
    assert {name for name, it in environments.items() if "OMS_WEBHOOK_KEYS_SECRET" in it} == {"Webhooks", "Sender"}
    assert {name for name, it in environments.items() if "OMS_AUDIT_KEYS_SECRET" in it} == {"Sealer"}
    assert {name for name, it in environments.items() if "OMS_AUDIT_BUCKET" in it} == {"Sealer"}
    assert {name for name, it in environments.items() if "OMS_STOCK_CHECK_QUEUE_URL" in it} == {"Admin", "Verifier"}
    for name, environment in environments.items():
        assert environment["OMS_STAGE"] == "prod"
        assert environment["OMS_JWKS_PARAMETER"] == "/oms/prod/jwks"
        assert environment["OMS_ORIGIN_SECRET"] == "oms/prod/origin"
        assert environment["OMS_ADDRESS_KEYS_SECRET"] == "oms/prod/address-keys"
        assert environment["POWERTOOLS_SERVICE_NAME"] == name.lower()
        assert environment["POWERTOOLS_METRICS_NAMESPACE"] == "Oms/prod"
        assert environment["POWERTOOLS_TRACER_CAPTURE_ERROR"] == "false", "an exception may name a person or a secret"
        assert environment["POWERTOOLS_TRACER_CAPTURE_RESPONSE"] == "false"
        assert "resolve:secretsmanager" not in str(environment)


# Set only if a stage sends mail, or has a daily report.
_MAY_BE_EMPTY = {"mail_from", "public_url", "mail_configuration_set"}


def test_a_function_requires_exactly_the_settings_without_default_that_it_is_given(prod: Synthesized) -> None:
    # The bus has a default for tests alone.
    without_default = {name for name, value in asdict(read({})).items() if value == ""} - _MAY_BE_EMPTY | {"event_bus"}
    for name, function in prod.functions().items():
        given = {it.removeprefix("OMS_").lower() for it in _environment_of(function)} & without_default
        required = _required_by(function["Handler"])
        assert given - _FOR_ROUTES == required, name


def test_each_function_checks_its_settings_at_its_start(prod: Synthesized) -> None:
    """`serve` calls `require`, which also checks the names of the tables, and every value."""
    for name, function in prod.functions().items():
        assert _calls_at_start(function["Handler"]) & {"require", "serve"}, name


# `serve` requires these for each function of routes; the other functions get them too.
_FOR_ROUTES = {"address_keys_secret", "jwks_parameter", "origin_secret"}


def _environment_of(function: Resource) -> dict[str, Any]:
    return dict(function.get("Environment", {}).get("Variables", {}))


def _required_by(handler: str) -> set[str]:
    """Returns the settings in the calls of `require` in the module of the handler."""
    calls = [it for it in ast.walk(_module_of(handler)) if isinstance(it, ast.Call)]
    names = [argument for it in calls if ast.unparse(it.func) == "require" for argument in it.args]
    return {ast.literal_eval(name) for name in names}


def _calls_at_start(handler: str) -> set[str]:
    """Returns the functions that the module of the handler calls when it is imported."""
    values = [it.value for it in _module_of(handler).body if isinstance(it, ast.Expr | ast.Assign)]
    return {ast.unparse(it.func) for it in values if isinstance(it, ast.Call)}


def _module_of(handler: str) -> ast.Module:
    return ast.parse((ROOT / "functions" / (handler.rpartition(".")[0].replace(".", "/") + ".py")).read_text())
