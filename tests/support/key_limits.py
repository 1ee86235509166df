"""DynamoDB's limits on keys, which moto does not know: a call that exceeds them is refused before it gets there."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.support.aws_calls import Call
from tests.support.shop import table

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html, in bytes of UTF-8.
LIMITS = {"HASH": 2048, "RANGE": 1024}


def within_limits(call: Call) -> Any:
    if call.service == "dynamodb":
        for limit, value in _keys(call.operation, call.parameters):
            if not 0 < len(value.encode()) <= limit:
                message = f"a key of {len(value.encode())} bytes where 1 to {limit} are allowed"
                raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, call.operation)
    return call.send()


def _keys(operation: str, parameters: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Each key in a call, those of indexes too, with what it may measure."""
    match operation:
        case "BatchGetItem":
            for name, request in parameters["RequestItems"].items():
                for key in request["Keys"]:
                    yield from _of_item(name, key)
        case "TransactWriteItems":
            for write in parameters["TransactItems"]:
                for inner in write.values():
                    yield from _of_item(inner["TableName"], inner.get("Item") or inner["Key"])
        case "Query":
            partition, *sort = re.findall(r":\w+", parameters["KeyConditionExpression"])
            values = parameters["ExpressionAttributeValues"]
            yield LIMITS["HASH"], values[partition]["S"]
            yield from ((LIMITS["RANGE"], values[name]["S"]) for name in sort)
        case "PutItem" | "GetItem" | "UpdateItem" | "DeleteItem":
            yield from _of_item(parameters["TableName"], parameters.get("Item") or parameters["Key"])


def _of_item(name: str, item: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for keyed in (table(name), *table(name).global_indexes):
        for key in keyed.schema:
            if key["AttributeName"] in item:
                yield LIMITS[key["KeyType"]], item[key["AttributeName"]]["S"]
