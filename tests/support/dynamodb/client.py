"""The database at the place of botocore's `BaseClient._make_api_call`: answers and errors as a client gives them."""

from collections.abc import Mapping
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.support.dynamodb.database import Database
from tests.support.dynamodb.errors import RefusedError


def answer(database: Database, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What the client's call gives. Raises its modeled exceptions, each a ClientError."""
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
    given["ResponseMetadata"] = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
    return given
