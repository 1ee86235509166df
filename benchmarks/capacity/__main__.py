"""`make capacity`: simulates where each part of the system ends, and writes tables and plots."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.capacity.environment import environment
from benchmarks.capacity.measures import Point, kept_up
from benchmarks.capacity.plan import PARTS, Part, Source, Variant
from benchmarks.capacity.svg import plot
from benchmarks.tables import as_markdown, write_between_marks

if TYPE_CHECKING:
    from tests.support.template import Synthesized

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operate" / "capacity.md"
PICTURES = ROOT / "docs" / "images"
_HEADINGS = ("offered", "served", "succeeded", "conflicts", "throttled", "p50, ms", "p99, ms", "refused by")
_QUICK_SHARE = 0.1

type EventSources = dict[Source, Mapping[str, int]]
"""The settings of the event source mappings."""

type Results = dict[str, list[tuple[str, list[Point]]]]
"""The points of each variant, by part."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--part", nargs="+", choices=[part.name for part in PARTS], help="only these parts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="shorter simulations, whose figures vary more")
    parser.add_argument("--write", action="store_true", help="write the summary and the plots into the docs")
    options = parser.parse_args()
    parts = [part for part in PARTS if options.part is None or part.name in options.part]
    results = simulate(parts, seed=options.seed, share=_QUICK_SHARE if options.quick else 1.0)
    print(f"\n{as_markdown(summary(parts, results))}\n\n{os.times().children_user:.0f} seconds of CPU")
    if options.write:
        write(parts, results)


def simulate(parts: Sequence[Part], *, seed: int, share: float) -> Results:
    """Returns the points of all variants. Each variant has a process, and each core one process at a time."""
    mappings = mappings_of_template() if any(part.sources for part in parts) else {}
    variants = [(part, variant) for part in parts for variant in part.variants]

    def run(part: Part, variant: Variant) -> list[Point]:
        command = [sys.executable, "-m", "benchmarks.capacity.worker", part.name, variant.name]
        command += ["--seed", str(seed), "--share", str(share)]
        command += ["--mappings", json.dumps([mappings[source] for source in part.sources])]
        done = subprocess.run(
            command, env=environment(variant.settings), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        )
        points = [Point(**json.loads(line)) for line in done.stdout.splitlines()]
        title = f"{part.title}, {variant.name}: {part.unit} a second"
        print(f"\n{title}\n\n{as_markdown(points_table(points))}", flush=True)
        return points

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        points = list(pool.map(lambda pair: run(*pair), variants))
    results: Results = {part.name: [] for part in parts}
    for (part, variant), its in zip(variants, points, strict=True):
        results[part.name].append((variant.name, its))
    return results


def mappings_of_template() -> EventSources:
    # Imported here, since the CDK takes seconds to start.
    from tests.support.template import synthesize

    with tempfile.TemporaryDirectory() as folder:
        return event_sources(synthesize(Path(folder), "prod", {"alarm_email": "none"}))


def event_sources(stage: "Synthesized") -> EventSources:
    """Returns the event source mappings of a template."""
    from tests.support.template import all_mappings

    functions = stage.functions()
    return {
        (name, mapping["EventSourceArn"]["Fn::GetAtt"][0][:-8]): {
            "batch": mapping["BatchSize"],
            # The expiry's queue has none: it gets one message for each shard of orders.
            "concurrency": mapping.get("ParallelizationFactor")
            or mapping.get("ScalingConfig", {}).get("MaximumConcurrency", 1),
            "window": mapping.get("MaximumBatchingWindowInSeconds", 0),
            "timeout": functions[name]["Timeout"],
        }
        for name, mapping in all_mappings(stage)
    }


# ---- the results ----------------------------------------------------------------------------------------------------


def points_table(points: Sequence[Point]) -> list[Sequence[str]]:
    return [_HEADINGS, *map(_cells, points)]


def _cells(point: Point) -> Sequence[str]:
    shares = (f"{100 * share:.1f} %" for share in (point.succeeded, point.conflicts, point.throttled))
    return (
        f"{point.offered:g}",
        f"{point.served:.1f}",
        *shares,
        f"{point.p50:.0f}",
        f"{point.p99:.0f}",
        point.hottest,
    )


def summary(parts: Sequence[Part], results: Results) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [("part", "settings", "keeps up with, a second", "serves at most", "refused by")]
    for part in parts:
        for name, points in results[part.name]:
            at_most = max(point.served for point in points)
            hottest = next((point.hottest for point in reversed(points) if point.hottest), "")
            kept = f"{kept_up(points):g} {part.unit}"
            rows.append((part.title, name, kept, f"{at_most:.0f}", f"`{hottest}`" if hottest else ""))
    return rows


def write(parts: Sequence[Part], results: Results) -> None:
    """Writes a plot for each part, and the summary into the page, if all parts were simulated."""
    for part in parts:
        (PICTURES / f"capacity-{part.name}.svg").write_text(plot(part.title, part.unit, results[part.name]))
    if len(parts) == len(PARTS):
        write_between_marks(PAGE, as_markdown(summary(parts, results)))


if __name__ == "__main__":
    main()
