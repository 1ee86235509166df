"""docs/deploying.md says what the commands do: its policy, its lines for make, and those that are rehearsed."""

import json
import re
import subprocess
from pathlib import Path

from local.rehearse import MARKED, script
from oms.commands import rights

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploying.md").read_text()


def test_the_policy_of_the_page_is_the_one_that_is_checked() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    needed = rights.needed(account="ACCOUNT", region="REGION", stage="STAGE")
    assert json.loads(shown)["Statement"] == [
        {"Effect": "Allow", "Action": actions, "Resource": resource} for actions, resource in needed
    ]


def test_each_target_of_make_that_docs_name_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+(?: [a-z-]+)*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    there = {name for line in targets for name in line.split()}
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]

    named = {
        name for page in pages for name in re.findall(r"(?:`|^)make (?:-s )?([a-z][a-z-]*)", page.read_text(), re.M)
    }
    assert {"deploy", "preflight", "smoke", "destroy"} <= named
    assert named - there == set()


def test_the_lines_that_are_rehearsed_are_a_script() -> None:
    assert len(MARKED.findall(PAGE)) >= 6
    subprocess.run(["bash", "-n"], input=script(PAGE), text=True, check=True)  # noqa: S607
