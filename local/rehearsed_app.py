"""The CDK app as `make rehearse` deploys it: as the emulator takes its template."""

import json
from pathlib import Path

from infra.app import build
from local.emulator.permissions import correct_template


def as_the_emulator_takes_it(template: str) -> str:
    """The template without alarms on expressions, to which nothing refers, and with the policies put right."""
    content = correct_template(json.loads(template))
    content["Resources"] = {
        name: resource
        for name, resource in content["Resources"].items()
        if not (resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"])
    }
    return json.dumps(content)


def main() -> None:
    for file in Path(build().synth().directory).glob("*.template.json"):
        file.write_text(as_the_emulator_takes_it(file.read_text()))


if __name__ == "__main__":
    main()
