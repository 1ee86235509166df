"""`make rehearse`: goes through docs/operate/deploying.md with the real CDK command line and a local emulator.

The lines that are marked there run as they stand, in their order. On Linux only: the functions are those of AWS.
"""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from local.cloud import Cloud
from local.errors import LocalCloudError
from local.folder import own_folder
from oms.commands.closed_pipe import run_until_unread

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "operate" / "deploying.md"
STAGE = "dev"
MARKED = re.compile(r"^<!-- rehearsed(?P<how>[^>]*) -->\n```sh\n(?P<lines>.*?)^```$", re.MULTILINE | re.DOTALL)
# What the emulator makes otherwise than AWS: its APIs have no host of their own, so once the stack is there, the
# address is found by the output ApiId.
FIND_API = """
find_api() {
  .venv/bin/python -c '
import os, boto3
try:
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="Oms-%s")["Stacks"]
    outputs = {it["OutputKey"]: it["OutputValue"] for it in stack.get("Outputs", [])}
    print("{}/_aws/execute-api/{}/$default".format(os.environ["AWS_ENDPOINT_URL"], outputs["ApiId"]))
except Exception:
    pass
'
}
""".replace("%s", STAGE)


def script(page: str) -> str:
    """The marked lines of the page. One that may fail does not end them."""
    parts = [FIND_API, "set -v"]
    for block in MARKED.finditer(page):
        lines = block["lines"]
        parts.append(f"( {lines.strip()} ) || true" if "may fail" in block["how"] else lines)
        parts.append('export URL="${URL:-$(find_api)}"')
    return "\n".join(parts)


def repository(folder: Path, settings: dict[str, Any]) -> Path:
    """The repository by links, but for its cdk.json: the stage has these settings beside its own, and the emulator
    is given what it can take.
    """
    copy = folder / "repository"
    copy.mkdir()
    for path in ROOT.iterdir():
        if path.name not in ("cdk.json", "cdk.out", ".git"):
            (copy / path.name).symlink_to(path)
    context = json.loads((ROOT / "cdk.json").read_text())
    context["context"]["settings"][STAGE] |= settings
    context["app"] = "python -m local.rehearsed_app"
    (copy / "cdk.json").write_text(json.dumps(context))
    return copy


def main() -> None:
    if platform.system() != "Linux":
        sys.exit("The functions of AWS run on Linux alone; `make up` runs the system on any machine.")
    architecture = "arm64" if platform.machine() == "aarch64" else "x86_64"
    try:
        with own_folder() as folder, Cloud(folder) as cloud:
            cloud.wait_until_healthy()
            file = folder / "rehearsal.sh"
            file.write_text(script(PAGE.read_text()))
            # Nothing of the developer's AWS set-up; but what installing packages may need, as proxies.
            others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
            ended = subprocess.run(
                ["bash", "-euo", "pipefail", str(file)],  # noqa: S607 - as in a reader's terminal
                cwd=repository(folder, {"architecture": architecture}),
                env=others | cloud.child_environment() | {"CONFIRM": STAGE, "CDK_DISABLE_CLI_TELEMETRY": "true"},
                check=False,
            )
    except LocalCloudError as error:
        sys.exit(str(error))
    if ended.returncode:
        sys.exit("The rehearsal failed: the last line above is the one that did.")
    print("\nThe rehearsal is over: deployed, tried and removed, as docs/operate/deploying.md says.")


if __name__ == "__main__":
    run_until_unread(main)
