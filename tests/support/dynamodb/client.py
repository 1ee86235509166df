"""Answers and errors of the database as `_make_api_call` of a client gives them."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from oms.core.aws_json.client import Client
from tests.support.aws_calls import AnyClient
from tests.support.dynamodb.database import Database
from tests.support.dynamodb.errors import RefusedError
from tests.support.dynamodb.streams import as_json


def answer(database: Database, client: AnyClient, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the result of the client's call. Raises its modeled exceptions, each a ClientError.

    A client that does not decode responses gets them in the form of the wire.
    """
    try:
        given = database.execute(operation, parameters)
    except RefusedError as error:
        response: Any = {
            "Error": {"Code": error.code, "Message": error.message},
            "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}, "RetryAttempts": 0},
            "message": error.message,
            **error.extra,
        }
        modeled: type[ClientError] = client.exceptions.from_code(error.code)
        raise modeled(response, operation) from error
    if isinstance(client, Client) and not client.decodes:
        given = {"body": json.dumps(as_json(given), separators=(",", ":")).encode()}
    given["ResponseMetadata"] = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
    return given
