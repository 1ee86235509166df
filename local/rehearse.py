"""`make rehearse`: follows docs/operate/deploying.md with the real CDK command line and a local emulator.

The page's marked lines run unchanged, in their order. It needs Linux, since the functions are built for AWS.
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
# The emulator's APIs have no host names, unlike on AWS, so the address is derived from the output ApiId.
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
    """Returns the marked lines of the page as a shell script. Blocks that may fail do not end the script."""
    parts = [FIND_API, "set -v"]
    for block in MARKED.finditer(page):
        lines = block["lines"]
        parts.append(f"( {lines.strip()} ) || true" if "may fail" in block["how"] else lines)
        parts.append('export URL="${URL:-$(find_api)}"')
    return "\n".join(parts)


def repository(folder: Path, settings: dict[str, Any]) -> Path:
    """Returns a folder of links to the repository's files, with its own cdk.json.

    In it, the stage has these additional settings, and the app's template is one that the emulator accepts.
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
        sys.exit("`make rehearse` needs Linux, since the functions are built for AWS. Use `make up` on this machine.")
    architecture = "arm64" if platform.machine() == "aarch64" else "x86_64"
    try:
        with own_folder() as folder, Cloud(folder) as cloud:
            cloud.wait_until_healthy()
            file = folder / "rehearsal.sh"
            file.write_text(script(PAGE.read_text()))
            # Omits the developer's AWS settings, but keeps others that package installation may need, such as proxies.
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
        sys.exit("The rehearsal failed at the last command above. Correct docs/operate/deploying.md or the code.")
    print("\nThe rehearsal succeeded: the stack was deployed, tested and removed by docs/operate/deploying.md.")


if __name__ == "__main__":
    run_until_unread(main)
