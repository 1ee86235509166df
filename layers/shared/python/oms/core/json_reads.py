"""Large reads: a DynamoDB client that returns the response's JSON undecoded, `{"id": {"S": "…"}, …}`.

Callers decode the response when they need its items. Until then it is text, which takes a tenth of the memory.
"""

from functools import cache
from typing import Any

from oms.core.aws_json.client import Client
from oms.core.retries import check_time, retrying


def query_json(
    table: str, partition: tuple[str, str], sort: tuple[str, str, str], *, names: tuple[str, ...] = (), **options: Any
) -> bytes:
    """Returns the JSON of one Query's response: the items of a partition between two sort keys, both inclusive.

    `partition` and `sort` begin with the key's name. `names` are the attributes to read; empty means all. Raises
    UnavailableError.
    """
    (partition_key, value), (sort_key, low, high) = partition, sort
    # DynamoDB allows one placeholder for each name, and the sort key has one already.
    placeholders = {"#sort" if name == sort_key else f"#{number}": name for number, name in enumerate(names)}
    projection = {"ProjectionExpression": ", ".join(placeholders)} if placeholders else {}
    check_time()
    answer = retrying(
        lambda: client().query(
            TableName=table,
            KeyConditionExpression="#partition = :partition AND #sort BETWEEN :low AND :high",
            ExpressionAttributeNames={"#partition": partition_key, "#sort": sort_key, **placeholders},
            ExpressionAttributeValues={":partition": {"S": value}, ":low": {"S": low}, ":high": {"S": high}},
            **projection,
            **options,
        )
    )
    found: bytes = answer["body"]
    return found


@cache
def client() -> Client:
    """Returns the client. Its results are `{"body": b"…"}`. A response of 1 MB may take longer than usual ones."""
    return Client("dynamodb", read_seconds=5, max_attempts=2, decodes=False)
