"""Large reads: a DynamoDB client that returns the JSON of the answer undecoded, `{"id": {"S": "…"}, …}`.

Botocore's decoding costs more than all other work on an item. Callers decode items one by one; until then they are
text, which takes a tenth of the memory.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.parsers import ResponseParserFactory

from oms.core.dynamodb import check_time, retrying
from oms.core.settings import aws_region

# At once, by threads.
MAX_CONNECTIONS = 10


def query_json(
    table: str, partition: tuple[str, str], sort: tuple[str, str, str], *, names: tuple[str, ...] = (), **options: Any
) -> bytes:
    """The JSON of one Query's answer: the items of a partition between two sort keys, both inclusive.

    `partition` and `sort` begin with the key's name; `names` are the attributes to read, all without any. Raises
    UnavailableError.
    """
    (partition_key, value), (sort_key, low, high) = partition, sort
    # Each name has one placeholder: that of the sort key is there already.
    wanted = {"#sort" if name == sort_key else f"#{number}": name for number, name in enumerate(names)}
    projection = {"ProjectionExpression": ", ".join(wanted)} if wanted else {}
    check_time()
    answer = retrying(
        lambda: client().query(
            TableName=table,
            KeyConditionExpression="#partition = :partition AND #sort BETWEEN :low AND :high",
            ExpressionAttributeNames={"#partition": partition_key, "#sort": sort_key, **wanted},
            ExpressionAttributeValues={":partition": {"S": value}, ":low": {"S": low}, ":high": {"S": high}},
            **projection,
            **options,
        )
    )
    found: bytes = answer["body"]
    return found


@cache
def client() -> Any:
    """Make it before threads use it: botocore's client creation is not thread-safe."""
    session = botocore.session.Session()
    session.register_component("response_parser_factory", _LeanParsers())
    config = Config(
        connect_timeout=1,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=MAX_CONNECTIONS,
    )
    return session.create_client("dynamodb", region_name=aws_region(), config=config)


class _LeanParsers(ResponseParserFactory):
    def create_parser(self, protocol_name: str) -> Any:
        return _LeanParser(super().create_parser(protocol_name))


class _LeanParser:
    """Leaves the JSON of an answer as it came, in `body`. Errors are for botocore, whose retries read them."""

    def __init__(self, full: Any) -> None:
        self._full = full

    def parse(self, response: dict[str, Any], shape: Any) -> Any:
        if response["status_code"] != 200:
            return self._full.parse(response, shape)
        about = {"HTTPStatusCode": 200, "HTTPHeaders": dict(response["headers"])}
        return {"body": response["body"], "ResponseMetadata": about}
