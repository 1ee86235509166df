"""The tables: their indexes, streams and protections."""

from typing import Any

from tests.support.template import Synthesized

TABLE = "AWS::DynamoDB::GlobalTable"
KEYS_ONLY = {"ProjectionType": "KEYS_ONLY"}
INDEXES: dict[str, dict[str, tuple[str, str, dict[str, Any]]]] = {
    "DataIdentity": {
        "users": ("listing", "email_key", {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["role", "status"]})
    },
    "DataInventory": {
        "by_name": ("listing", "name_key", KEYS_ONLY),
        "by_sku": ("listing", "sku_key", KEYS_ONLY),
        "by_price": ("listing", "price_key", KEYS_ONLY),
        "by_created": ("listing", "created_key", KEYS_ONLY),
        "category_by_name": ("listing_category", "name_key", KEYS_ONLY),
        "category_by_price": ("listing_category", "price_key", KEYS_ONLY),
        "category_by_created": ("listing_category", "created_key", KEYS_ONLY),
    },
    "DataOrders": {
        "by_customer": (
            "customer_id",
            "created_key",
            {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["status"]},
        ),
        "by_created": (
            "shard",
            "created_key",
            {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["status", "customer_id"]},
        ),
        "open": (
            "open_shard",
            "created_key",
            {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["expires_at"]},
        ),
        "by_customer_status": ("customer_status", "created_key", KEYS_ONLY),
    },
    "DataAudit": {
        "by_time": ("listing", "sk", KEYS_ONLY),
        "by_actor": ("actor_id", "sk", {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["action"]}),
        "by_action": ("action", "sk", KEYS_ONLY),
    },
    "DataEvents": {},
    "DataWebhooks": {"due": ("due_shard", "due_key", KEYS_ONLY)},
    "DataReports": {"listed": ("listing", "created_key", KEYS_ONLY)},
    "DataSearch": {},
}
KEYS = {
    "DataIdentity": ("pk", "sk"),
    "DataInventory": ("pk", "sk"),
    "DataOrders": ("id",),
    "DataAudit": ("pk", "sk"),
    "DataEvents": ("pk", "sk"),
    "DataWebhooks": ("pk", "sk"),
    "DataReports": ("pk", "sk"),
    "DataSearch": ("pk", "sk"),
}


def key_names(schema: list[dict[str, str]]) -> tuple[str, ...]:
    assert [key["KeyType"] for key in schema] == ["HASH", "RANGE"][: len(schema)]
    return tuple(key["AttributeName"] for key in schema)


def test_the_tables_have_exactly_their_keys_and_indexes(prod: Synthesized) -> None:
    assert {logical_id[:-8] for logical_id in prod.all(TABLE)} == set(KEYS)
    for name, keys in KEYS.items():
        table = prod.one(TABLE, name)
        indexes = {
            index["IndexName"]: (*key_names(index["KeySchema"]), index["Projection"])
            for index in table.get("GlobalSecondaryIndexes", [])
        }
        assert key_names(table["KeySchema"]) == keys
        assert indexes == INDEXES[name]
        assert all(attribute["AttributeType"] == "S" for attribute in table["AttributeDefinitions"])


def test_every_table_streams_old_and_new_images(prod: Synthesized) -> None:
    for table in prod.all(TABLE).values():
        assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_f28_temporary_items_end_by_their_time_to_live_and_stock_never_does(prod: Synthesized) -> None:
    ttl = {name: prod.one(TABLE, name).get("TimeToLiveSpecification") for name in KEYS}

    ending = {"AttributeName": "ttl", "Enabled": True}
    assert ttl == {
        "DataIdentity": ending,
        "DataInventory": None,
        "DataOrders": None,
        "DataAudit": None,
        "DataEvents": ending,
        "DataWebhooks": ending,
        "DataReports": ending,
        "DataSearch": None,
    }


def test_f28_every_table_can_be_restored_and_is_not_deleted_outside_the_local_stage(prod: Synthesized) -> None:
    for logical_id, table in prod.all(TABLE).items():
        (replica,) = table["Replicas"]
        assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert replica["DeletionProtectionEnabled"] is True
        assert prod.template["Resources"][logical_id]["DeletionPolicy"] == "Retain"
        assert prod.template["Resources"][logical_id]["UpdateReplacePolicy"] == "Retain"


def test_every_table_is_encrypted_and_billed_by_request(prod: Synthesized, local: Synthesized) -> None:
    for table in [*prod.all(TABLE).values(), *local.all(TABLE).values()]:
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
        assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_the_local_stage_leaves_nothing_behind(local: Synthesized) -> None:
    kept = [name for name, it in local.template["Resources"].items() if "Retain" in it.get("DeletionPolicy", "")]

    assert kept == []
