"""Checks the templates of dev, of prod and of prod with every setting by cfn-lint, for all regions: any finding fails.

What a region does not have may only be in a template by a setting: with every setting, the regions that lack one of
BY_SETTING's types are left out, and listed.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cfnlint.helpers import REGIONS
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from infra.app import build
from infra.stages import LOOSENING, Stage

# CDK lets a function depend on its role's policies, and names the role with them, which the function names as well.
IGNORED = ("W3005",)
# Only a stage with `mail_from` has anything of SES.
BY_SETTING = ("AWS::SES::ConfigurationSet",)
ALARMED = {"alarm_email": "ops@shop.example"}
EVERY_SETTING = {
    **ALARMED,
    "currency": "EUR",
    "hold_seconds": 3600,
    "shortest_hold_seconds": 1800,
    "open_orders_limit": 100,
    "order_shards": 4,
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
    "replay_concurrency": 4,
    "export_concurrency": 10,
    "lambda_concurrency": 2000,
    "audit_lock_days": 400,
    "public_url": "https://shop.example",
    "mail_from": "shop@shop.example",
    "daily_report_to": ["ada@shop.example"],
    "canary_minutes": 10,
}


def lint(name: str, stage: str, settings: dict[str, Any], regions: list[str]) -> bool:
    """Whether the template of the stage with these settings has no finding; prints those that it has."""
    with tempfile.TemporaryDirectory() as folder:
        build({"stage": stage, "settings": {stage: settings}}, outdir=folder).synth()
        template = Path(folder) / f"Oms-{stage}.template.json"
        program = Path(sys.executable).with_name("cfn-lint")
        command = [program, "--template", template, "--ignore-checks", *IGNORED, "--regions", *regions]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    print(f"{name}: {'no finding' if result.returncode == 0 else 'refused'} in {len(regions)} regions")
    print(result.stdout + result.stderr, end="")
    return result.returncode == 0


def main() -> None:
    if missing := Stage.model_fields.keys() - {"name", *LOOSENING} - EVERY_SETTING.keys():
        sys.exit(f"Add to EVERY_SETTING what these settings can be set to: {', '.join(sorted(missing))}.")
    without = {it for it in REGIONS if not set(BY_SETTING) <= set(PROVIDER_SCHEMA_MANAGER.get_resource_types(it))}
    found = [
        lint("dev", "dev", {}, REGIONS),
        lint("prod", "prod", ALARMED, REGIONS),
        lint("prod with every setting", "prod", EVERY_SETTING, [it for it in REGIONS if it not in without]),
    ]
    print(f"Without {', '.join(BY_SETTING)}: {', '.join(sorted(without))}")
    sys.exit(0 if all(found) else 1)


if __name__ == "__main__":
    main()
