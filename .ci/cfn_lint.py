"""Checks the templates of dev, of prod and of prod with every setting by cfn-lint, for all regions: any finding fails.

Only settings may add resource types that some regions lack. The template with every setting is not checked for the
regions that lack one of BY_SETTING's types; these regions are listed.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cfnlint.helpers import REGIONS
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from infra.app import build
from tests.support.template import EVERY_SETTING

# CDK lets a function depend on its role's policies, and names the role with them, which the function names as well.
IGNORED = ("W3005",)
# Only a stage with `mail_from` has anything of SES, and only one with `console` anything of CloudFront.
BY_SETTING = ("AWS::SES::ConfigurationSet", "AWS::CloudFront::Distribution")
ALARMED = {"alarm_email": "ops@shop.example"}


def lint(name: str, stage: str, settings: Mapping[str, object], regions: list[str]) -> bool:
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
