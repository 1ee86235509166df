"""The functions' grants: everything that each may do with the resources of the stack."""

import json
from collections import defaultdict
from typing import Any

from oms.identity.models import User
from tests.support.template import HTTP, Synthesized, listed

READ = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
WRITE = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"}
PUT = {"dynamodb:PutItem", "dynamodb:UpdateItem"}
APPEND = PUT
SECRET = {"secretsmanager:GetSecretValue"}
PARAMETER = {"ssm:GetParameter"}
SEND = {"sqs:SendMessage"}
# CDK's grant for Lambda, which sends failed batches of a stream there.
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
# Session and user of the caller, or the service key, and the counts of a minute: see the tests of the counts.
WHO = {"dynamodb:BatchGetItem", "dynamodb:UpdateItem"}
# Everything that each function may do, besides its own logs and traces. All other actions are not granted.
ALLOWED = {
    "Auth": {
        "DataIdentity": {"dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem"},
        "DataAudit": APPEND,
        "KeysSigningKeys": SECRET,
        "KeysOrigin": SECRET,
        "KeysAddressKeys": SECRET,
        "parameter": PARAMETER,
    },
    "Passwords": {
        "DataIdentity": {"dynamodb:BatchGetItem", "dynamodb:GetItem"} | WRITE,
        "DataAudit": APPEND,
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
        "DataInventory": {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem", "dynamodb:PutItem"},
        "DataOrders": READ | PUT,
        "DataSearch": {"dynamodb:Query"},
        "DataAudit": APPEND,
        "KeysOrigin": SECRET,
        "KeysAddressKeys": SECRET,
        "parameter": PARAMETER,
    },
    "Admin": {
        "DataIdentity": READ | PUT | {"dynamodb:DeleteItem"},
        "DataInventory": READ | PUT | {"dynamodb:ConditionCheckItem"},
        "DataOrders": {"dynamodb:BatchGetItem", "dynamodb:Query"},
        "DataSearch": {"dynamodb:Query"},
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
        "DataWebhooks": READ | {"dynamodb:DeleteItem"} | PUT,
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
        "ImportsFiles": {"s3:GetObject", "s3:PutObject", "s3:ListBucket"},
        "DataInventory": {"dynamodb:BatchGetItem"},
        "DataAudit": APPEND,
        "KeysOrigin": SECRET,
        "KeysAddressKeys": SECRET,
        "parameter": PARAMETER,
    },
    # The secret only because the stage has a back office, whose distribution sends it.
    "Docs": {"parameter": PARAMETER, "KeysOrigin": SECRET},
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
    "Importer": {
        "DataInventory": READ - {"dynamodb:Query"} | PUT | {"dynamodb:DeleteItem"},
        "DataOrders": {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem"},
        "DataIdentity": {"dynamodb:BatchGetItem"},
        "DataReports": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
        "DataAudit": {"dynamodb:PutItem"},
        "ImportsFiles": {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"},
        "EventsImports": SEND | CONSUME,
    },
    "Feeder": {
        "DataEvents": {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        "EventsFeed": CONSUME,
    },
    "Aggregator": {
        "DataIdentity": {"dynamodb:UpdateItem"},
        "DataReports": {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        "EventsAggregates": CONSUME,
    },
    "Dispatcher": {
        "DataWebhooks": {"dynamodb:Query", "dynamodb:PutItem", "dynamodb:BatchGetItem"},
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
        "DataOrders": {"dynamodb:GetItem"},
        # SES checks the verified identity, the address or a parent domain, and the configuration set.
        "identity/shop@mail.shop.example": {"ses:SendEmail"},
        "identity/mail.shop.example": {"ses:SendEmail"},
        "identity/shop.example": {"ses:SendEmail"},
        "configuration-set/oms-prod": {"ses:SendEmail"},
    },
    "Finder": {
        "DataOrdersStream": STREAM,
        "DataOrders": {"dynamodb:BatchGetItem"},
        "DataSearch": {"dynamodb:BatchWriteItem"},
        "SearchFinderPoison": FAIL,
        "KeysAddressKeys": SECRET,
    },
    "Bookkeeper": {
        "DataInventory": {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
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


# The statistics read the depth of each queue.
WATCH = {"sqs:GetQueueAttributes"}


def grants(prod: Synthesized) -> dict[str, dict[str, set[str]]]:
    """function → name of the resource → actions"""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for policy in prod.all("AWS::IAM::Policy").values():
        (role,) = policy["Roles"]
        if not role["Ref"].startswith("Functions"):
            continue  # the tests of schedules cover the role of EventBridge Scheduler
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


def test_each_function_has_exactly_the_grants_that_it_needs(prod: Synthesized) -> None:
    found = grants(prod)
    for function, resources in found.items():
        assert resources.pop("*") == TRACE
        own = resources.pop(f"Functions{'Requests' if function in HTTP else function}Logs")
        # The request log is read from the log group of all functions with routes.
        assert own == LOG | ({"logs:FilterLogEvents"} if function == "Admin" else set())
    for queue in (name[:-8] for name in prod.all("AWS::SQS::Queue")):
        assert found["Admin"][queue] >= WATCH
        if found["Admin"][queue] == WATCH:
            del found["Admin"][queue]

    assert found == ALLOWED


def test_only_the_sign_in_functions_can_read_private_keys(prod: Synthesized) -> None:
    readers = {name for name, resources in grants(prod).items() if "KeysSigningKeys" in resources}

    assert readers == {"Auth", "Passwords"}


def test_only_functions_with_passwords_and_digests_of_addresses_can_read_the_pepper(prod: Synthesized) -> None:
    readers = {name for name, resources in grants(prod).items() if "KeysPepper" in resources}

    assert readers == {"Passwords", "Admin"}


def test_only_the_sealer_can_read_the_key_that_signs_the_audit_log(prod: Synthesized) -> None:
    readers = {name for name, resources in grants(prod).items() if "KeysAuditKeys" in resources}

    assert readers == {"Sealer"}


def conditions_on(synthesized: Synthesized, table: str, *actions: str) -> dict[str, list[Any]]:
    """Returns function → the condition of each statement that allows one of these actions on items of the table."""
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


def test_functions_of_routes_can_write_only_the_counts_of_users_and_keys(prod: Synthesized) -> None:
    writers = conditions_on(prod, "DataIdentity", "PutItem", "UpdateItem")
    counts = ("slot#user#*", "slot#key#*", "key-use#*")

    assert writers["Orders"] == [
        only(*counts, "slot#orders#*", "slot#contact-orders#*", "slot#guest-orders#*", "slot#address#*")
    ]
    assert writers["Inventory"] == [only(*counts, "slot#address#*")]
    assert [writers[name] for name in ("Webhooks", "Reports")] == [[only(*counts)]] * 2


def test_only_admins_function_writes_service_keys_and_it_creates_no_user(prod: Synthesized) -> None:
    writers = conditions_on(prod, "DataIdentity", "PutItem")

    assert writers["Admin"] == [only("keys", "key#*")]
    assert writers.keys() == {"Admin", "Passwords", "Notifier"}


def test_orders_put_only_moves_of_units_between_shards_and_snapshots_of_shards(prod: Synthesized) -> None:
    assert conditions_on(prod, "DataInventory", "PutItem")["Orders"] == [only("adjustment#*"), only("snapshot#*")]
    assert conditions_on(prod, "DataInventory", "GetItem")["Orders"] == [only("snapshot#*")]


def test_only_functions_of_accounts_read_more_than_users_by_their_keys(prod: Synthesized) -> None:
    readers = conditions_on(prod, "DataIdentity", "GetItem", "BatchGetItem", "Query")
    everything = {name for name, conditions in readers.items() if None in conditions}

    assert everything == {"Auth", "Passwords", "Admin"}
    assert readers["Auth"].count(None) == 1, "its Query has a condition"
    mails = ("mail#*", "mail-request#*", "email#*", "mailbox#*", "unverified-mails#*")
    assert readers["Notifier"] == [only("user#*", *mails)]
    for name in ("Orders", "Reports"):
        assert readers[name] == [only("user#*", "key#*", "email#*")]
    assert readers["Scheduler"] == [only("user#*", "email#*")]
    others = set(readers) - everything - {"Notifier", "Orders", "Reports", "Scheduler"}
    assert others == {"Inventory", "Webhooks", "Dispatcher", "Sender", "Exporter", "Importer"}
    of_routes = {"Inventory", "Webhooks"}
    assert all(readers[name] == [only("user#*", "key#*")] for name in of_routes)
    assert all(readers[name] == [only("user#*")] for name in others - of_routes)


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


def test_no_function_can_remove_anything_from_the_audit_log(prod: Synthesized) -> None:
    assert not any("dynamodb:DeleteItem" in resources.get("DataAudit", ()) for resources in grants(prod).values())


def test_no_function_may_scan_a_table_or_use_a_managed_policy(prod: Synthesized) -> None:
    actions = {action for resources in grants(prod).values() for granted in resources.values() for action in granted}

    assert not any("Scan" in action or action.endswith("*") for action in actions)
    roles = prod.all("AWS::IAM::Role")
    assert len([name for name in roles if name.startswith("Functions")]) == len(prod.functions())
    assert not any("ManagedPolicyArns" in role for name, role in roles.items() if name.startswith("Functions"))
