"""DynamoDB's limits on keys in every kind of call that the system makes, on the tests' DynamoDB too."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from oms.core.dynamodb import client

LONG_PARTITION, LONG_SORT = {"S": "é" * 1024 + "x"}, {"S": "é" * 512 + "x"}
FITS = {"pk": {"S": "é" * 1024}, "sk": {"S": "é" * 512}}
TOO_LONG: list[dict[str, Any]] = [{"pk": LONG_PARTITION}, {"sk": LONG_SORT}, {"sk": {"S": ""}}]

LIMIT = r"maximum size limit of|exceeded the size limit of|cannot contain an empty string"


@pytest.mark.parametrize("key", TOO_LONG, ids=["partition", "sort", "empty"])
def test_a_key_beyond_the_limits_is_refused(cloud: None, key: dict[str, Any]) -> None:
    for operation, arguments in {
        "get_item": {"TableName": "audit", "Key": FITS | key},
        "put_item": {"TableName": "audit", "Item": FITS | key},
        "batch_get_item": {"RequestItems": {"audit": {"Keys": [FITS | key]}}},
        "transact_write_items": {"TransactItems": [{"Put": {"TableName": "audit", "Item": FITS | key}}]},
    }.items():
        with pytest.raises(ClientError, match=LIMIT):
            getattr(client(), operation)(**arguments)


def test_an_indexs_keys_have_limits_of_their_own(cloud: None) -> None:
    for key in ({"listing": LONG_PARTITION}, {"name_key": LONG_SORT}):
        with pytest.raises(ClientError, match=LIMIT):
            client().put_item(TableName="inventory", Item=FITS | key)


@pytest.mark.parametrize("values", [{":p": LONG_PARTITION, ":s": {"S": "x"}}, {":p": {"S": "x"}, ":s": LONG_SORT}])
def test_conditions_of_a_query_are_keys(cloud: None, values: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=LIMIT):
        client().query(
            TableName="audit", KeyConditionExpression="pk = :p AND sk > :s", ExpressionAttributeValues=values
        )


def test_what_just_fits_goes_through(cloud: None) -> None:
    client().put_item(TableName="audit", Item=FITS)

    assert client().get_item(TableName="audit", Key=FITS)["Item"] == FITS
