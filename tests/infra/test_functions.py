"""The functions' common settings, and who may reach what."""

import ast
import json
import re
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oms.core.settings import read
from oms.identity.models import User
from oms.stock_ledger import check as stock_check
from sweeper import worker
from tests.support.recorder import FUNCTIONS
from tests.support.template import HTTP, Resource, Synthesized, listed
from verifier import handler as verifier

ROOT = Path(__file__).parents[2]

HANDLERS = {
    "Auth": "auth.handler.lambda_handler",
    "Passwords": "auth.passwords.lambda_handler",
    "Inventory": "inventory.handler.lambda_handler",
    "Orders": "orders.handler.lambda_handler",
    "Admin": "admin.handler.lambda_handler",
    "Webhooks": "webhooks.handler.lambda_handler",
    "Reports": "reports.handler.lambda_handler",
    "Docs": "docs.handler.lambda_handler",
    "Publisher": "publisher.handler.lambda_handler",
    "Feeder": "feeder.handler.lambda_handler",
    "Dispatcher": "dispatcher.handler.lambda_handler",
    "Sender": "sender.handler.lambda_handler",
    "Replayer": "sweeper.replays.lambda_handler",
    "Aggregator": "aggregator.handler.lambda_handler",
    "Notifier": "notifier.handler.lambda_handler",
    "Sweeper": "sweeper.handler.lambda_handler",
    "Expiry": "sweeper.worker.lambda_handler",
    "Bookkeeper": "bookkeeper.handler.lambda_handler",
    "Scheduler": "scheduler.handler.lambda_handler",
    "Verifier": "verifier.handler.lambda_handler",
    "Sealer": "sealer.handler.lambda_handler",
    "Exporter": "exporter.handler.lambda_handler",
}

READ = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
WRITE = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"}
PUT = {"dynamodb:PutItem", "dynamodb:UpdateItem"}
APPEND = PUT
SECRET = {"secretsmanager:GetSecretValue"}
PARAMETER = {"ssm:GetParameter"}
SEND = {"sqs:SendMessage"}
# What CDK gives Lambda, which sends there what a batch of a stream fails with.
FAIL = SEND | {"sqs:GetQueueAttributes", "sqs:GetQueueUrl"}
CONSUME = {
    "sqs:ReceiveMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueUrl",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
}
STREAM = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}
TRACE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
# Session and user of who asks, and the counts of a minute: see the tests of the counts.
WHO = {"dynamodb:BatchGetItem", "dynamodb:UpdateItem"}
# Everything that each function may do, beside its own logs and traces. What is not here is not granted.
ALLOWED = {
    "Auth": {
        "DataIdentity": {"dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem"},
        "DataAudit": {"dynamodb:PutItem"},
        "KeysSigningKeys": SECRET,
        "KeysOrigin": SECRET,
        "KeysAddressKeys": SECRET,
        "parameter": PARAMETER,
    },
    "Passwords": {
        "DataIdentity": {"dynamodb:BatchGetItem", "dynamodb:GetItem"} | WRITE,
        "DataAudit": {"dynamodb:PutItem"},
        "KeysSigningKeys": SECRET,
        "KeysPepper": SECRET,
        "KeysOrigin": SECRET,
        "KeysAddressKeys": SECRET,
        "parameter": PARAMETER,
    },
    "Inventory": {
        "DataIdentity": WHO,
        "DataInventory": READ | PUT | {"dynamodb:DeleteItem"},
        "DataAudit": APPEND,
        "KeysOrigin": SECRET,
        "KeysAddressKeys": SECRET,
        "parameter": PARAMETER,
    },
    "Orders": {
        "DataIdentity": WHO,
        "DataInventory": {"dynamodb:BatchGetItem", "dynamodb:UpdateItem"},
        "DataOrders": READ | PUT,
        "DataAudit": APPEND,
        "KeysOrigin": SECRET,
        "KeysAddressKeys": SECRET,
        "parameter": PARAMETER,
    },
    "Admin": {
        "DataIdentity": READ | {"dynamodb:UpdateItem", "dynamodb:DeleteItem"},
        "DataInventory": READ | PUT | {"dynamodb:ConditionCheckItem"},
        "DataReports": {"dynamodb:BatchGetItem", "dynamodb:Query"},
        "DataWebhooks": {"dynamodb:BatchGetItem"},
        "DataAudit": APPEND | {"dynamodb:Query", "dynamodb:BatchGetItem"},
        "KeysPepper": SECRET,
        "KeysOrigin": SECRET,
        "KeysAddressKeys": SECRET,
        "StockBookCheck": SEND | {"sqs:GetQueueAttributes"},
        "parameter": PARAMETER,
    },
    "Webhooks": {
        "DataIdentity": WHO,
        "DataEvents": {"dynamodb:GetItem", "dynamodb:Query"},
        "DataWebhooks": {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:DeleteItem"} | PUT,
        "DataAudit": APPEND,
        "KeysWebhookKeys": SECRET,
        "KeysOrigin": SECRET,
        "KeysAddressKeys": SECRET,
        "WebhooksDeliveries": SEND,
        "WebhooksSlowDeliveries": SEND,
        "WebhooksReplays": SEND,
        "parameter": PARAMETER,
    },
    "Reports": {
        "DataIdentity": WHO,
        "DataReports": READ | {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"},
        "ExportsFiles": {"s3:GetObject"},
        "DataInventory": {"dynamodb:BatchGetItem"},
        "DataAudit": APPEND,
        "KeysOrigin": SECRET,
        "KeysAddressKeys": SECRET,
        "parameter": PARAMETER,
    },
    "Docs": {"parameter": PARAMETER},
    "Publisher": {
        "DataOrdersStream": STREAM,
        "DataInventoryStream": STREAM,
        "DataIdentityStream": STREAM,
        "DataWebhooksStream": STREAM,
        "DataReportsStream": STREAM,
        "DataInventory": {"dynamodb:BatchGetItem"},
        "EventsBus": {"events:PutEvents"},
        "EventsPublisherPoison": FAIL,
    },
    "Exporter": {
        "DataOrders": {"dynamodb:Query", "dynamodb:BatchGetItem"},
        "DataInventory": {"dynamodb:Query", "dynamodb:BatchGetItem"},
        "DataReports": {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"},
        "DataIdentity": {"dynamodb:BatchGetItem"},
        "ExportsFiles": {
            *("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"),
            *("s3:ListBucket", "s3:ListBucketMultipartUploads"),
        },
        "EventsExports": SEND | CONSUME,
    },
    "Feeder": {
        "DataEvents": {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem"},
        "EventsFeed": CONSUME,
    },
    "Aggregator": {
        "DataIdentity": {"dynamodb:UpdateItem"},
        "DataReports": {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        "EventsAggregates": CONSUME,
    },
    "Dispatcher": {
        "DataWebhooks": {"dynamodb:Query", "dynamodb:PutItem"},
        "DataIdentity": {"dynamodb:BatchGetItem"},
        "EventsDispatch": CONSUME,
        "WebhooksDeliveries": SEND,
        "WebhooksSlowDeliveries": SEND,
    },
    "Sender": {
        "DataWebhooks": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
        "DataAudit": {"dynamodb:PutItem"},
        "DataIdentity": {"dynamodb:BatchGetItem"},
        "KeysWebhookKeys": SECRET,
        "WebhooksDeliveries": SEND | CONSUME,
        "WebhooksSlowDeliveries": SEND | CONSUME,
    },
    "Replayer": {
        "DataWebhooks": {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"},
        "WebhooksReplays": SEND | CONSUME,
        "WebhooksDeliveries": SEND,
        "WebhooksSlowDeliveries": SEND,
    },
    "Sweeper": {
        "ExpiryQueue": SEND,
        "DataWebhooks": {"dynamodb:Query", "dynamodb:DeleteItem"},
        "WebhooksDeliveries": SEND | {"sqs:GetQueueAttributes"},
        "WebhooksSlowDeliveries": SEND | {"sqs:GetQueueAttributes"},
        "WebhooksReplays": SEND,
    },
    "Expiry": {
        "DataInventory": {"dynamodb:UpdateItem"},
        "DataOrders": READ | {"dynamodb:UpdateItem"},
        "ExpiryQueue": CONSUME,
    },
    "Notifier": {
        "DataIdentity": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"},
        "KeysAddressKeys": SECRET,
        "EventsMail": CONSUME,
        "EventsMailRequests": CONSUME,
        "DataWebhooks": {"dynamodb:GetItem"},
        "DataReports": {"dynamodb:GetItem"},
        # SES checks what is verified, the address or a domain above it, and the configuration set.
        "identity/shop@mail.shop.example": {"ses:SendEmail"},
        "identity/mail.shop.example": {"ses:SendEmail"},
        "identity/shop.example": {"ses:SendEmail"},
        "configuration-set/oms-prod": {"ses:SendEmail"},
    },
    "Bookkeeper": {
        "DataInventory": {"dynamodb:PutItem"},
        "DataReports": {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        "DataInventoryStream": STREAM,
        "StockBookBookkeeperPoison": FAIL,
    },
    "Sealer": {
        "DataAudit": {"dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:PutItem"},
        "DataAuditStream": STREAM,
        "AuditSealerPoison": FAIL,
        "AuditHeads/heads/*": {"s3:PutObject"},
        "KeysAuditKeys": SECRET,
    },
    "Scheduler": {
        "DataReports": {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        "DataAudit": {"dynamodb:PutItem"},
        "DataIdentity": {"dynamodb:BatchGetItem"},
        "EventsSchedules": CONSUME,
        "SchedulesScheduleRuns": CONSUME,
        "schedule/oms-prod/*": {"scheduler:CreateSchedule", "scheduler:DeleteSchedule"},
        "SchedulesRole": {"iam:PassRole"},
    },
    "Verifier": {
        "DataInventory": READ | PUT | {"dynamodb:DeleteItem"},
        "DataOrders": {"dynamodb:BatchGetItem", "dynamodb:Query"},
        "StockBookCheck": SEND | CONSUME,
    },
}


# How deep a queue is, the statistics ask of each.
WATCH = {"sqs:GetQueueAttributes"}


def grants(prod: Synthesized) -> dict[str, dict[str, set[str]]]:
    """function → name of the resource → actions"""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for policy in prod.all("AWS::IAM::Policy").values():
        (role,) = policy["Roles"]
        if not role["Ref"].startswith("Functions"):
            continue  # what EventBridge Scheduler may do is tested with the schedules
        function = role["Ref"].removeprefix("Functions").split("Role")[0]
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            actions = statement["Action"]
            for resource in listed(statement["Resource"]):
                found[function][resource_name(resource)] |= set(listed(actions))
    return found


def resource_name(resource: Any) -> str:
    if resource == "*":
        return "*"
    if "Fn::GetAtt" in resource:
        name, attribute = resource["Fn::GetAtt"]
        return str(name)[:-8] + ("Stream" if attribute == "StreamArn" else "")
    if "Ref" in resource:
        return str(resource["Ref"])[:-8]
    parts = resource["Fn::Join"][1]
    if parts[-1] in ("/index/*", "/*"):  # a table's indexes, a bucket's objects
        return resource_name(parts[0])
    if parts[-1] == "/heads/*":
        return resource_name(parts[0]) + parts[-1]
    if parts[-1].startswith((":identity/", ":configuration-set/", ":schedule/")):
        return str(parts[-1]).removeprefix(":")
    assert parts[-1] == ":parameter/oms/prod/jwks", f"a resource that no test knows: {resource}"
    return "parameter"


def test_each_function_may_do_exactly_what_it_needs(prod: Synthesized) -> None:
    found = grants(prod)
    for function, resources in found.items():
        assert resources.pop("*") == TRACE
        assert resources.pop(f"Functions{function}Logs") == LOG
    for queue in (name[:-8] for name in prod.all("AWS::SQS::Queue")):
        assert found["Admin"][queue] >= WATCH
        if found["Admin"][queue] == WATCH:
            del found["Admin"][queue]

    assert found == ALLOWED


def test_the_statistics_know_each_queue_and_where_its_failures_end(prod: Synthesized) -> None:
    environment = prod.functions()["Admin"]["Environment"]["Variables"]
    text = "".join(
        part if isinstance(part, str) else f"<{part['Fn::GetAtt'][0]}>"
        for part in environment["OMS_QUEUES"]["Fn::Join"][1]
    )
    queues = prod.all("AWS::SQS::Queue")
    watched = {name for _, *pair in json.loads(text) for name in pair if name}
    by_failures = {
        it["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]: name
        for name, it in queues.items()
        if "RedrivePolicy" in it
    }

    assert watched == {f"<{name}>" for name in queues}
    for name, queue, failures in json.loads(text):
        before = by_failures.get(failures.strip("<>"))
        assert queue == (f"<{before}>" if before else ""), name
    # SQS's names are 80 characters at most; Lambda's environment takes 4 KB.
    longest = sum(len(key) + len(value if isinstance(value, str) else "x" * 80) for key, value in environment.items())
    assert longest - 80 + len(re.sub("<.*?>", "x" * 80, text)) < 4096


def test_only_the_sign_in_functions_can_read_private_keys(prod: Synthesized) -> None:
    readers = {name for name, resources in grants(prod).items() if "KeysSigningKeys" in resources}

    assert readers == {"Auth", "Passwords"}


def test_only_what_works_with_passwords_and_digests_of_addresses_can_read_the_pepper(prod: Synthesized) -> None:
    readers = {name for name, resources in grants(prod).items() if "KeysPepper" in resources}

    assert readers == {"Passwords", "Admin"}


def test_only_the_sealer_can_read_the_key_that_signs_the_audit_log(prod: Synthesized) -> None:
    readers = {name for name, resources in grants(prod).items() if "KeysAuditKeys" in resources}

    assert readers == {"Sealer"}


def conditions_on(synthesized: Synthesized, table: str, *actions: str) -> dict[str, list[Any]]:
    """Function → the condition of each statement that lets it do one of these with items of the table."""
    found: dict[str, list[Any]] = defaultdict(list)
    for policy in synthesized.all("AWS::IAM::Policy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            on_table = any(resource_name(it) == table for it in listed(statement["Resource"]))
            if on_table and {f"dynamodb:{it}" for it in actions} & set(listed(statement["Action"])):
                function = policy["Roles"][0]["Ref"].removeprefix("Functions").split("Role")[0]
                found[function].append(statement.get("Condition"))
    return found


def only(*partitions: str) -> dict[str, Any]:
    return {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(partitions)}}


def test_functions_that_work_for_users_can_write_nothing_of_users_but_their_counts(prod: Synthesized) -> None:
    writers = conditions_on(prod, "DataIdentity", "PutItem", "UpdateItem")

    assert writers["Orders"] == [only("slot#user#*", "slot#orders#*")]
    assert [writers[name] for name in ("Inventory", "Webhooks", "Reports")] == [[only("slot#user#*")]] * 3


def test_only_who_keeps_accounts_reads_more_than_users_by_their_keys(prod: Synthesized) -> None:
    readers = conditions_on(prod, "DataIdentity", "GetItem", "BatchGetItem", "Query")
    everything = {name for name, conditions in readers.items() if None in conditions}

    assert everything == {"Auth", "Passwords", "Admin"}
    assert readers["Auth"].count(None) == 1, "its Query has a condition"
    mails = ("mail#*", "mail-request#*", "email#*", "mailbox#*", "unverified-mails#*")
    assert readers["Notifier"] == [only("user#*", *mails)]
    assert [readers[name] for name in ("Reports", "Scheduler")] == [[only("user#*", "email#*")]] * 2
    others = set(readers) - everything - {"Notifier", "Reports", "Scheduler"}
    assert others == {"Inventory", "Orders", "Webhooks", "Dispatcher", "Sender", "Exporter"}
    assert all(readers[name] == [only("user#*")] for name in others)


def test_only_admins_functions_reads_the_index_of_users(prod: Synthesized) -> None:
    readers = {
        policy["Roles"][0]["Ref"].removeprefix("Functions").split("Role")[0]
        for policy in prod.all("AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if "dynamodb:Query" in listed(statement["Action"])
        and any(
            "/index/" in json.dumps(it) and "DataIdentity" in json.dumps(it) for it in listed(statement["Resource"])
        )
    }

    assert readers == {"Admin"}


def test_the_aggregator_can_count_open_orders_and_change_nothing_else_of_a_user(prod: Synthesized) -> None:
    assert conditions_on(prod, "DataIdentity", "UpdateItem", "PutItem")["Aggregator"] == [
        only("user#*")
        | {
            "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", User.open_orders.attr_name]},
            "StringEqualsIfExists": {"dynamodb:ReturnValues": ["NONE", "UPDATED_OLD", "UPDATED_NEW"]},
        }
    ]


def test_only_the_sealer_can_write_anything_but_entries_into_the_audit_log(prod: Synthesized) -> None:
    writers = conditions_on(prod, "DataAudit", "PutItem", "UpdateItem")

    assert writers.pop("Sealer") == [only("links#*", "chain")], "and it no entries"
    assert len(writers) > 5
    assert all(conditions == [only("day#*")] for conditions in writers.values())


def test_nobody_can_take_anything_out_of_the_audit_log(prod: Synthesized) -> None:
    assert not any("dynamodb:DeleteItem" in resources.get("DataAudit", ()) for resources in grants(prod).values())


def test_no_function_may_scan_a_table_or_use_a_managed_policy(prod: Synthesized) -> None:
    actions = {action for resources in grants(prod).values() for granted in resources.values() for action in granted}

    assert not any("Scan" in action or action.endswith("*") for action in actions)
    roles = prod.all("AWS::IAM::Role")
    assert len([name for name in roles if name.startswith("Functions")]) == len(HANDLERS)
    assert not any("ManagedPolicyArns" in role for name, role in roles.items() if name.startswith("Functions"))


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


def test_the_handlers_are_the_contract(prod: Synthesized) -> None:
    assert {name: function["Handler"] for name, function in prod.functions().items()} == HANDLERS
    assert {name: f"{module}.lambda_handler" for module, name in FUNCTIONS.items()} == HANDLERS


def test_every_function_has_the_common_defaults(prod: Synthesized) -> None:
    layers = list(prod.all("AWS::Lambda::LayerVersion"))
    groups = prod.all("AWS::Logs::LogGroup")
    assert len(layers) == 2
    for function in prod.functions().values():
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["arm64"]
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert [layer["Ref"] for layer in function["Layers"]] == layers
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


def test_a_request_ends_by_its_own_limits_before_lambda_or_the_gateway_end_it(prod: Synthesized) -> None:
    """28 s are the most that the code's own limits allow; the HTTP API gives up after 30 s."""
    timeouts = {name: function["Timeout"] for name, function in prod.functions().items() if name in HTTP}

    assert set(timeouts) == HTTP
    assert all(28 < seconds < 30 for seconds in timeouts.values())


def test_the_expiry_worker_has_time_beyond_the_reserve_for_its_last_hold(prod: Synthesized) -> None:
    assert prod.functions()["Expiry"]["Timeout"] >= 2 * worker.RESERVE_SECONDS


def test_the_verifier_has_the_core_and_the_time_that_lambda_gives(prod: Synthesized) -> None:
    function = prod.functions()["Verifier"]

    assert (function["MemorySize"], function["Timeout"]) == (1769, 900)
    assert function["Timeout"] >= 2 * verifier.RESERVE_SECONDS
    assert stock_check._WORKER_LEASE.total_seconds() > function["Timeout"]


def test_passwords_get_a_full_core_and_can_be_capped(prod: Synthesized, local: Synthesized) -> None:
    assert prod.functions()["Passwords"]["MemorySize"] == 1769
    assert prod.functions()["Passwords"]["ReservedConcurrentExecutions"] == 20
    assert "ReservedConcurrentExecutions" not in local.functions()["Passwords"]


def test_the_environment_names_things_and_holds_no_secret(prod: Synthesized) -> None:
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


# Set only where a stage sends mail, or asks for a daily report.
_MAY_BE_EMPTY = {"mail_from", "public_url", "mail_configuration_set"}


def test_a_function_requires_exactly_the_settings_without_default_that_it_is_given(prod: Synthesized) -> None:
    without_default = {name for name, value in asdict(read({})).items() if value == ""} - _MAY_BE_EMPTY
    for name, function in prod.functions().items():
        given = {it.removeprefix("OMS_").lower() for it in _environment_of(function)} & without_default
        required = _required_by(function["Handler"])
        assert given - _FOR_ROUTES == required, name


# `serve` requires these for each function of routes; the others are given them too.
_FOR_ROUTES = {"address_keys_secret", "jwks_parameter", "origin_secret"}


def _environment_of(function: Resource) -> dict[str, Any]:
    return dict(function.get("Environment", {}).get("Variables", {}))


def _required_by(handler: str) -> set[str]:
    """From the calls of `require` in the module of the handler."""
    source = (ROOT / "functions" / (handler.rpartition(".")[0].replace(".", "/") + ".py")).read_text()
    calls = [it for it in ast.walk(ast.parse(source)) if isinstance(it, ast.Call) and ast.unparse(it.func) == "require"]
    return {ast.literal_eval(argument) for call in calls for argument in call.args}
