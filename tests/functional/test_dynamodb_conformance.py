"""The tests' DynamoDB and moto, by the same cases; the local cloud runs them too, in the tier of integration.

Where moto is not as AWS documents it, a table says so, and that it still is so is tested.
"""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tests.support.aws_calls import to_botocore
from tests.support.dynamodb.client import answer
from tests.support.dynamodb.database import Database
from tests.support.dynamodb_cases.backend import TABLES, Backend
from tests.support.dynamodb_cases.catalogue import CASES, check
from tests.support.dynamodb_cases.deviations import MOTO


@pytest.fixture(scope="module")
def ours() -> Backend:
    database = Database()
    client = boto3.client("dynamodb")
    backend = Backend("ours", lambda operation, request: answer(database, client, operation, request))
    backend.create_tables()
    return backend


@pytest.fixture(scope="module")
def motos() -> Iterator[Backend]:
    with mock_aws():
        client = boto3.client("dynamodb")
        backend = Backend("moto", lambda operation, request: to_botocore(client, operation, request))
        backend.create_tables()
        yield backend
        for name in TABLES:
            to_botocore(client, "DeleteTable", {"TableName": name})


@pytest.mark.parametrize("name", CASES)
def test_the_tests_database_is_as_aws_documents_it(name: str, ours: Backend) -> None:
    CASES[name](ours)


@pytest.mark.parametrize("name", CASES)
def test_moto_agrees_but_for_what_is_listed(name: str, motos: Backend) -> None:
    check(name, motos, MOTO)
