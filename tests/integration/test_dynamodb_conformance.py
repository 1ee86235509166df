"""The local cloud's DynamoDB, in the same cases as the tests' own and moto."""

from collections.abc import Iterator

import pytest
from botocore import xform_name

from local.system import LocalSystem
from tests.support.dynamodb_cases.all_cases import CASES, check
from tests.support.dynamodb_cases.backend import TABLES, Backend
from tests.support.dynamodb_cases.deviations import LOCAL_CLOUD

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def backend(system: LocalSystem) -> Iterator[Backend]:
    client = system.client("dynamodb")
    backend = Backend("local cloud", lambda operation, request: getattr(client, xform_name(operation))(**request))
    backend.create_tables()
    yield backend
    for name in TABLES:
        client.delete_table(TableName=name)


@pytest.mark.parametrize("name", CASES)
def test_the_local_cloud_agrees_except_for_listed_deviations(name: str, backend: Backend) -> None:
    check(name, backend, LOCAL_CLOUD)
