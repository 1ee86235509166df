"""The CDK app of `make rehearse`, whose template is changed for the emulator."""

import json
from pathlib import Path

from infra.app import build
from local.emulator.permissions import correct_template


def adapted_template(template: str) -> str:
    """Returns the template with corrected policies, and without alarms on expressions, which the emulator rejects."""
    content = correct_template(json.loads(template))
    content["Resources"] = {
        name: resource
        for name, resource in content["Resources"].items()
        if not (resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"])
    }
    return json.dumps(content)


def main() -> None:
    for file in Path(build().synth().directory).glob("*.template.json"):
        file.write_text(adapted_template(file.read_text()))


if __name__ == "__main__":
    main()
