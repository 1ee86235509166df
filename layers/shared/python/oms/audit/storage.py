"""Raw reads of the log and its chain. Callers decode each item, since a tampered item may not match its model."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from pynamodb.attributes import Attribute, DiscriminatorAttribute
from pynamodb.exceptions import AttributeDeserializationError

from oms.audit.models import BY_TIME, LISTED, ChainHead, ChainItem
from oms.core import clock
from oms.core.dynamodb import StoredItem, client, query_raw, table_name
from oms.core.pages import HIGHEST, LOWEST
from oms.core.retries import retrying
from oms.events.streams import RawItem

# The system has no older entries.
_FIRST = "2020-01-01"


def decode[T: StoredItem](model: type[T], raw: RawItem) -> T | None:
    """Returns the item, or None unless it has all attributes with their types."""
    attributes: dict[str, Attribute[object]] = model.get_attributes()
    required = {
        attribute.attr_name
        for attribute in attributes.values()
        if not attribute.null and not isinstance(attribute, DiscriminatorAttribute)
    }
    if not required <= {name for name, value in raw.items() if "NULL" not in value}:
        return None
    try:
        return model.from_raw_data(raw)
    except (AttributeDeserializationError, ValueError, TypeError, RecursionError):
        return None


def entry_link_pairs(
    day: str, low: str = LOWEST, high: str = HIGHEST
) -> Iterator[tuple[str, RawItem | None, RawItem | None]]:
    """Yields each sort key of a day, in order, with its entry and its link, one of which may be None."""
    entries = query_raw(ChainItem, f"day#{day}", low, high)
    links = query_raw(ChainItem, f"links#{day}", low, high)
    entry, link = next(entries, None), next(links, None)
    while entry or link:
        place = min(item["sk"]["S"] for item in (entry, link) if item)
        has_entry, has_link = (item is not None and item["sk"]["S"] == place for item in (entry, link))
        yield place, entry if has_entry else None, link if has_link else None
        entry = next(entries, None) if has_entry else entry
        link = next(links, None) if has_link else link


def latest_heads(highest: str) -> Iterator[tuple[str, RawItem]]:
    """Yields the items of the heads' partition by name, in descending order from this name.

    The first head is usually the right one, so it is read alone. Each further read has ten times the size, so at most
    ten items are read for each foreign item.
    """
    query: dict[str, Any] = {
        "TableName": table_name(ChainHead),
        "KeyConditionExpression": "pk = :chains AND sk <= :highest",
        "ExpressionAttributeValues": {":chains": {"S": ChainHead.PARTITION}, ":highest": {"S": highest}},
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
    """Returns the day of the oldest listed entry since 2020, or None if there is none."""
    answer: dict[str, Any] = retrying(
        lambda: client().query(
            TableName=table_name(ChainHead),
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
