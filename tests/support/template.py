"""The synthesized template of a stage: what would be deployed, resource by resource."""

import json
from collections import Counter
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
QUEUE = "AWS::SQS::Queue"
MAPPING = "AWS::Lambda::EventSourceMapping"
RULE = "AWS::Events::Rule"


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


def all_mappings(prod: Synthesized) -> list[tuple[str, dict[str, Any]]]:
    """construct id of the function, and one of its mappings"""
    return [
        (mapping["FunctionName"]["Ref"].removeprefix("Functions")[:-8], mapping)
        for mapping in prod.all(MAPPING).values()
    ]


def mappings(prod: Synthesized) -> dict[str, dict[str, Any]]:
    """construct id of a function that has one mapping → the mapping"""
    found = all_mappings(prod)
    times = Counter(name for name, _ in found)
    return {name: mapping for name, mapping in found if times[name] == 1}


def dead_letter_queues(prod: Synthesized) -> dict[str, str]:
    """queue → its dead-letter queue"""
    return {
        name: queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for name, queue in prod.all(QUEUE).items()
        if "RedrivePolicy" in queue
    }


def rules_of_the_bus(prod: Synthesized) -> dict[str, Any]:
    """logical id → each rule of the bus of our own"""
    return {name: rule for name, rule in prod.all(RULE).items() if "EventBusName" in rule}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
