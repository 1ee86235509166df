"""Corrections of pydantic's schemas for the public document."""

from typing import Any

from pydantic import BaseModel

from local.openapi.paths import Json
from oms.core.schemas import Response


def complete(document: Json) -> None:
    """Completes all schemas in place, and removes unreferenced ones."""
    found = document["components"]["schemas"]
    _fill_responses(document)
    enums = {tuple(schema["enum"]): name for name, schema in found.items() if "enum" in schema}
    for name, schema in found.items():
        found[name] = _plain(schema, enums) if "enum" not in schema else without_titles(schema)
    document["paths"] = _plain(document["paths"], enums)
    reached = reached_from([document["paths"], document["components"]["responses"]], found)
    for name in reached_from(_bodies(document), found):
        _without_defaults(found[name])
        _without_fractions(found[name])
    document["components"]["schemas"] = {name: found[name] for name in sorted(reached)}


def references(node: Any) -> set[str]:
    """Returns every `$ref` in a part of the document."""
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(inner) for inner in node.values()))
    return set().union(*(references(inner) for inner in node)) if isinstance(node, list) else set()


def reached_from(start: Any, schemas: Json) -> set[str]:
    """Returns the names of the schemas that a part of the document references, directly or through other schemas."""
    found: set[str] = set()
    pending = references(start)
    while pending:
        name = pending.pop().rpartition("/")[2]
        if name in schemas and name not in found:
            found.add(name)
            pending |= references(schemas[name])
    return found


def _plain(node: Any, enums: dict[tuple[str, ...], str]) -> Any:
    """Returns the node without titles, with references to named enums, and with nested choices in one list."""
    return _flat(_named(without_titles(node), enums))


def _named(node: Any, enums: dict[tuple[str, ...], str]) -> Any:
    """Returns the node with references to named enums, instead of lists of the same values."""
    if isinstance(node, list):
        return [_named(item, enums) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("enum"), list) and (name := enums.get(tuple(node["enum"]))):
        return {"$ref": f"#/components/schemas/{name}"} | {
            key: value for key, value in node.items() if key not in ("enum", "type")
        }
    return {key: _named(value, enums) for key, value in node.items()}


def _flat(node: Any) -> Any:
    if isinstance(node, list):
        return [_flat(item) for item in node]
    if not isinstance(node, dict):
        return node
    flat = {key: _flat(value) for key, value in node.items()}
    if isinstance(choices := flat.get("anyOf"), list):
        inner = [choice for choice in choices if "anyOf" in choice]
        flat["anyOf"] = [choice for outer in choices for choice in outer.get("anyOf", [outer])]
        if len(inner) == 1:
            flat = {key: value for key, value in inner[0].items() if key != "anyOf"} | flat
    return flat


def never_null(schema: Json) -> Json:
    """Returns the schema without null, for a value that is absent instead."""
    if "anyOf" not in schema:
        return schema
    kept = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name != "anyOf" and value is not None}
    rest.pop("default", None) if schema.get("default", ...) is None else None
    return kept[0] | rest if len(kept) == 1 else rest | {"anyOf": kept}


def without_titles(node: Any) -> Any:
    """Returns the node without the titles that pydantic generates from names."""
    if isinstance(node, list):
        return [without_titles(item) for item in node]
    if not isinstance(node, dict):
        return node
    named = node.get("properties")
    plain = {
        name: value if name in ("example", "examples", "default", "const", "enum") else without_titles(value)
        for name, value in node.items()
        if name not in ("title", "properties")
    }
    if isinstance(named, dict):
        plain["properties"] = {name: without_titles(value) for name, value in named.items()}
    return {name: plain[name] for name in node if name in plain}


def _fill_responses(document: Json) -> None:
    """Marks the fields of responses as required, including those with defaults.

    A response omits a field with `exclude_if` if its value is null, so such a field is not required.
    """
    schemas = document["components"]["schemas"]
    answers = [operation["responses"] for methods in document["paths"].values() for operation in methods.values()]
    left_out = {model.__name__: _fields_left_out(model) for model in _subclasses(Response)}
    for name in reached_from(answers, schemas) & left_out.keys():
        properties = schemas[name]["properties"]
        schemas[name]["required"] = [field for field in properties if field not in left_out[name]]
        for field in left_out[name]:
            properties[field] = never_null(properties[field])
        _without_defaults(schemas[name])


def _without_defaults(schema: Json) -> None:
    """Removes defaults, since generated clients would send them, or treat required fields of responses as optional."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


def _without_fractions(schema: Json) -> None:
    """Adds a note to integers of bodies, since JSON Schema accepts 2.0 as an integer, but the API does not."""
    for field in schema.get("properties", {}).values():
        if any(choice.get("type") == "integer" for choice in (field, *field.get("anyOf", []))):
            field["description"] = (
                f"{field.get('description', '')} Write it without a fraction: `2.0` is refused.".strip()
            )


def _bodies(document: Json) -> list[Json]:
    return [
        operation["requestBody"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if "requestBody" in operation
    ]


def _fields_left_out(model: type[BaseModel]) -> set[str]:
    """Returns the names of fields that a response may omit."""
    return {field.alias or name for name, field in model.model_fields.items() if field.exclude_if is not None}


def _subclasses[T](root: type[T]) -> list[type[T]]:
    return [root, *(found for child in root.__subclasses__() for found in _subclasses(child))]
