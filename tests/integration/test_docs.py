"""The commands of the pages for integrators, run unchanged on the demo shop."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from local.system import LocalSystem

PAGES = Path(__file__).parents[2] / "docs" / "integrate"
LINES = re.compile(r"^<!-- demo shop -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
START = "quick-start.md"


def lines_of(page: str) -> str:
    found = LINES.findall((PAGES / page).read_text())
    assert found, page
    return "\n".join(found)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_lines_for_integrators_run_one_page_after_the_other(system: LocalSystem) -> None:
    others = sorted(it.name for it in PAGES.glob("*.md") if it.name != START and LINES.search(it.read_text()))
    assert others == ["idempotency.md", "import.md", "paging.md", "schedules.md", "sign-in.md", "webhooks.md"]
    script = "\n".join(map(lines_of, [START, *others]))

    done = subprocess.run(
        ["bash", "-eu"],  # noqa: S607
        input=script,
        env=os.environ | {"PORT": str(system.front_door.port), "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    *_, history = (line for line in done.stdout.splitlines() if '"from":"pending"' in line)
    assert '"to":"cancelled"' in history
    assert "dempotency-" in done.stdout
    assert '"keys":' in done.stdout
    assert '"secret":"whsec_' in done.stdout
    assert '"recipients":["manager@demo.example"]' in done.stdout
    assert '"kind":"products"' in done.stdout
    assert re.search(r"(^|\})[3-9]\d* pages$", done.stdout, re.MULTILINE)
