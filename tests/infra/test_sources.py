"""The app's Python reads the files that the local cloud treats as its inputs, and no others of this folder.

The test records the files that the Python process opens and lists, and not those of CDK's node process. That copies the
assets, `functions/` and the layers' archives, by `infra/assets.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from local.deployment import ROOT
from local.sources import WATCHED

# Created from the inputs, or installed.
MADE = ("build", ".venv", ".uv")
WATCH = """
import json, os, sys
opened = set()
def note(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes, os.PathLike)):
        opened.add(os.path.realpath(os.fsdecode(arguments[0])))
sys.addaudithook(note)
sys.argv = ["infra.app"]
import infra.app
infra.app.main()
print("OPENED" + json.dumps(sorted(opened)))
"""


def test_the_python_of_the_synthesis_reads_nothing_that_is_not_watched(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WATCH],
        # Not ROOT: a name relative to an open folder, as when one is removed, must not look like a file of the project.
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CDK_OUTDIR": str(tmp_path / "cdk.out"),
            "CDK_CONTEXT_JSON": '{"stage": "local"}',
        },
        capture_output=True,
        text=True,
        check=True,
    )
    opened = [Path(path) for path in json.loads(result.stdout.partition("OPENED")[2])]
    parts = {path.relative_to(ROOT).parts[:1] for path in opened if path.is_relative_to(ROOT)}
    read = {part for found in parts for part in found} - set(MADE)

    assert {"infra", "layers", "pyproject.toml", "cdk.json", "requirements"} <= read
    assert read <= set(WATCHED)
