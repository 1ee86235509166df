"""The imports of a forked worker of the local cloud: the modules that functions share, and none of a function's own."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
HANDLERS = [
    ".".join(path.relative_to(FUNCTIONS).with_suffix("").parts)
    for path in sorted(FUNCTIONS.glob("*/*.py"))
    if re.search(r"^(def )?lambda_handler\b", path.read_text(), re.MULTILINE)
]
# Its recorder reads the environment at import.
LEFT_TO_THE_WORKER = ("aws_xray_sdk",)

PROBE = """
import importlib, json, os, sys, threading

read = set()
get = type(os.environ).__getitem__

def noting(environment, name):
    read.add(name)
    return get(environment, name)

type(os.environ).__getitem__ = noting
from local.emulator import zygote

for name in zygote.PRELOADED:
    importlib.import_module(name)
zygote._load_models(["dynamodb", "sqs"])
threads, read_before, before = threading.active_count(), sorted(read), set(sys.modules)
os.environ.update(LAMBDA_TASK_ROOT="/var/task", POWERTOOLS_TRACE_DISABLED="1")
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps({"threads": threads, "read": read_before, "later": sorted(set(sys.modules) - before)}))
"""


@pytest.fixture(scope="module")
def probe() -> Any:
    path = [str(it) for it in (ROOT, FUNCTIONS, ROOT / "layers/shared/python")]
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{PROBE}", *HANDLERS],
        stdout=subprocess.PIPE,
        check=True,
        cwd=ROOT,
        env={},
    )
    return json.loads(result.stdout)


def test_the_functions_third_party_imports_are_imported_before_the_fork(probe: Any) -> None:
    assert len(HANDLERS) > 20
    own = {"oms", *(name.partition(".")[0] for name in HANDLERS)}
    later = {name for name in probe["later"] if name.partition(".")[0] not in own}

    assert {name for name in later if not name.startswith(LEFT_TO_THE_WORKER)} == set(), "for PRELOADED"


def test_it_does_not_read_a_function_s_environment_and_starts_no_thread(probe: Any) -> None:
    prefixes = (
        "OMS_",
        "POWERTOOLS_SERVICE",
        "POWERTOOLS_LOG",
        "POWERTOOLS_METRICS",
        "LOG_LEVEL",
        "AWS_LAMBDA_FUNCTION",
        "AWS_LAMBDA_LOG",
    )

    assert [name for name in probe["read"] if name.startswith(prefixes)] == []
    assert probe["threads"] == 1
