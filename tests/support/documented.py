"""The served OpenAPI document as tests read it: its operations, its schemas, and bodies made from its examples."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

type Json = dict[str, Any]

DOCUMENT: Json = json.loads((Path(__file__).parents[2] / "functions/docs/openapi.json").read_text())
OPERATIONS: dict[str, Json] = {
    operation["operationId"]: operation for methods in DOCUMENT["paths"].values() for operation in methods.values()
}
SCHEMAS: Json = DOCUMENT["components"]["schemas"]
BODIES: Json = {
    name: operation["requestBody"]["content"]["application/json"]["schema"]
    for name, operation in OPERATIONS.items()
    if "requestBody" in operation
}


def resolved(node: Json) -> Any:
    """Returns the target of a reference."""
    place: Any = node
    if "$ref" in node:
        place = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            place = place[part]
    return place


def example(schema: Json) -> Any:
    """Returns a value as a viewer of the document shows it: the first example or choice, all fields of an object."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example(resolved(schema))
    if "anyOf" in schema:
        return example(schema["anyOf"][0])
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema["type"] == "array":
        return [example(schema["items"])]
    assert schema["type"] == "object", schema
    return {name: example(field) for name, field in schema.get("properties", {}).items()}


def with_required_query(path: str, operation: Json) -> str:
    """Adds the query parameters that an operation requires, each with its example."""
    parameters = [resolved(it) for it in operation.get("parameters", [])]
    required = [it for it in parameters if it["in"] == "query" and it.get("required")]
    query = "&".join(f"{it['name']}={quote(example(it['schema']))}" for it in required)
    return f"{path}?{query}" if query else path


def body_of(operation: str) -> Any:
    """Returns the ready-made body of an operation."""
    return example(BODIES[operation])


def schemas_within(node: Any) -> Iterator[Json]:
    """Yields each object schema in a part of the document that describes a value."""
    if isinstance(node, dict):
        if "type" in node or "anyOf" in node or "$ref" in node:
            yield node
        for inner in node.values():
            yield from schemas_within(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from schemas_within(inner)
