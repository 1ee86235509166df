"""Starts the emulator as `python -m ministack` does, with our guard before its application."""

import os
from pathlib import Path

from ministack import app as ministack

from local.emulator import workers
from local.emulator.guard import guarded


def main() -> None:
    # It leads to this module. Lambda workers inherit the environment, and must not find our modules.
    os.environ.pop("PYTHONPATH", None)
    ministack.app = guarded(ministack.app, int(os.environ["GATEWAY_PORT"]))
    workers.share(Path("unpacked").absolute())
    ministack.main()


if __name__ == "__main__":
    main()
