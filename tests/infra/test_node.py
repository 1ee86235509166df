"""The synthesis runs on the node that is locked with the other packages, never on that of the machine."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_node_of_the_machine_is_not_asked(tmp_path: Path) -> None:
    broken = tmp_path / "node"
    broken.write_text("#!/bin/sh\necho this node is too old >&2\nexit 1\n")
    broken.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    environment.pop("JSII_NODE", None)

    run = subprocess.run(
        [sys.executable, "-c", "import infra.app, aws_cdk; aws_cdk.App()"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")
