"""moto without its protocol: for tests of many thousand calls, all in one thread."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.models.dynamo_type import DynamoType

from tests.support.aws_calls import Call
from tests.support.faults import Reason, cancelled
from tests.support.shop import table

_RANGE = "#partition = :partition AND #sort BETWEEN :low AND :high"
# An update that sets, removes and adds to attributes, without arithmetic or functions.
_CLAUSE = r"(SET #\d+ = :\d+(, #\d+ = :\d+)*|REMOVE #\d+(, #\d+)*|ADD #\d+ :\d+(, #\d+ :\d+)*)"
_PLAIN = re.compile(f"{_CLAUSE}( {_CLAUSE})*")


def past_the_protocol(call: Call) -> Any:
    """Reads of tables, updates and transactions straight on moto's tables, by its own expressions.

    Its protocol, and the copies of whole tables that it makes for each operation of a transaction, would take nine
    tenths of the time.
    """
    if call.operation == "TransactWriteItems":
        return transact(call.parameters["TransactItems"])
    if call.operation == "UpdateItem":
        return update(call.parameters)
    if call.operation == "GetItem":
        return {"Item": item} if (item := stored(call.parameters["TableName"], call.parameters["Key"])) else {}
    if call.operation == "BatchGetItem":
        ((name, asked),) = call.parameters["RequestItems"].items()
        found = [item for key in asked["Keys"] if (item := stored(name, key))]
        return {"Responses": {name: found}, "UnprocessedKeys": {}}
    if call.operation == "Query" and call.parameters["KeyConditionExpression"] == _RANGE:
        return _indexed(call.parameters) if "IndexName" in call.parameters else {"Items": [*_range(call.parameters)]}
    if call.operation == "Scan" and "Limit" not in call.parameters:
        return {"Items": [*_filtered(call.parameters)]}
    return call.send()


def _filtered(asked: Mapping[str, Any]) -> Iterator[Any]:
    """All items that a filter lets through."""
    condition = get_filter_expression(
        asked["FilterExpression"], asked["ExpressionAttributeNames"], asked["ExpressionAttributeValues"]
    )
    return (it.to_json()["Attributes"] for it in table(asked["TableName"]).all_items() if condition.expr(it))


def _range(asked: Mapping[str, Any]) -> Iterator[Any]:
    """The items of a partition between two sort keys, in order."""
    bounds = asked["ExpressionAttributeValues"]
    partition = table(asked["TableName"]).items.get(DynamoType(bounds[":partition"]), {})
    keys = [key.value for key in partition if bounds[":low"]["S"] <= key.value <= bounds[":high"]["S"]]
    return (partition[DynamoType({"S": key})].to_json()["Attributes"] for key in sorted(keys))


def _indexed(asked: Mapping[str, Any]) -> Any:
    """A page of an index."""
    whole = table(asked["TableName"])
    index = whole.get_index(asked["IndexName"])
    partition, sort = (key["AttributeName"] for key in index.schema)
    bounds = {name: value["S"] for name, value in asked["ExpressionAttributeValues"].items()}
    found = [
        it.attrs
        for it in whole.all_items()
        if {partition, sort} <= it.attrs.keys()
        and it.attrs[partition].value == bounds[":partition"]
        and bounds[":low"] <= it.attrs[sort].value <= bounds[":high"]
    ]
    found.sort(key=lambda it: it[sort].value, reverse=not asked["ScanIndexForward"])
    keys = [key["AttributeName"] for key in (*whole.schema, *index.schema)]
    shown = {*keys, *index.projection.get("NonKeyAttributes", ())}
    page = [{name: it[name].to_json() for name in shown & it.keys()} for it in found[: asked["Limit"]]]
    return {"Items": page} | ({"LastEvaluatedKey": page[-1]} if len(found) > len(page) else {})


def stored(name: str, key: dict[str, dict[str, str]]) -> Any:
    item = table(name).get_item(*map(DynamoType, key.values()))
    return item and item.to_json()["Attributes"]


def update(asked: Mapping[str, Any]) -> Any:
    if not _holds(asked, asked["Key"]):
        answer: Any = {"Error": {"Code": "ConditionalCheckFailedException", "Message": "by a condition"}}
        raise ClientError(answer | {"Item": stored(asked["TableName"], asked["Key"])}, "UpdateItem")
    _update(asked)
    return {"Attributes": stored(asked["TableName"], asked["Key"])}


def transact(operations: list[dict[str, Any]]) -> Any:
    """All conditions are judged before anything is written, so that there is nothing to undo."""
    reasons = []
    for operation in operations:
        ((kind, it),) = operation.items()
        keys = [key["AttributeName"] for key in table(it["TableName"]).schema]
        key = {name: (it["Item"] if kind == "Put" else it["Key"])[name] for name in keys}
        shows = it.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        refused = Reason("ConditionalCheckFailed", stored(it["TableName"], key) if shows else None)
        reasons.append(Reason() if _holds(it, key) else refused)
    if any(reason.code != "None" for reason in reasons):
        raise cancelled(reasons)
    for operation in operations:
        ((kind, it),) = operation.items()
        if kind == "Put":
            _moto().put_item(it["TableName"], it["Item"])
        elif kind == "Delete":
            _moto().delete_item(it["TableName"], it["Key"])
        elif kind == "Update":
            _update(it)
    return {}


def _holds(asked: Mapping[str, Any], key: dict[str, Any]) -> bool:
    if "ConditionExpression" not in asked:
        return True
    condition = get_filter_expression(
        asked["ConditionExpression"], asked.get("ExpressionAttributeNames"), asked.get("ExpressionAttributeValues")
    )
    return bool(condition.expr(_moto().get_item(asked["TableName"], key)))


def _update(asked: Mapping[str, Any]) -> None:
    """Moto takes 40 ms to read one of these expressions."""
    name, key, expression = asked["TableName"], asked["Key"], asked["UpdateExpression"]
    names, values = asked["ExpressionAttributeNames"], asked.get("ExpressionAttributeValues", {})
    if not _PLAIN.fullmatch(expression):
        _moto().update_item(name, key, expression, names, values)
        return
    if stored(name, key) is None:
        table(name).put_item(key)
    attributes = table(name).get_item(*map(DynamoType, key.values())).attrs
    for clause in re.split(" (?=SET|REMOVE|ADD)", expression):
        for attribute, value in re.findall(r"(#\d+)(?: =)?(?: (:\d+))?", clause):
            if clause.startswith("REMOVE"):
                attributes.pop(names[attribute], None)
            elif clause.startswith("ADD"):
                was = int(attributes[names[attribute]].value) if names[attribute] in attributes else 0
                attributes[names[attribute]] = DynamoType({"N": str(was + int(values[value]["N"]))})
            else:
                attributes[names[attribute]] = DynamoType(values[value])


def _moto() -> Any:
    return get_backend("dynamodb")[DEFAULT_ACCOUNT_ID]["eu-central-1"]
