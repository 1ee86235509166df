"""The event files: a JSON Schema and a sample of each type, in `events/` and in the catalogue of the docs function.

This module generates the schemas from the models. `tests/functional/test_event_files.py` generates the samples with the
running code. `make events` runs it to write all files.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oms.events.envelope import Event
from oms.events.types import EVENT_TYPES, EventType
from oms.publishing.registry import PAYLOADS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "events"
CATALOGUE = ROOT / "functions" / "docs" / "event-catalogue.json"

type Json = dict[str, Any]


def schema(event_type: EventType) -> Json:
    """Returns the schema of events of one type. It allows unknown members, which later versions may add."""
    generated = Event[PAYLOADS[event_type.name]].model_json_schema(mode="serialization")  # type: ignore[valid-type, name-defined]
    definitions = {
        name: _required(_plain(definition)) for name, definition in sorted(generated.pop("$defs", {}).items())
    }
    generated = _required(_plain(generated))
    generated["required"].remove("omitted")
    properties = generated["properties"]
    properties["type"] = {"const": event_type.name, "description": properties["type"]["description"]}
    properties["version"] |= {"const": properties["version"].pop("default")}
    properties["omitted"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": properties["omitted"]["description"],
    }
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event_type.name,
        "description": f"{event_type.description}.",
    }
    return {**head, **{name: generated[name] for name in ("type", "properties", "required")}, "$defs": definitions}


def _plain(node: Any) -> Any:
    """Returns the schema without the titles that pydantic generates from field names."""
    if isinstance(node, dict):
        named = node.get("properties", {})
        plain = {name: _plain(value) for name, value in node.items() if name not in ("title", "properties")}
        return plain | ({"properties": {name: _plain(value) for name, value in named.items()}} if named else {})
    return [_plain(item) for item in node] if isinstance(node, list) else node


def _required(definition: Json) -> Json:
    """Returns the definition with all fields required, since events always have them."""
    return definition | ({"required": list(definition["properties"])} if "properties" in definition else {})


def catalogue(samples: Mapping[str, Json]) -> Json:
    """Returns the response of `GET /event-catalogue`."""
    items = [
        {
            "type": name,
            "description": f"{event_type.description}.",
            "role": "admin" if event_type.for_admins else "manager",
            "schema": schema(event_type),
            "sample": samples[name],
        }
        for name, event_type in EVENT_TYPES.items()
    ]
    return {"items": items, "next_cursor": None}


def files(samples: Mapping[str, Json]) -> dict[Path, str]:
    """Returns the content of each generated file."""
    contents: dict[Path, Json] = {CATALOGUE: catalogue(samples)}
    for name, event_type in EVENT_TYPES.items():
        contents[FOLDER / f"{name}.schema.json"] = schema(event_type)
        contents[FOLDER / f"{name}.sample.json"] = samples[name]
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in contents.items()}


def committed() -> dict[Path, str]:
    """Returns the content of each existing file, including files that are no longer generated."""
    return {path: path.read_text() for path in (*sorted(FOLDER.glob("*.json")), CATALOGUE) if path.exists()}


def write(samples: Mapping[str, Json]) -> None:
    generated = files(samples)
    for path in committed().keys() - generated.keys():
        path.unlink()
    FOLDER.mkdir(exist_ok=True)
    for path, text in generated.items():
        path.write_text(text)
