"""Cold starts of all functions, from the layers as they are deployed: `python -m benchmarks.cold`.

Each start is a process of its own, in turns with the others. The reference is a bare handler with one DynamoDB client
of botocore as PyPI has it, not of the layer, where unused parts are removed.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.oms_worker import ROOT, environment
from benchmarks.requests import aws_stub
from benchmarks.tables import Table, against_aim, as_markdown, median_and_least
from layers.dependencies import build as dependencies
from layers.shared import build as shared

BARE, BARE_OF_LAYER, HTTP_FUNCTION = "bare", "bare, of the layer", "orders.handler"
# As infra/assets.py, which imports the CDK.
BUILDS = ROOT / "build" / "layers"
AIM_RATIO, AIM_MB = 1.6, 60
_HANDLER = re.compile(r"^(def lambda_handler\b|lambda_handler\b)", re.MULTILINE)


@dataclass(frozen=True)
class Layer:
    """A built layer: its folder and its sizes, unpacked and as a compressed zip."""

    folder: Path
    name: str
    bytes: int
    zipped: int


def modules_of_functions(functions: Path = ROOT / "functions") -> list[str]:
    """Returns the modules with a Lambda handler, as `orders.handler`."""
    return [
        f"{path.parent.name}.{path.stem}"
        for path in sorted(functions.glob("*/*.py"))
        if _HANDLER.search(path.read_text())
    ]


def unpack_layers(folder: Path) -> list[Layer]:
    """Builds both layers for this machine, and unpacks them."""
    archives = {
        "dependencies": dependencies.build(platform.machine(), native=True, directory=BUILDS),
        "shared": shared.build(BUILDS),
    }
    layers = []
    for name, archive in archives.items():
        target = folder / name
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(target)
            size = sum(it.file_size for it in opened.infolist())
        packed = Path(shutil.make_archive(str(folder / f"{name}-packed"), "zip", target))
        layers.append(Layer(target / "python", name, size, packed.stat().st_size))
    return layers


def copy_functions(folder: Path) -> Path:
    """Copies the functions as they are deployed: without bytecode."""
    target = folder / "functions"
    shutil.copytree(ROOT / "functions", target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def prepared_event(stub: str, folder: Path) -> Path:
    """Fills the stub with a shop. Returns the file of an event: a customer reads one of their orders."""
    paths = os.pathsep.join(str(ROOT / it) for it in ("layers/shared/python", "functions", "."))
    file = folder / "event.json"
    subprocess.run(
        [sys.executable, "-m", "benchmarks.oms_worker", "--event", str(file)],
        env=environment(stub, "orders") | {"PYTHONPATH": paths},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return file


type Start = dict[str, float]


def start(name: str, paths: Sequence[Path], stub: str, event: Path | None) -> Start:
    """Starts one process. Returns the seconds of its steps, its memory in MB and the number of its modules."""
    module = "bare" if name in (BARE, BARE_OF_LAYER) else name
    variables = environment(stub, module.partition(".")[0]) | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    # -S: no package of the virtual environment is found. -P: nor a module of this folder, which has names of functions.
    command = [sys.executable, "-P", "-S", "-B", str(ROOT / "benchmarks" / "cold_worker.py"), module]
    if event is not None:
        command.append(str(event))
    result = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    started: Start = json.loads(result.stdout)
    return started


def measure(repeats: int, only: Sequence[str] = ()) -> tuple[dict[str, list[Start]], list[Layer]]:
    """Returns the starts of each function and of the references, and the layers."""
    names = [BARE, BARE_OF_LAYER, *(only or modules_of_functions())]
    with tempfile.TemporaryDirectory(prefix="bench-cold-") as temporary, aws_stub() as port:
        stub = f"http://127.0.0.1:{port}"
        folder = Path(temporary)
        layers = unpack_layers(folder)
        deployed = [copy_functions(folder), *(it.folder for it in layers)]
        packages = [Path(it) for it in sys.path if it.endswith("site-packages")]
        starts: dict[str, list[Start]] = defaultdict(list)
        event = prepared_event(stub, folder)
        for _ in range(repeats):
            for name in names:
                paths = packages if name == BARE else deployed
                sent = event if name in (BARE, BARE_OF_LAYER, HTTP_FUNCTION) else None
                starts[name].append(start(name, paths, stub, sent))
    return starts, layers


def milliseconds(starts: Sequence[Start], *steps: str) -> list[float]:
    return [1000 * sum(it[step] for step in steps) for it in starts]


def table(starts: dict[str, list[Start]]) -> Table:
    """Returns the rows: `median/min` of milliseconds of CPU, memory in MB and modules."""
    rows = [["function", "import", "first request", "both", "second", "MB after import", "MB", "modules"]]
    for name, its in sorted(starts.items(), key=lambda it: statistics.median(milliseconds(it[1], "import"))):
        row = [name, median_and_least(milliseconds(its, "import"), 0)]
        if "first" in its[0]:
            row += [
                median_and_least(milliseconds(its, *steps), 0) for steps in (["first"], ["import", "first"], ["second"])
            ]
        else:
            row += ["", "", ""]
        row.append(f"{statistics.median(it['import_mb'] for it in its):.0f}")
        row.append(f"{statistics.median(it['mb'] for it in its):.0f}" if "mb" in its[0] else "")
        row.append(f"{its[0]['modules']:.0f}")
        rows.append(row)
    return rows


def ratio_of_sums(starts: dict[str, list[Start]]) -> float:
    """Returns import plus first request of the HTTP function, as a multiple of the bare handler's."""
    project, bare = (milliseconds(starts[it], "import", "first") for it in (HTTP_FUNCTION, BARE))
    return statistics.median(ours / reference for ours, reference in zip(project, bare, strict=True))


def aim_table(starts: dict[str, list[Start]]) -> Table:
    memory = statistics.median(it["mb"] for it in starts[HTTP_FUNCTION])
    return [
        [f"{HTTP_FUNCTION}, import and first request", "measured"],
        [
            f"CPU, as a multiple of the bare handler's, at most {AIM_RATIO}",
            against_aim(ratio_of_sums(starts), AIM_RATIO),
        ],
        [f"resident memory in MB, at most {AIM_MB}", against_aim(memory, AIM_MB, 0)],
    ]


def layer_table(layers: Sequence[Layer]) -> Table:
    return [
        ["layer", "MB unpacked", "MB zipped"],
        *([it.name, f"{it.bytes / 2**20:.1f}", f"{it.zipped / 2**20:.1f}"] for it in layers),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="starts of each function")
    parser.add_argument("--only", nargs="+", default=[], help="functions, as orders.handler")
    arguments = parser.parse_args()
    starts, layers = measure(arguments.repeats, arguments.only)
    print(as_markdown(table(starts)))
    print()
    print(as_markdown(aim_table(starts)))
    print()
    print(as_markdown(layer_table(layers)))


if __name__ == "__main__":
    main()
