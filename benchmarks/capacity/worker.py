"""A worker of `make capacity`: simulates one variant of a part at all its rates, and prints each point as JSON."""

import argparse
import importlib
import json
import os
import sys
from dataclasses import asdict, replace

from benchmarks.capacity import plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part")
    parser.add_argument("variant")
    parser.add_argument("--mappings", default="[]", help="the event source mappings of the part's sources, as JSON")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the plan's work, for a quick run")
    parser.add_argument("--rates", type=float, nargs="+", help="instead of the plan's")
    parser.add_argument("--even", action="store_true", help="all calls take their mean")
    options = parser.parse_args()
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    # The environment decides the settings, so the code is imported here.
    from benchmarks.capacity import parts, simulation
    from benchmarks.capacity.consumers import Mapping

    part = next(it for it in plan.PARTS if it.name == options.part)
    variant = next(it for it in part.variants if it.name == options.variant)
    mappings = [Mapping(**it) for it in json.loads(options.mappings)]
    if variant.concurrency:
        mappings = [
            replace(it, concurrency=concurrency) for it, concurrency in zip(mappings, variant.concurrency, strict=True)
        ]
    simulation.install()
    for name, value in variant.constants.items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    for rate in options.rates or variant.rates:
        simulation.DATABASE.clear()
        parts.new_process()
        seconds = min(plan.MAX_SECONDS, max(part.seconds, options.share * part.work / rate))
        pieces = parts.PIECES.get(part.name, 1)
        with simulation.simulation(
            seed=options.seed, seconds=seconds, parts=pieces, spread=not options.even
        ) as running:
            parts.RUNS[part.name](running, rate, *mappings)
        print(json.dumps(asdict(running.point(rate))), file=pipe, flush=True)


if __name__ == "__main__":
    sys.setswitchinterval(1)
    main()
