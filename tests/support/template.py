"""The synthesized template of a stage, resource by resource."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.app import build

type Resource = dict[str, Any]

# An origin, so that the template has CORS rules.
ORIGINS = ["https://shop.example", "https://office.example"]
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
# A stage with every part that a setting adds.
FULL_SETTINGS: Mapping[str, object] = {
    "cors_origins": ORIGINS,
    "passwords_concurrency": 20,
    "alarm_email": "ops@shop.example",
    "public_url": "https://shop.example",
    "mail_from": "shop@mail.shop.example",
    "daily_report_to": ["ada@shop.example", "bob@shop.example"],
    "backup_days": 90,
    "backup_copy_region": "eu-west-1",
    "public_catalogue": True,
    "console": True,
    "console_domain": "office.shop.example",
    "console_certificate_arn": CERTIFICATE,
}
# Other settings than prod's, where a part has more than one possible value.
DEV_SETTINGS: Mapping[str, object] = {
    "public_url": "https://dev.shop.example",
    "mail_from": "shop@mail.shop.example",
    "log_level": "WARNING",
    "default_endpoint": False,
    "canary_minutes": 10,
    "mail_concurrency": 8,
    "delivery_concurrency": 30,
    "dispatch_concurrency": 9,
    "aggregate_concurrency": 7,
    "feed_concurrency": 7,
    "replay_concurrency": 4,
    "export_concurrency": 6,
    "import_concurrency": 7,
    "order_shards": 3,
}
# For cfn-lint: each setting that a stage on AWS can have, mostly different from its default.
EVERY_SETTING: Mapping[str, object] = {
    "architecture": "arm64",
    "alarm_email": "ops@shop.example",
    "currency": "EUR",
    "time_zone": "Europe/Berlin",
    "hold_seconds": 3600,
    "shortest_hold_seconds": 1800,
    "public_throttle_rate": 20,
    "public_throttle_burst": 40,
    # The console needs it; the template of dev in the tests is without it.
    "default_endpoint": True,
    "console": True,
    "console_domain": "office.shop.example",
    "console_certificate_arn": CERTIFICATE,
    "console_web_acl": True,
    "console_web_acl_rate": 20_000,
    "customer_requests_per_minute": 300,
    "manager_requests_per_minute": 0,
    "public_catalogue": True,
    "anonymous_requests_per_minute": 300,
    "guest_checkout": True,
    "guest_orders_limit": 5,
    "open_orders_limit": 100,
    "order_units_limit": 500,
    "stock_share_limit": 50,
    "order_value_limit": "5000.00",
    "unverified_open_orders_limit": 1,
    "unverified_order_units_limit": 20,
    "unverified_stock_share_limit": 10,
    "unverified_order_value_limit": "250.00",
    "unverified_hold_seconds": 900,
    "password_min_length": 10,
    "staff_password_min_length": 20,
    "order_shards": 4,
    "delivery_shards": 32,
    "shipping_max": "500.00",
    "shipping_flat": "4.90",
    "cors_origins": ["https://shop.example"],
    "throttle_rate": 500,
    "throttle_burst": 1000,
    "log_level": "WARNING",
    "log_retention": "ONE_YEAR",
    "passwords_concurrency": 20,
    "delivery_concurrency": 40,
    "mail_concurrency": 10,
    "dispatch_concurrency": 10,
    "aggregate_concurrency": 8,
    "feed_concurrency": 20,
    "replay_concurrency": 4,
    "export_concurrency": 10,
    "import_concurrency": 10,
    "lambda_concurrency": 2000,
    "audit_lock_days": 400,
    "public_url": "https://shop.example",
    "mail_from": "shop@shop.example",
    "unverified_mails_per_day": 500,
    "daily_report_to": ["ada@shop.example"],
    "canary_minutes": 10,
    "backup_days": 35,
    "backup_copy_region": "eu-west-1",
}
# The functions behind the API.
HTTP = {"Auth", "Passwords", "Inventory", "Orders", "Admin", "Webhooks", "Reports", "Docs"}
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
        """Returns the properties of the resource whose logical id starts with `prefix` (the path of its construct)."""
        found = [properties for logical_id, properties in self.all(resource_type).items() if _named(logical_id, prefix)]
        assert len(found) == 1, f"{len(found)} resources of {resource_type} are named {prefix}"
        return found[0]

    def functions(self) -> dict[str, Resource]:
        """construct id → properties"""
        return {
            logical_id.removeprefix("Functions")[:-8]: properties
            for logical_id, properties in self.all("AWS::Lambda::Function").items()
        }

    def function_of(self, value: Any) -> str:
        """Returns the logical id of the function that a part of the template names, directly or by its alias."""
        (name,) = named_in(value)
        resource = self.template["Resources"][name]
        if resource["Type"] == "AWS::Lambda::Alias":
            return self.function_of(resource["Properties"]["FunctionName"])
        assert resource["Type"] == "AWS::Lambda::Function", f"{name} is a {resource['Type']}"
        return name


def named_in(value: Any) -> set[str]:
    """Returns the logical ids of all resources that a part of a template names."""
    if isinstance(value, dict):
        if "Ref" in value:
            return {str(value["Ref"])}
        if "Fn::GetAtt" in value:
            return {str(value["Fn::GetAtt"][0])}
        return named_in(list(value.values()))
    return set().union(*map(named_in, value)) if isinstance(value, list) else set()


def _named(logical_id: str, prefix: str) -> bool:
    # CDK appends eight hexadecimal digits to the path.
    return logical_id[:-8] == prefix


def synthesize(folder: Path, stage: str, settings: Mapping[str, object]) -> Synthesized:
    build({"stage": stage, "settings": {stage: settings}}, outdir=str(folder)).synth()
    return Synthesized(folder, stage)


def all_mappings(prod: Synthesized) -> list[tuple[str, dict[str, Any]]]:
    """construct id of the function, and one of its mappings"""
    return [
        (prod.function_of(mapping["FunctionName"]).removeprefix("Functions")[:-8], mapping)
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
    """logical id → each rule of the system's bus"""
    return {name: rule for name, rule in prod.all(RULE).items() if "EventBusName" in rule}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
