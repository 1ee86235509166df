"""The database at the place of botocore's `BaseClient._make_api_call`: answers and errors as a client gives them."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserFactory

from tests.support.dynamodb.database import Database
from tests.support.dynamodb.errors import RefusedError
from tests.support.dynamodb.streams import as_json


def answer(database: Database, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What the client's call gives. Raises its modeled exceptions, each a ClientError.

    A client whose answers are not read by botocore's parsers gets them as they would come over the wire. Whose they are
    stands in a private name of botocore's client; without it, exports cannot be tested here.
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
    parsers = client._endpoint._response_parser_factory  # type: ignore[attr-defined]
    if type(parsers) is not ResponseParserFactory:
        wire = json.dumps(as_json(given), separators=(",", ":")).encode()
        return parsers.create_parser("json").parse({"status_code": 200, "headers": {}, "body": wire}, None)
    given["ResponseMetadata"] = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
    return given
