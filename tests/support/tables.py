"""The tables of the template, for the tests' DynamoDB. A test of the local cloud compares both."""

from typing import Any

from tests.support.aws_client import aws_client

_PRODUCT_INDEXES = {
    "by_name": ("listing", "name_key"),
    "by_sku": ("listing", "sku_key"),
    "by_price": ("listing", "price_key"),
    "by_created": ("listing", "created_key"),
    "category_by_name": ("listing_category", "name_key"),
    "category_by_price": ("listing_category", "price_key"),
    "category_by_created": ("listing_category", "created_key"),
}


def create_tables(prefix: str = "") -> None:
    _create(
        f"{prefix}identity", ("pk", "sk"), {"users": ("listing", "email_key")}, include={"users": ["role", "status"]}
    )
    _create(f"{prefix}inventory", ("pk", "sk"), _PRODUCT_INDEXES)
    _create(
        f"{prefix}orders",
        ("id",),
        {
            "by_customer": ("customer_id", "created_key"),
            "by_created": ("shard", "created_key"),
            "open": ("open_shard", "created_key"),
            "by_customer_status": ("customer_status", "created_key"),
        },
        include={"by_customer": ["status"], "by_created": ["status", "customer_id"], "open": ["expires_at"]},
    )
    _create(
        f"{prefix}audit",
        ("pk", "sk"),
        {"by_time": ("listing", "sk"), "by_actor": ("actor_id", "sk"), "by_action": ("action", "sk")},
        include={"by_actor": ["action"]},
    )
    _create(f"{prefix}events", ("pk", "sk"), {})
    _create(f"{prefix}reports", ("pk", "sk"), {"listed": ("listing", "created_key")})
    _create(f"{prefix}search", ("pk", "sk"), {})
    _create(f"{prefix}webhooks", ("pk", "sk"), {"due": ("due_shard", "due_key")})


def _create(
    name: str,
    keys: tuple[str, ...],
    indexes: dict[str, tuple[str, str]],
    include: dict[str, list[str]] | None = None,
) -> None:
    names = dict.fromkeys([*keys, *(key for pair in indexes.values() for key in pair)])
    arguments: dict[str, Any] = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in names],
        "KeySchema": _schema(keys),
    }
    if indexes:
        arguments["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index,
                "KeySchema": _schema(pair),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": include[index]}
                if include and index in include
                else {"ProjectionType": "KEYS_ONLY"},
            }
            for index, pair in indexes.items()
        ]
    aws_client("dynamodb").create_table(**arguments)


def _schema(keys: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)]
