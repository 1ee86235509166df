"""`webhooks` of OpenAPI 3.1: the requests that a subscriber receives, from the schemas of the events."""

from typing import Any

from local import events
from local.openapi.paths import Json
from local.openapi.schemas import without_titles
from oms.events.types import EVENT_TYPES, EventType

_HEADERS = {
    "webhook-id": ("The event's id: the same at every attempt and replay.", "1JE5K7M20C8Z4V6T2R9QKX1M"),
    "webhook-timestamp": ("The time of the attempt, in Unix seconds.", "1767225600"),
    "webhook-signature": (
        "`v1,<base64>` HMAC-SHA256 signatures of `id.timestamp.body`, separated by spaces (Standard Webhooks). "
        "The event is authentic if one of them is valid.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
}
_RESPONSES = {
    "2XX": {"description": "Received: the event is delivered."},
    "410": {"description": "Gone: the webhook is disabled, and receives no more events."},
    "default": {"description": "Failed: the delivery is retried, up to 9 times within about three days."},
}


def add(document: Json) -> None:
    """Adds a webhook for each type of event, and the schemas of their bodies."""
    schemas = document["components"]["schemas"]
    document["webhooks"] = {name: {"post": _webhook(event_type, schemas)} for name, event_type in EVENT_TYPES.items()}
    document["components"]["schemas"] = dict(sorted(schemas.items()))


def _webhook(event_type: EventType, schemas: Json) -> Json:
    body = events.schema(event_type)
    for name, definition in body.pop("$defs", {}).items():
        _share(_names_of_definitions(name), _referring(definition), schemas)
    name = "".join(part.capitalize() for part in event_type.name.replace(".", "_").split("_")) + "Event"
    schemas[name] = _referring({key: value for key, value in body.items() if key not in ("$schema", "title")})
    receivers = (
        "Only webhooks whose creator is an active admin receive it"
        if event_type.for_admins
        else "Any webhook can receive it"
    )
    return {
        "operationId": f"on_{event_type.name.replace('.', '_')}",
        "summary": event_type.name,
        "description": f"{event_type.description}. {receivers}.",
        "tags": ["webhooks"],
        "security": [],
        "parameters": [
            {
                "name": header,
                "in": "header",
                "required": True,
                "description": description,
                "schema": {"type": "string"},
                "example": example,
            }
            for header, (description, example) in _HEADERS.items()
        ],
        "requestBody": {
            "description": "The event.",
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
        },
        "responses": _RESPONSES,
    }


def _share(name: str, definition: Json, schemas: Json) -> None:
    """Adds a schema. Raises ValueError if the document has another schema with this name."""
    if schemas.setdefault(name, definition) != definition:
        raise ValueError(f"two schemas, one of them in events, have the name {name}: rename one")


def _names_of_definitions(name: str) -> str:
    return name


def _referring(node: Any) -> Any:
    """Returns the node with its `$ref`s pointing to the document's schemas instead of those in the event's file."""
    if isinstance(node, dict):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _referring(value)
            for key, value in node.items()
        }
    return [_referring(item) for item in node] if isinstance(node, list) else without_titles(node)
