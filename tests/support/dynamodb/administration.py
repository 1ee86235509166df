"""Operations on whole tables: create, describe and delete."""

from collections.abc import Mapping
from typing import Any

from tests.support.dynamodb import limits
from tests.support.dynamodb.errors import RefusedError, invalid, invalid_parameter

_CREATE = frozenset(
    {
        "TableName",
        "KeySchema",
        "AttributeDefinitions",
        "BillingMode",
        "GlobalSecondaryIndexes",
        "StreamSpecification",
        "ProvisionedThroughput",
        "Tags",
        "SSESpecification",
        "DeletionProtectionEnabled",
    }
)


def not_found(name: str = "") -> RefusedError:
    return RefusedError(
        "ResourceNotFoundException", "Requested resource not found" + (f": Table: {name} not found" if name else "")
    )


def described(request: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the description of a new table. Raises RefusedError if its keys and definitions do not agree."""
    if unknown := request.keys() - _CREATE:
        raise NotImplementedError(f"the tests' DynamoDB does not know these parameters: {sorted(unknown)}")
    indexes = request.get("GlobalSecondaryIndexes", [])
    defined = [it["AttributeName"] for it in request["AttributeDefinitions"]]
    used = {key["AttributeName"] for schema in (request, *indexes) for key in schema["KeySchema"]}
    for name in (*defined, *used):
        if len(name.encode()) > limits.KEY_NAME:
            raise invalid(f"Member must have length less than or equal to {limits.KEY_NAME}: {name[:20]}…")
    if used - {*defined}:
        raise invalid_parameter(
            "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: {sorted(used)}, AttributeDefinitions: {defined}"
        )
    if {*defined} - used:
        raise invalid_parameter(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions"
        )
    for schema in (request, *indexes):
        kinds = [key["KeyType"] for key in schema["KeySchema"]]
        if kinds not in (["HASH"], ["HASH", "RANGE"]):
            raise invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    return {**request, "TableStatus": "ACTIVE"}


def shown(description: Mapping[str, Any], item_count: int) -> dict[str, Any]:
    """As DescribeTable answers."""
    name = description["TableName"]
    arn = f"arn:aws:dynamodb:eu-central-1:123456789012:table/{name}"
    table = {
        key: description[key]
        for key in ("TableName", "KeySchema", "AttributeDefinitions", "TableStatus", "StreamSpecification")
        if key in description
    }
    indexes = [
        {**index, "IndexStatus": "ACTIVE", "IndexArn": f"{arn}/index/{index['IndexName']}"}
        for index in description.get("GlobalSecondaryIndexes", [])
    ]
    return (
        table
        | {"TableArn": arn, "ItemCount": item_count}
        | ({"GlobalSecondaryIndexes": indexes} if indexes else {})
        | ({"BillingModeSummary": {"BillingMode": description["BillingMode"]}} if "BillingMode" in description else {})
    )
