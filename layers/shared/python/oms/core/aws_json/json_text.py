"""Texts of requests and responses in AWS's JSON protocol, and the errors in them.

Binary values are bytes, and base64 on the wire. Times in responses stay numbers, because the system reads none.
"""

import json
import sys
from base64 import b64decode, b64encode
from contextlib import suppress
from functools import cache
from http.client import responses
from typing import Any

from botocore.exceptions import ClientError

from oms.core.aws_json.connections import Response
from oms.core.json_parser import parse_json

# The member of an error that names its kind.
_TYPE = "__type"
# The members of responses that are an item or a key, and a list of them.
_ITEM = frozenset(("Attributes", "Item", "ItemCollectionKey", "Key", "LastEvaluatedKey"))
_ITEMS = frozenset(("Items", "Keys"))


def _base64(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_encoder = json.JSONEncoder(separators=(",", ":"), default=_base64, allow_nan=False)


def encode(parameters: dict[str, Any], *, has_binary: bool = True) -> bytes:
    """Returns the body of a request. Raises TypeError and ValueError for values without a form in JSON.

    `has_binary`: values may be binary. Otherwise pydantic writes the JSON, if it is imported, in a fifth of the time.
    """
    pydantic_core = None if has_binary else sys.modules.get("pydantic_core")
    if pydantic_core:
        with suppress(ValueError):  # a lone surrogate, which JSON has as an escape
            body: bytes = pydantic_core.to_json(parameters)
            return body
    return _encoder.encode(parameters).encode()


def decode(body: bytes, *, has_items: bool) -> dict[str, Any]:
    """Returns the members of a response. Raises ValueError.

    `has_items`: it is DynamoDB's. Its items are most of its text, so they are searched for binary values only if the
    text has a sign of them; members without a value are searched for only beside the items.
    """
    found = parse_json(body or b"{}")
    if not isinstance(found, dict):
        raise ValueError("the response is not a JSON object")  # noqa: TRY004 - as of other unreadable texts
    if has_items and b'"B"' not in body and b'"BS"' not in body:
        return {name: value for name, value in found.items() if value is not None}
    return {name: _member(name, value) for name, value in found.items() if value is not None}


def _member(name: str, value: Any) -> Any:
    """Returns a member of a response as botocore does: without members that are null, and with bytes for binary values.

    Only items have these. Elsewhere `B` is a name, as of a table.
    """
    match value:
        case dict() if name in _ITEM:
            return _item(value)
        case list(items) if name in _ITEMS:
            return [_item(it) for it in items]
        case dict(items_by_table) if name == "Responses":
            return {table: _member("Items", items) for table, items in items_by_table.items()}
        case dict(members):
            return {name: _member(name, it) for name, it in members.items() if it is not None}
        case list(values):
            return [_member("", it) for it in values]
    return value


def _item(value: Any) -> Any:
    return {name: _attribute(it) for name, it in value.items()} if isinstance(value, dict) else value


def _attribute(value: Any) -> Any:
    match value:
        case {"B": str(text)}:
            return {"B": b64decode(text, validate=True)}
        case {"BS": list(texts)}:
            return {"BS": [b64decode(text, validate=True) for text in texts]}
        case {"L": list(values)}:
            return {"L": [_attribute(it) for it in values]}
        case {"M": attributes}:
            return {"M": _item(attributes)}
    return value


def decode_error(response: Response) -> dict[str, Any]:
    """Returns the content of a ClientError, without ResponseMetadata's parts that all responses have."""
    start = response.body.strip()[:6]
    if response.status >= 500 and (not start or start == b"<html>"):
        return {"Error": {"Code": str(response.status), "Message": responses.get(response.status, "")}}
    try:
        members = decode(response.body, has_items=False)
    except ValueError:
        members = {"message": response.body.decode(errors="replace")}
    # com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException, or …Exception:http://…
    code = str(members.pop(_TYPE, response.status)).partition(":")[0].rpartition("#")[2]
    error = {"Message": members.get("message", members.get("Message", "")), "Code": code}
    # SQS: "AWS.SimpleQueueService.NonExistentQueue;Sender"
    earlier_code, separator, sender = response.headers.get("x-amzn-query-error", "").partition(";")
    if earlier_code and separator and ";" not in sender:
        error |= {"QueryErrorCode": code, "Type": sender, "Code": earlier_code}
    return {**members, "Error": error}


@cache
def error_class(code: str) -> type[ClientError]:
    """Returns the class of errors with this code, as in `client.exceptions`."""
    return type(code, (ClientError,), {})
