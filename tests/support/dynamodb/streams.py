"""Streams: changes of items as the records that Lambda brings (NEW_AND_OLD_IMAGES)."""

from base64 import b64encode
from typing import Any

from tests.support.dynamodb.tables import Change
from tests.support.dynamodb.values import Item, copied

type Record = dict[str, Any]


def record(change: Change, key_names: list[str]) -> Record:
    """Its sequence number grows from change to change, over all tables."""
    there = change.new or change.old
    assert there
    images = {"OldImage": change.old, "NewImage": change.new}
    return {
        "eventID": f"event-{change.sequence}",
        "eventName": "MODIFY" if change.old and change.new else "INSERT" if change.new else "REMOVE",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1",
        "eventSourceARN": (
            f"arn:aws:dynamodb:eu-central-1:123456789012:table/{change.table}/stream/2026-01-01T00:00:00.000"
        ),
        "dynamodb": {
            "ApproximateCreationDateTime": float(int(change.at)),
            "Keys": as_json({name: there.item[name] for name in key_names}),
            "SequenceNumber": str(change.sequence),
            "SizeBytes": sum(row.size for row in images.values() if row),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **{name: as_json(row.item) for name, row in images.items() if row},
        },
    }


def as_json(item: Item) -> Item:
    """Bytes come as base64, at any depth."""
    converted: Item = _as_json(copied(item))
    return converted


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, dict):
        return {name: _as_json(it) for name, it in value.items()}
    return [_as_json(it) for it in value] if isinstance(value, list) else value
