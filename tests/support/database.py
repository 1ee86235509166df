"""The one DynamoDB of the in-process tests. It answers every client that would call AWS, from its import on."""

from collections.abc import Mapping
from typing import Any

from botocore.client import BaseClient

from tests.support import aws_calls
from tests.support.dynamodb.client import answer
from tests.support.dynamodb.database import Database
from tests.support.dynamodb.tables import Table

DATABASE = Database()


def table(name: str) -> Table:
    """The table itself: tests look behind the API, past the plans of faults."""
    return DATABASE.table(name)


def _answer(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
    return answer(DATABASE, client, operation, parameters)


aws_calls.serve("dynamodb", _answer)
