"""The tests' DynamoDB and moto in the same cases, which the integration tests run on the local cloud too.

A table lists moto's deviations from AWS's documentation, and tests show that they still exist.
"""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tests.support.aws_calls import to_client
from tests.support.dynamodb.client import answer
from tests.support.dynamodb.database import Database
from tests.support.dynamodb_cases.all_cases import CASES, check
from tests.support.dynamodb_cases.backend import TABLES, Backend
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
        backend = Backend("moto", lambda operation, request: to_client(client, operation, request))
        backend.create_tables()
        yield backend
        for name in TABLES:
            to_client(client, "DeleteTable", {"TableName": name})


@pytest.mark.parametrize("name", CASES)
def test_the_tests_database_is_as_aws_documents_it(name: str, ours: Backend) -> None:
    CASES[name](ours)


@pytest.mark.parametrize("name", CASES)
def test_moto_agrees_except_for_listed_deviations(name: str, motos: Backend) -> None:
    check(name, motos, MOTO)
