"""What the repository says of events: a JSON Schema and a sample of each type, in `events/` and for the docs function.

The schemas are made here from the models. The samples are made by the system itself, in
`tests/functional/test_event_files.py`, which `make events` runs to have all of it written.
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
    """Of the events of one type. What it does not name may come in a later version: readers pass over it."""
    made = Event[PAYLOADS[event_type.name]].model_json_schema(mode="serialization")  # type: ignore[valid-type, name-defined]
    definitions = {name: _required(_plain(it)) for name, it in sorted(made.pop("$defs", {}).items())}
    made = _required(_plain(made))
    made["required"].remove("omitted")
    properties = made["properties"]
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
    return {**head, **{name: made[name] for name in ("type", "properties", "required")}, "$defs": definitions}


def _plain(node: Any) -> Any:
    """Without the titles that pydantic makes of field names."""
    if isinstance(node, dict):
        named = node.get("properties", {})
        plain = {name: _plain(it) for name, it in node.items() if name not in ("title", "properties")}
        return plain | ({"properties": {name: _plain(it) for name, it in named.items()}} if named else {})
    return [_plain(it) for it in node] if isinstance(node, list) else node


def _required(definition: Json) -> Json:
    """Every field is always there."""
    return definition | ({"required": list(definition["properties"])} if "properties" in definition else {})


def catalogue(samples: Mapping[str, Json]) -> Json:
    """What `GET /event-catalogue` answers."""
    items = [
        {
            "type": name,
            "description": f"{it.description}.",
            "role": "admin" if it.for_admins else "manager",
            "schema": schema(it),
            "sample": samples[name],
        }
        for name, it in EVENT_TYPES.items()
    ]
    return {"items": items, "next_cursor": None}


def files(samples: Mapping[str, Json]) -> dict[Path, str]:
    """Everything that is written: each file's content."""
    contents: dict[Path, Json] = {CATALOGUE: catalogue(samples)}
    for name, it in EVENT_TYPES.items():
        contents[FOLDER / f"{name}.schema.json"] = schema(it)
        contents[FOLDER / f"{name}.sample.json"] = samples[name]
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in contents.items()}


def committed() -> dict[Path, str]:
    """What there is now; a file too many is one of these."""
    return {path: path.read_text() for path in (*sorted(FOLDER.glob("*.json")), CATALOGUE) if path.exists()}


def write(samples: Mapping[str, Json]) -> None:
    wanted = files(samples)
    for path in committed().keys() - wanted.keys():
        path.unlink()
    FOLDER.mkdir(exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text)
