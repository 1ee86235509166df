"""The one DynamoDB of the in-process tests. Once imported, it answers every client that would call AWS."""

from collections.abc import Mapping
from typing import Any

from tests.support import aws_calls
from tests.support.dynamodb.client import answer
from tests.support.dynamodb.database import Database
from tests.support.dynamodb.tables import Table

DATABASE = Database()


def table(name: str) -> Table:
    """Returns the table itself, for reads and writes of a test without the API and the plans of faults."""
    return DATABASE.table(name)


def _answer(client: aws_calls.AnyClient, operation: str, parameters: Mapping[str, Any]) -> Any:
    return answer(DATABASE, client, operation, parameters)


aws_calls.serve("dynamodb", _answer)
