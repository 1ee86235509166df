"""The synthesized template of a stage: what would be deployed, resource by resource."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.app import build

type Resource = dict[str, Any]

# An origin, so that the CORS rules are there to be looked at.
ORIGINS = ["https://shop.example", "https://office.example"]
# A stage with every part that a setting adds.
FULL_SETTINGS: Mapping[str, object] = {
    "cors_origins": ORIGINS,
    "passwords_concurrency": 20,
    "alarm_email": "ops@shop.example",
    "public_url": "https://shop.example",
    "mail_from": "shop@mail.shop.example",
    "daily_report_to": ["ada@shop.example", "bob@shop.example"],
}


@dataclass(frozen=True)
class Synthesized:
    folder: Path
    stage: str

    @cached_property
    def template(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / f"Oms-{self.stage}.template.json").read_text()))

    def all(self, resource_type: str) -> dict[str, Resource]:
        """logical id → properties"""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self.template["Resources"].items()
            if resource["Type"] == resource_type
        }

    def one(self, resource_type: str, prefix: str) -> Resource:
        """The properties of the resource whose logical id starts with `prefix` (the path of its construct)."""
        found = [properties for logical_id, properties in self.all(resource_type).items() if _named(logical_id, prefix)]
        assert len(found) == 1, f"{len(found)} resources of {resource_type} are named {prefix}"
        return found[0]

    def functions(self) -> dict[str, Resource]:
        """construct id → properties"""
        return {
            logical_id.removeprefix("Functions")[:-8]: properties
            for logical_id, properties in self.all("AWS::Lambda::Function").items()
        }


def _named(logical_id: str, prefix: str) -> bool:
    # CDK appends eight hexadecimal digits to the path.
    return logical_id[:-8] == prefix


def synthesize(folder: Path, stage: str, settings: Mapping[str, object]) -> Synthesized:
    build({"stage": stage, "settings": {stage: settings}}, outdir=str(folder)).synth()
    return Synthesized(folder, stage)
