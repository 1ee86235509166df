"""Reading the log and its chain as they are stored, by whoever wrote them: what was tampered with may be no item of
ours any more.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from pynamodb.attributes import Attribute, DiscriminatorAttribute
from pynamodb.exceptions import AttributeDeserializationError

from oms.audit.models import BY_TIME, LISTED, ChainItem, Head
from oms.core import clock
from oms.core.dynamodb import StoredItem, client, query_raw, retrying, table_name
from oms.core.pages import HIGHEST, LOWEST
from oms.events.streams import RawItem

# The system is younger.
_FIRST = "2020-01-01"


def decoded[T: StoredItem](model: type[T], raw: RawItem) -> T | None:
    """The item, if it is one, with all its attributes and each of its type."""
    attributes: dict[str, Attribute[object]] = model.get_attributes()
    wanted = {it.attr_name for it in attributes.values() if not it.null and not isinstance(it, DiscriminatorAttribute)}
    if not wanted <= {name for name, value in raw.items() if "NULL" not in value}:
        return None
    try:
        return model.from_raw_data(raw)
    except (AttributeDeserializationError, ValueError, TypeError, RecursionError):
        return None


def pairs(day: str, low: str = LOWEST, high: str = HIGHEST) -> Iterator[tuple[str, RawItem | None, RawItem | None]]:
    """What stands under each sort key of a day: of the log, and of the links. In their order, page by page."""
    entries = query_raw(ChainItem, f"day#{day}", low, high)
    links = query_raw(ChainItem, f"links#{day}", low, high)
    entry, link = next(entries, None), next(links, None)
    while entry or link:
        place = min(it["sk"]["S"] for it in (entry, link) if it)
        has_entry, has_link = (it is not None and it["sk"]["S"] == place for it in (entry, link))
        yield place, entry if has_entry else None, link if has_link else None
        entry = next(entries, None) if has_entry else entry
        link = next(links, None) if has_link else link


def latest_heads(highest: str) -> Iterator[tuple[str, RawItem]]:
    """What stands among the heads, the latest name first, from this one down.

    Mostly the first is the one, so it is read alone. Each read after it takes ten times as many: what is read in vain
    is at most ten times what somebody has put there.
    """
    query: dict[str, Any] = {
        "TableName": table_name(Head),
        "KeyConditionExpression": "pk = :chains AND sk <= :highest",
        "ExpressionAttributeValues": {":chains": {"S": Head.PARTITION}, ":highest": {"S": highest}},
        "ConsistentRead": True,
        "ScanIndexForward": False,
    }
    limit = 1
    while True:
        answer: dict[str, Any] = retrying(partial(client().query, **query, Limit=limit))
        yield from ((str(item["sk"]["S"]), item) for item in answer["Items"])
        if "LastEvaluatedKey" not in answer:
            return
        query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        limit = min(10 * limit, 1000)


def first_day() -> str | None:
    """The day of the first entry that is listed, of those of the system's time."""
    answer: dict[str, Any] = retrying(
        lambda: client().query(
            TableName=table_name(Head),
            IndexName=BY_TIME.name,
            KeyConditionExpression="listing = :listed AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":listed": {"S": LISTED},
                ":first": {"S": _FIRST},
                ":last": {"S": clock.timestamp(clock.now())},
            },
            Limit=1,
        )
    )
    return next((str(item["sk"]["S"])[: len("2026-01-31")] for item in answer["Items"]), None)
